using Memory.Gen.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Memory.Gen.Tests.Diagnostics;

/// <summary>One mistake is one error, in the right place.</summary>
internal static class DiagnosticAssert
{
    /// <summary>Compiler and analyzer together report exactly one thing, at the text given.</summary>
    /// <returns>Its message.</returns>
    public static async Task<string> One(string source, string id, string at)
    {
        Diagnostic diagnostic = Assert.Single(await Compile.Diagnostics(Compile.Library(source)));
        Assert.Equal((id, at), (diagnostic.Id, Text(diagnostic)));
        return diagnostic.GetMessage(System.Globalization.CultureInfo.InvariantCulture);
    }

    /// <summary>What is reported, with the texts it is reported at, in the order of the source.</summary>
    public static async Task<IReadOnlyList<(string Id, string At)>> All(CSharpCompilation compilation) =>
        [.. (await Compile.Diagnostics(compilation)).Select(d => (d.Id, Text(d)))];

    private static string Text(Diagnostic diagnostic) =>
        diagnostic.Location.SourceTree!.GetText().ToString(diagnostic.Location.SourceSpan);
}
