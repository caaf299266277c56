using System.Reflection;
using Memory.Gen.Tests.Harness;
using Memory.Gen.Tests.Shared;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Memory.Gen.Tests.Documentation;

/// <summary>Whoever follows <c>extending.md</c> gets a memory that is written and compiles.</summary>
public class ExtendingTests
{
    private const string Attribute = "runtime/Memory.Gen.Abstractions/LeakyMemoryAttribute.cs";

    private const string ImplicitUsings = "global using System; global using System.Collections.Generic; global using System.IO; global using System.Linq; global using System.Threading;";

    [Fact]
    public void TheMemoryOfThePageIsWritten()
    {
        Dictionary<string, string> files = Sources();
        foreach (Snippet snippet in new Page("docs/extending.md").Snippets)
            Apply(snippet, files);
        CSharpCompilation declared = Compile.Library(Declarations.Model("[LeakyMemory(HalfLife = 16)]"));
        declared = declared.AddSyntaxTrees(CSharpSyntaxTree.ParseText(files[Attribute], (CSharpParseOptions)declared.SyntaxTrees[0].Options, "LeakyMemoryAttribute.cs"));

        CSharpGeneratorDriver.Create([Generator(files).AsSourceGenerator()], parseOptions: (CSharpParseOptions)declared.SyntaxTrees[0].Options)
            .RunGeneratorsAndUpdateCompilation(declared, out Compilation output, out var reported);

        Assert.Empty(reported);
        Assert.Contains("private sealed class LeakyMemory : nn.Module<Tensor, LayerState?, Tensor>", output.SyntaxTrees.Last().ToString());
        Assert.Empty(output.GetDiagnostics().Where(d => d.Severity >= DiagnosticSeverity.Warning));
    }

    // The generator's sources with those of the page, and the enums that it carries.
    private static Dictionary<string, string> Sources() => new[] { "generators/Memory.Gen", "runtime/Memory.Gen.Abstractions" }
        .SelectMany(folder => Directory.GetFiles(SourceTree.Path(folder), "*.cs", SearchOption.AllDirectories))
        .Select(file => Path.GetRelativePath(SourceTree.Root, file))
        .Where(file => !file.Contains("/obj/", StringComparison.Ordinal) && !file.EndsWith("Attribute.cs", StringComparison.Ordinal))
        .ToDictionary(file => file, file => File.ReadAllText(SourceTree.Path(file)));

    // A snippet says which file it is, or behind or before which text of a file it goes.
    private static void Apply(Snippet snippet, Dictionary<string, string> files)
    {
        string[] words = snippet.Info.Split(' ', 3);
        string path = words[1][(words[1].IndexOf('=') + 1)..];
        if (words[1].StartsWith("file=", StringComparison.Ordinal))
            files[path] = snippet.Code;
        else if (files.TryGetValue(path, out string? text))
        {
            string place = words[2][(words[2].IndexOf('=') + 1)..];
            int at = text.IndexOf(place, StringComparison.Ordinal);
            Assert.True(at >= 0, $"{snippet.Place}: {path} does not contain {place}");
            files[path] = text.Insert(words[2].StartsWith("after=", StringComparison.Ordinal) ? text.IndexOf('\n', at) + 1 : text.LastIndexOf('\n', at) + 1, snippet.Code + "\n");
        }
    }

    private static IIncrementalGenerator Generator(Dictionary<string, string> files)
    {
        var options = new CSharpParseOptions(LanguageVersion.Latest);
        var compilation = CSharpCompilation.Create(
            "Memory.Gen.Extended",
            [CSharpSyntaxTree.ParseText(ImplicitUsings, options), .. files.Where(f => f.Key != Attribute).Select(f => CSharpSyntaxTree.ParseText(f.Value, options, f.Key))],
            Compile.References(without: "Memory.Gen."),
            new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, nullableContextOptions: NullableContextOptions.Enable));
        using var assembly = new MemoryStream();
        Assert.Empty(compilation.Emit(assembly).Diagnostics.Where(d => d.Severity == DiagnosticSeverity.Error));
        return (IIncrementalGenerator)Activator.CreateInstance(Assembly.Load(assembly.ToArray()).GetType("Memory.Gen.Generators.MemoryGenerator", throwOnError: true)!)!;
    }
}
