using System.Collections.Immutable;
using System.Globalization;
using Memory.Gen.Tests.CodeFixes;
using Memory.Gen.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeActions;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Diagnostics;

namespace Memory.Gen.Tests.Emission;

/// <summary>
/// Whatever is typed, in any culture, generator, analyzers and fixes do not fail, and what is written compiles or its declaration
/// has an error.
/// </summary>
public class AnyDeclarationTests
{
    private const int DeclarationsPerCompilation = 50;

    private const int FixesPerCompilation = 4;

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(5)]
    [InlineData(6)]
    [InlineData(7)]
    [InlineData(8)]
    [InlineData(9)]
    [InlineData(10)]
    [InlineData(11)]
    [InlineData(12)]
    [InlineData(13)]
    [InlineData(14)]
    [InlineData(15)]
    [InlineData(16)]
    public async Task NothingFails(int seed)
    {
        // Of fifty all are wrong now and then, and checked is then only that nothing fails.
        var random = new Random(seed);
        Assert.True(await Check(random) || await Check(random), "Not one declaration of a hundred is right.");
    }

    // A hundred thousand, in parts that the test runner names as they end.
    public static TheoryData<int> Thousands => [.. Enumerable.Range(1, 100)];

    [Theory]
    [Trait("Category", "Soak")]
    [MemberData(nameof(Thousands))]
    public async Task NothingFailsInAThousand(int thousand)
    {
        // A file that is half typed can put all others in the wrong; not often.
        const int compilations = 1_000 / DeclarationsPerCompilation;
        int right = 0;
        for (int i = 0; i < compilations; i++)
            right += await Check(new Random((thousand * 1_000) + i)) ? 1 : 0;
        Assert.InRange(right, compilations * 3 / 4, compilations);
    }

    // Whether any declaration is right. Three of five are whole; the others are half typed, and need only do no harm.
    private static async Task<bool> Check(Random random)
    {
        CultureInfo before = CultureInfo.CurrentCulture;
        CultureInfo.CurrentCulture = AnyCulture(random);
        try
        {
            return await CheckHere(random);
        }
        finally
        {
            CultureInfo.CurrentCulture = before;
        }
    }

    // Names of real ones, with what they change where the machine knows no cultures: the sign, the separators.
    private static CultureInfo AnyCulture(Random random)
    {
        var culture = (CultureInfo)new CultureInfo(new[] { "", "fi-FI", "tr-TR", "de-DE", "fa-IR" }[random.Next(5)]).Clone();
        if (culture.Name.Length == 0)
            return culture;
        culture.NumberFormat.NegativeSign = random.Next(2) == 0 ? "\u2212" : "\u200E-";
        culture.NumberFormat.NumberDecimalSeparator = random.Next(2) == 0 ? "," : "\u066B";
        culture.NumberFormat.NumberGroupSeparator = "\u00A0";
        return culture;
    }

    private static async Task<bool> CheckHere(Random random)
    {
        var declarations = new AnyDeclaration(random);
        bool[] whole = [.. Enumerable.Range(0, DeclarationsPerCompilation).Select(_ => random.Next(5) < 3)];
        CSharpCompilation compilation = Compile.Library("");
        var options = (CSharpParseOptions)compilation.SyntaxTrees[0].Options;
        compilation = compilation.AddSyntaxTrees(whole.SelectMany((isWhole, i) => (isWhole ? declarations.Whole("N" + i) : declarations.HalfTyped("N" + i))
            .Select((text, part) => CSharpSyntaxTree.ParseText(text, options, $"N{i}.{part}.cs"))));

        GeneratorDriver driver = Compile.Driver(compilation).RunGeneratorsAndUpdateCompilation(compilation, out Compilation output, out var reported);
        Assert.Empty(reported);
        Assert.Null(driver.GetRunResult().Results.Single().Exception);

        // From here on as in an editor, so that the fixes find their documents.
        Project project = FixRun.ProjectOf((CSharpCompilation)output);
        output = (await project.GetCompilationAsync())!;
        ImmutableArray<Diagnostic> all = await output.WithAnalyzers(Compile.Analyzers).GetAllDiagnosticsAsync();
        Assert.DoesNotContain(all, d => d.Id is "AD0001" or "CS8785");
        await ApplyFixes(project, all, random);

        // What is wrong in a written file must have been wrong in the files it was written for.
        Diagnostic[] errors = [.. all.Where(d => d.DefaultSeverity == DiagnosticSeverity.Error)];
        HashSet<string> wrong = [.. errors.Select(d => d.Location.SourceTree).Where(t => !IsWritten(t)).Select(NamespaceOf)];
        foreach (Diagnostic error in errors.Where(d => IsWritten(d.Location.SourceTree)))
            if (DeclaredIn(whole.Length, error.Location.SourceTree!) is { } declared && whole[int.Parse(declared[1..], CultureInfo.InvariantCulture)])
                Assert.True(wrong.Contains(declared), $"{error}\n{string.Join("\n", compilation.SyntaxTrees.Where(t => NamespaceOf(t) == declared))}");
        return output.SyntaxTrees.Any(t => DeclaredIn(whole.Length, t) is { } declared && !wrong.Contains(declared));
    }

    // Whatever is fixable is asked for its fixes; a few are applied, and no file is worse C# for it.
    private static async Task ApplyFixes(Project project, ImmutableArray<Diagnostic> all, Random random)
    {
        var offered = new List<CodeAction>();
        foreach (Diagnostic diagnostic in all)
            offered.AddRange(await FixRun.Offered(project, diagnostic));
        for (int i = Math.Min(FixesPerCompilation, offered.Count); i > 0; i--)
        {
            CodeAction action = offered[random.Next(offered.Count)];
            Solution changed = await FixRun.Applied(action);
            foreach (DocumentId id in changed.GetChanges(project.Solution).GetProjectChanges().SelectMany(c => c.GetChangedDocuments()))
                Assert.True(
                    await SyntaxErrors(changed.GetDocument(id)!) <= await SyntaxErrors(project.GetDocument(id)!),
                    $"{action.Title}\n{await project.GetDocument(id)!.GetTextAsync()}\nbecomes\n{await changed.GetDocument(id)!.GetTextAsync()}");
        }
    }

    // The text parsed anew: a tree that a fix made may be one that no text has.
    private static async Task<int> SyntaxErrors(Document document) => CSharpSyntaxTree.ParseText(
        await document.GetTextAsync(), (CSharpParseOptions)document.Project.ParseOptions!).GetDiagnostics().Count(d => d.Severity == DiagnosticSeverity.Error);

    private static bool IsWritten(SyntaxTree? file) => file?.FilePath.EndsWith(".g.cs", StringComparison.Ordinal) == true;

    // N17 for N17.0.cs.
    private static string NamespaceOf(SyntaxTree? file) => file?.FilePath.Split('.')[0] ?? "";

    // The class in the written file names its namespace: N17.CN17.g.cs or CN17.g.cs.
    private static string? DeclaredIn(int declarations, SyntaxTree written)
    {
        string hint = Path.GetFileName(written.FilePath);
        return Enumerable.Range(0, declarations).Select(i => "N" + i).FirstOrDefault(n => hint.Contains("C" + n + ".", StringComparison.Ordinal));
    }
}
