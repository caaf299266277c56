using Memory.Gen.CodeFixes;
using Memory.Gen.Tests.CodeFixes;
using Memory.Gen.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Memory.Gen.Tests.Diagnostics;

/// <summary>One mistake is one error, in the right place, and what it says works does.</summary>
internal static class DiagnosticAssert
{
    /// <summary>Compiler and analyzer together report exactly one thing, at the text given, and nothing after any of its repairs.</summary>
    /// <returns>Its message.</returns>
    public static async Task<string> One(string source, string id, string at)
    {
        Diagnostic diagnostic = Assert.Single(await Compile.Diagnostics(Compile.Library(source)));
        Assert.Equal((id, at), (diagnostic.Id, Text(diagnostic)));
        await RepairsWork(diagnostic, source);
        return diagnostic.GetMessage(System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>What is reported, with the texts it is reported at, in the order of the source.</summary>
    public static async Task<IReadOnlyList<(string Id, string At)>> All(CSharpCompilation compilation) =>
        [.. (await Compile.Diagnostics(compilation)).Select(d => (d.Id, Text(d)))];

    private static async Task RepairsWork(Diagnostic diagnostic, string source)
    {
        var fix = new WriteArgumentFix();
        if (!fix.FixableDiagnosticIds.Contains(diagnostic.Id))
            return;
        FixRun run = FixRun.Open(fix, source);
        for (int choice = (await run.Offered(diagnostic.Id)).Count - 1; choice >= 0; choice--)
        {
            string repaired = await run.One(diagnostic.Id, choice);
            IReadOnlyList<Diagnostic> left = await Compile.Diagnostics(Compile.Library(repaired));
            Assert.True(left.Count == 0, $"{diagnostic}\nis not mended by\n{repaired}\n{string.Join("\n", left)}");
        }
    }

    private static string Text(Diagnostic diagnostic) =>
        diagnostic.Location.SourceTree!.GetText().ToString(diagnostic.Location.SourceSpan);
}
