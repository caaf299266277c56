extern alias generator;

using System.Diagnostics;
using generator::Memory.Gen.Generators;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Text;
using Spectre.Console;

namespace Memory.Gen.Bench;

/// <summary>
/// What the generator costs while somebody types: 200 edits in a project with 100 declared models, each a character or a line in
/// a method elsewhere, in a file with a declaration, in a signature, which every declaration could see, or in a declaration
/// itself. Only the driver's run is timed.
/// </summary>
internal static class TypingSession
{
    private const int Models = 100, OtherFiles = 100, Edits = 200;

    /// <summary>Runs it and prints the medians.</summary>
    public static int Run(IAnsiConsole console)
    {
        var options = new CSharpParseOptions(LanguageVersion.Latest);
        Compilation compilation = CSharpCompilation.Create(
            "Typed",
            Sources().Select(s => CSharpSyntaxTree.ParseText(s.Text, options, s.Path)),
            ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
                .Where(path => path != typeof(MemoryGenerator).Assembly.Location).Select(path => MetadataReference.CreateFromFile(path)),
            new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary));
        GeneratorDriver driver = CSharpGeneratorDriver.Create([new MemoryGenerator().AsSourceGenerator()], parseOptions: options);
        long start = Stopwatch.GetTimestamp();
        driver = driver.RunGenerators(compilation);
        double first = Stopwatch.GetElapsedTime(start).TotalMilliseconds;

        var times = new Dictionary<string, List<double>>();
        for (int edit = 0; edit < Edits; edit++)
        {
            (string kind, string path, string mark, string text) = (edit % 20) switch
            {
                19 => ("in a declaration", $"Model{edit % Models}.cs", "Window = 64", "Window = " + edit),
                9 => ("in a signature", $"Other{edit % OtherFiles}.cs", "(int x", $"(int x{edit}, int x"),
                3 or 7 or 11 or 15 => ("beside a declaration", $"Model{edit % Models}.cs", "// notes", "// notes" + edit),
                _ => ("in a method", $"Other{edit % OtherFiles}.cs", "return ", "return 1 + "),
            };
            SyntaxTree before = compilation.SyntaxTrees.First(t => t.FilePath == path);
            SourceText written = before.GetText();
            int at = written.ToString().IndexOf(mark, StringComparison.Ordinal);
            if (at < 0) (mark, at) = ("", written.Length);
            compilation = compilation.ReplaceSyntaxTree(
                before, before.WithChangedText(written.WithChanges(new TextChange(new TextSpan(at, mark.Length), text))));
            start = Stopwatch.GetTimestamp();
            driver = driver.RunGenerators(compilation);
            double milliseconds = Stopwatch.GetElapsedTime(start).TotalMilliseconds;
            foreach (string row in (string[])["all", kind])
                (times.TryGetValue(row, out List<double>? list) ? list : times[row] = []).Add(milliseconds);
        }

        console.WriteLine($"{Models} models in {Models + OtherFiles} files, first run {first:F0} ms; then {Edits} edits, milliseconds in the generator's driver:");
        var table = new Table().AddColumns("edit", "number", "median", "90 %", "most");
        foreach ((string kind, List<double> list) in times)
            table.AddRow(kind, $"{list.Count}", $"{Timing.Median(list):F2}", $"{list.Order().ElementAt(list.Count * 9 / 10):F2}", $"{list.Max():F2}");
        console.Write(table);
        return 0;
    }

    private static IEnumerable<(string Path, string Text)> Sources()
    {
        for (int i = 0; i < Models; i++)
            yield return ($"Model{i}.cs", $$"""
                using Memory.Gen;

                namespace Typed.Models;

                // notes
                [MemoryModel(VocabSize = 256, Dim = 128, Pattern = "DDA")]
                [LinearMemory('D', Rule = MemoryRule.GatedDelta, Heads = 4)]
                [SlidingAttention('A', Heads = 4, Window = 64)]
                public sealed partial class Model{{i}}
                {
                    public string Name => "{{i}}";
                }
                """);
        for (int i = 0; i < OtherFiles; i++)
            yield return ($"Other{i}.cs", $$"""
                namespace Typed.Other;

                public static class Other{{i}}
                {
                {{string.Concat(Enumerable.Range(0, 40).Select(m => $"    public static int Method{m}(int x) {{ if (x > {m}) return x * {m}; return Method{m}(x + 1); }}\n"))}}
                }
                """);
    }
}
