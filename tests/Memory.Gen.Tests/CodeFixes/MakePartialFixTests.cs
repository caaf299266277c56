using Memory.Gen.CodeFixes;
using Memory.Gen.Tests.Harness;
using Microsoft.CodeAnalysis.CodeFixes;

namespace Memory.Gen.Tests.CodeFixes;

/// <summary>The classes that declare models become partial, and so does what stands around them.</summary>
public class MakePartialFixTests
{
    private const string Attributes = "[MemoryLayer(Dim = 64)] [LinearMemory(Heads = 4)]";

    [Theory]
    [InlineData("public sealed class Layer;", "public sealed partial class Layer;")]
    [InlineData("class Layer { }", "partial class Layer { }")]
    [InlineData("/* before */ class Layer; // after", "/* before */ partial class Layer; // after")]
    [InlineData("// why\n    internal  class Layer\n{\n}", "// why\n    internal  partial class Layer\n{\n}")]
    public async Task TheModifierComesLastAndTheRestStays(string before, string after) =>
        Assert.Equal(Source(after), await FixRun.Open(new MakePartialFix(), Source(before)).One("MEMGEN001"));

    [Fact]
    public async Task TypesAroundAClassComeAlong()
    {
        const string before = """
            using Memory.Gen;

            namespace Samples;

            // Outermost.
            public readonly struct Outer
            {
                internal static class Inner
                {
                    /// <summary>Remembers.</summary>
                    [MemoryLayer(Dim = 64)]
                    [LinearMemory(Heads = 4)]
                    private sealed class Layer;
                }
            }

            """;
        string after = before
            .Replace("readonly struct", "readonly partial struct")
            .Replace("static class", "static partial class")
            .Replace("sealed class", "sealed partial class");
        Assert.Equal(after, await FixRun.Open(new MakePartialFix(), before).One("MEMGEN001"));
        string written = after.Replace("readonly partial struct", "readonly struct");
        Assert.Equal(after, await FixRun.Open(new MakePartialFix(), written).One("MEMGEN002"));
        Assert.Empty(await Compile.Diagnostics(Compile.Library(after)));
    }

    [Fact]
    public async Task AllAtOnce()
    {
        string source = Source("public sealed class Layer;") + $"\n/* a */ {Attributes}\nclass Second;\n\npublic class Outer\n{{\n    {Attributes} class Third; // b\n}}\n";
        string fixedOnce = await FixRun.Open(new MakePartialFix(), source).All("MEMGEN001");
        Assert.Contains("public sealed partial class Layer;", fixedOnce);
        Assert.Contains($"/* a */ {Attributes}\npartial class Second;", fixedOnce);
        Assert.Contains($"public partial class Outer\n{{\n    {Attributes} partial class Third; // b", fixedOnce);
        Assert.Empty(await Compile.Diagnostics(Compile.Library(fixedOnce)));
    }

    // Both fixes make the outer type partial: it becomes so once, and both classes do.
    [Theory]
    [InlineData("MEMGEN001", "class")]
    [InlineData("MEMGEN002", "partial class")]
    public async Task TwoClassesInOneType(string id, string kind)
    {
        string source = $"using Memory.Gen;\n\nnamespace Samples;\n\npublic class Outer\n{{\n    {Attributes} {kind} First;\n\n    internal static class Inner\n    {{\n        {Attributes} {kind} Second;\n    }}\n\n    {Attributes} {kind} Third;\n}}\n";
        string fixedOnce = await FixRun.Open(new MakePartialFix(), source).All(id);
        Assert.Equal(source.Replace($"{kind} First", "partial class First").Replace($"{kind} Second", "partial class Second").Replace($"{kind} Third", "partial class Third")
            .Replace("class Outer", "partial class Outer").Replace("class Inner", "partial class Inner"), fixedOnce);
        Assert.Empty(await Compile.Diagnostics(Compile.Library(fixedOnce)));
    }

    [Fact]
    public async Task AllFilesAtOnce()
    {
        string source = Source("class First;"), other = Source("class Second;");
        Assert.Equal(
            [Source("partial class First;"), Source("partial class Second;")],
            await FixRun.Open(new MakePartialFix(), source, other).AllFiles("MEMGEN001", FixAllScope.Project));
    }

    // Read with what stands before it, 'partial' would be a name or a word too many.
    [Theory]
    [InlineData("partial class Outer { partial cl}s @event {\npartial interface IOuter {\nATTRIBUTES partial class Layer;\n}}")]
    [InlineData("enum, E { } partial class Outer {\npartial c}s @class { partial class @event {\nATTRIBUTES partial class Layer;\n}}}}")]
    public async Task NoneBehindWhatIsHalfTyped(string type)
    {
        string source = Source(type.Replace("ATTRIBUTES", Attributes));
        Assert.Contains(await Compile.Diagnostics(Compile.Library(source)), d => d.Id == "MEMGEN002");
        Assert.Empty(await FixRun.Open(new MakePartialFix(), source).Offered("MEMGEN002"));
    }

    [Fact]
    public async Task OneBesideWhatIsHalfTyped()
    {
        string source = Source("class Layer;\n\nclass Other { int }");
        Assert.Equal(source.Replace("class Layer", "partial class Layer"), await FixRun.Open(new MakePartialFix(), source).One("MEMGEN001"));
    }

    private static string Source(string type) => $"using Memory.Gen;\n\nnamespace Samples;\n\n{Attributes}\n{type}\n";
}
