using System.Text.RegularExpressions;
using Memory.Gen.Tests.CodeFixes;
using Memory.Gen.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeActions;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Diagnostics;

namespace Memory.Gen.Tests.Diagnostics;

/// <summary>
/// Whatever is wrong with a declaration, what a diagnostic offers takes it away and leads to no other, and whoever always takes
/// the first offer is done after as many as there were diagnostics.
/// </summary>
public partial class RepairTests
{
    [Theory]
    [InlineData(1, 40)]
    [InlineData(2, 40)]
    public async Task WhatIsOfferedLeadsToNoOther(int seed, int declarations) => await Check(seed, declarations);

    [Theory]
    [Trait("Category", "Soak")]
    [InlineData(101, 1000)]
    [InlineData(102, 1000)]
    public async Task InThousandsWhatIsOfferedLeadsToNoOther(int seed, int declarations) => await Check(seed, declarations);

    // A file, one of its diagnostics and the others, what is offered for it, and the file after that.
    private sealed record Repaired(int File, string Key, IReadOnlyCollection<string> Others, string Title, string Text);

    private static async Task Check(int seed, int declarations)
    {
        var random = new Random(seed);
        string[] files = [.. Enumerable.Range(0, declarations).Select(_ => new WrongDeclaration(random).Whole())];
        int most = (await Reported(Compiled(files))).GroupBy(d => d.Location.SourceTree!.FilePath).Max(d => d.Count());
        for (int round = 0; files.Length > 0; round++)
        {
            Assert.True(round <= most, "No end of what is offered.");
            IReadOnlyList<Repaired> repaired = await Repair(files);
            ILookup<string, Diagnostic> left = (await Reported(Compiled([.. repaired.Select(r => r.Text)]))).ToLookup(d => d.Location.SourceTree!.FilePath);
            foreach (var (i, repair) in repaired.Index())
                Assert.True(
                    left[Name(i)].Select(Key).All(repair.Others.Contains),
                    $"{repair.Key}\n{files[repair.File]}\n{repair.Title}\n{repair.Text}\n{string.Join("\n", left[Name(i)])}");
            files = [.. repaired.GroupBy(r => r.File).Select(r => r.First().Text)];
        }
    }

    private static async Task<IReadOnlyList<Repaired>> Repair(string[] files)
    {
        Project project = FixRun.ProjectOf(Compiled(files));
        ILookup<string, Diagnostic> reported = (await Reported((CSharpCompilation)(await project.GetCompilationAsync())!)).ToLookup(d => d.Location.SourceTree!.FilePath);
        var repaired = new List<Repaired>();
        for (int i = 0; i < files.Length; i++)
            foreach (Diagnostic diagnostic in reported[Name(i)])
            {
                IReadOnlyList<CodeAction> offered = await FixRun.Offered(project, diagnostic);
                Assert.True(offered.Count > 0 || IsMoreThanArguments(diagnostic), $"Nothing is offered: {diagnostic}\n{files[i]}");
                foreach (CodeAction action in offered)
                {
                    Document document = (await FixRun.Applied(action)).Projects.Single().Documents.Single(d => d.Name == Name(i));
                    HashSet<string> others = [.. reported[Name(i)].Select(Key).Where(key => key != Key(diagnostic))];
                    repaired.Add(new Repaired(i, Key(diagnostic), others, action.Title, (await document.GetTextAsync()).ToString()));
                }
            }

        return repaired;
    }

    // Another attribute is in place, which only its writer can put there.
    private static bool IsMoreThanArguments(Diagnostic diagnostic) => diagnostic.GetMessage().Contains("supported: [TitansMemory(", StringComparison.Ordinal);

    private static CSharpCompilation Compiled(string[] files)
    {
        CSharpCompilation empty = Compile.Library("");
        var options = (CSharpParseOptions)empty.SyntaxTrees[0].Options;
        return empty.AddSyntaxTrees(files.Select((text, i) => CSharpSyntaxTree.ParseText(Namespace().Replace(text, $"namespace N{i};"), options, Name(i))));
    }

    [GeneratedRegex(@"namespace \w+;")]
    private static partial Regex Namespace();

    private static string Name(int file) => file + ".cs";

    private static async Task<IReadOnlyList<Diagnostic>> Reported(CSharpCompilation compilation)
    {
        IEnumerable<Diagnostic> all = await compilation.WithAnalyzers(Compile.Analyzers).GetAllDiagnosticsAsync();
        return [.. all.Where(d => d.Severity >= DiagnosticSeverity.Warning).OrderBy(d => d.Location.SourceSpan.Start)];
    }

    // An id and the argument that it is about, whatever its value; of what is not given, only the message knows the name.
    private static string Key(Diagnostic diagnostic)
    {
        SyntaxNode node = diagnostic.Location.SourceTree!.GetRoot().FindNode(diagnostic.Location.SourceSpan);
        AttributeSyntax? attribute = node.FirstAncestorOrSelf<AttributeSyntax>();
        int place = node.FirstAncestorOrSelf<TypeDeclarationSyntax>()?.AttributeLists.IndexOf(list => list == attribute?.Parent) ?? -1;
        string? argument = node.FirstAncestorOrSelf<AttributeArgumentSyntax>()?.NameEquals?.Name.ToString();
        return $"{diagnostic.Id} {place} {argument ?? diagnostic.GetMessage().Split(' ')[0]}";
    }
}
