using Memory.Gen.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Diagnostics;

namespace Memory.Gen.Tests.Emission;

/// <summary>Whatever is typed, generator and analyzers do not fail, and what is written compiles or its declaration has an error.</summary>
public class AnyDeclarationTests
{
    private const int FilesPerCompilation = 50;

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
    public async Task NothingFails(int seed) => Assert.True(await Check(new Random(seed)), "Not one file is right.");

    // A hundred thousand, in parts that the test runner names as they end.
    public static TheoryData<int> Thousands => [.. Enumerable.Range(1, 100)];

    [Theory]
    [Trait("Category", "Soak")]
    [MemberData(nameof(Thousands))]
    public async Task NothingFailsInAThousand(int thousand)
    {
        // A file that is half typed can put all others in the wrong; not often.
        const int compilations = 1_000 / FilesPerCompilation;
        int right = 0;
        for (int i = 0; i < compilations; i++)
            right += await Check(new Random((thousand * 1_000) + i)) ? 1 : 0;
        Assert.InRange(right, compilations * 3 / 4, compilations);
    }

    // Whether any file is right. Three files of five are whole; the others are half typed, and need only do no harm.
    private static async Task<bool> Check(Random random)
    {
        var declarations = new AnyDeclaration(random);
        bool[] whole = [.. Enumerable.Range(0, FilesPerCompilation).Select(_ => random.Next(5) < 3)];
        CSharpCompilation compilation = Compile.Library("");
        var options = (CSharpParseOptions)compilation.SyntaxTrees[0].Options;
        compilation = compilation.AddSyntaxTrees(whole.Select((isWhole, i) => CSharpSyntaxTree.ParseText(
            isWhole ? declarations.Whole("N" + i) : declarations.HalfTyped("N" + i), options, $"N{i}.cs")));

        GeneratorDriver driver = Compile.Driver(compilation).RunGeneratorsAndUpdateCompilation(compilation, out Compilation output, out var reported);
        Assert.Empty(reported);
        Assert.Null(driver.GetRunResult().Results.Single().Exception);
        IEnumerable<Diagnostic> all = await output.WithAnalyzers(Compile.Analyzers).GetAllDiagnosticsAsync();
        Assert.DoesNotContain(all, d => d.Id is "AD0001" or "CS8785");

        // What is wrong in a written file must have been wrong in the file it was written for.
        Diagnostic[] errors = [.. all.Where(d => d.DefaultSeverity == DiagnosticSeverity.Error)];
        HashSet<string> wrong = [.. errors.Select(d => d.Location.SourceTree?.FilePath ?? "")];
        foreach (Diagnostic error in errors.Where(d => d.Location.SourceTree is { } tree && !compilation.ContainsSyntaxTree(tree)))
            if (DeclaredIn(compilation, error.Location.SourceTree!) is { } file && whole[int.Parse(file[1..^3])])
                Assert.True(wrong.Contains(file), $"{error}\n{compilation.SyntaxTrees.Single(t => t.FilePath == file)}");
        return output.SyntaxTrees.Any(t => DeclaredIn(compilation, t) is { } file && !wrong.Contains(file));
    }

    // The class in the written file names its namespace: N17.CN17.g.cs or CN17.g.cs.
    private static string? DeclaredIn(CSharpCompilation compilation, SyntaxTree written)
    {
        string hint = Path.GetFileName(written.FilePath);
        return compilation.SyntaxTrees.Select(t => t.FilePath).FirstOrDefault(f => f.StartsWith('N') && hint.Contains("C" + f[..^3] + ".", StringComparison.Ordinal));
    }
}
