using Memory.Gen.CodeFixes;
using Memory.Gen.Tests.Harness;
using Microsoft.CodeAnalysis.CodeFixes;

namespace Memory.Gen.Tests.CodeFixes;

/// <summary>A value that the message says works is written, and works.</summary>
public class WriteArgumentFixTests
{
    private const string Sizes = "VocabSize = 256, Dim = 64, Layers = 2";

    [Theory]
    [InlineData("MEMGEN101", Sizes, "LinearMemory", "LinearMemory(Heads = 8)")]
    [InlineData("MEMGEN101", Sizes, "SlidingAttention(Window = 8)", "SlidingAttention(Window = 8, Heads = 8)")]
    [InlineData("MEMGEN101", Sizes, "LinearMemory(Heads = 0)", "LinearMemory(Heads = 8)")]
    [InlineData("MEMGEN102", Sizes, "LinearMemory(Heads = 12)", "LinearMemory(Heads = 8)")]
    [InlineData("MEMGEN102", Sizes, "LinearMemory(Heads = 100)", "LinearMemory(Heads = 64)")]
    [InlineData("MEMGEN103", Sizes, "SlidingAttention(Heads = 4, Window = -7)", "SlidingAttention(Heads = 4, Window = 1)")]
    [InlineData("MEMGEN104", Sizes, "MixtureOfMemories(Heads = 4, TopK = 9)", "MixtureOfMemories(Heads = 4, TopK = 4)")]
    [InlineData("MEMGEN104", Sizes, "MixtureOfMemories(Heads = 4, Memories = 1)", "MixtureOfMemories(Heads = 4, Memories = 1, TopK = 1)")]
    [InlineData("MEMGEN105", Sizes, "TitansMemory(TitansVariant.Context, Heads = 4, Window = 40)", "TitansMemory(TitansVariant.Context, Heads = 4, Window = 40, Block = 10)")]
    [InlineData("MEMGEN106", Sizes, "TitansMemory(TitansVariant.MemoryOnly, Heads = 4, MemoryDepth = 0)", "TitansMemory(TitansVariant.MemoryOnly, Heads = 4, MemoryDepth = 1)")]
    [InlineData("MEMGEN107", Sizes, "TitansMemory(TitansVariant.MemoryOnly, Heads = 4, MemoryDepth = 3, InnerClip = 0)", "TitansMemory(TitansVariant.MemoryOnly, Heads = 4, MemoryDepth = 3, InnerClip = 1)")]
    [InlineData("MEMGEN108", Sizes, "TitansMemory(TitansVariant.MemoryOnly, Heads = 4, MaxMomentum = 1)", "TitansMemory(TitansVariant.MemoryOnly, Heads = 4, MaxMomentum = 0.9999)")]
    [InlineData("MEMGEN108", Sizes, "TitansMemory(TitansVariant.MemoryOnly, Heads = 4, MaxMomentum = double.NaN)", "TitansMemory(TitansVariant.MemoryOnly, Heads = 4)")]
    [InlineData("MEMGEN108", Sizes, "SlidingAttention(Heads = 4, RotaryBase = 1e300)", "SlidingAttention(Heads = 4, RotaryBase = 1000000000000)")]
    [InlineData("MEMGEN108", Sizes, "LinearMemory(Heads = 4, Rule = (MemoryRule)42)", "LinearMemory(Heads = 4, Rule = MemoryRule.Linear)")]
    [InlineData("MEMGEN109", Sizes, "BMojoMemory(Heads = 4, Window = 0, EideticTokens = 4, FadingTokens = 1)", "BMojoMemory(Heads = 4, Window = 256, EideticTokens = 4, FadingTokens = 1)")]
    [InlineData("MEMGEN113", Sizes, "TitansMemory(TitansVariant.MemoryOnly, Heads = 4, InnerClip = 0)", "TitansMemory(TitansVariant.MemoryOnly, Heads = 4, InnerClip = 1)")]
    [InlineData("MEMGEN121", Sizes, "SlidingAttention(Heads = 4, KeyValueHeads = 3)", "SlidingAttention(Heads = 4, KeyValueHeads = 2)")]
    [InlineData("MEMGEN122", Sizes, "SlidingAttention(Heads = 64)", "SlidingAttention(Heads = 32)")]
    [InlineData("MEMGEN122", Sizes, "SlidingAttention(Heads = 64, RotaryBase = 500)", "SlidingAttention(Heads = 32, RotaryBase = 500)")]
    public async Task TheValueWorks(string id, string model, string before, string after)
    {
        string corrected = await FixRun.Open(new WriteArgumentFix(), Declarations.Model($"[{before}]", model)).One(id);
        Assert.Equal(Declarations.Model($"[{after}]", model), corrected);
        Assert.Empty(await Compile.Diagnostics(Compile.Library(corrected)));
    }

    [Theory]
    [InlineData("\n    RotaryBase = 500,\n    Window = 8 // few\n", "\n    RotaryBase = 500,\n    Window = 8, // few\n    Heads = 8\n")]
    [InlineData("\n        Window = 8", "\n        Window = 8,\n        Heads = 8")]
    [InlineData("RotaryBase = 500,\n    Window = 8", "RotaryBase = 500,\n    Window = 8,\n    Heads = 8")]
    [InlineData("Window = 8\n", "Window = 8, Heads = 8\n")]
    public async Task AnArgumentThatIsAddedStandsAsTheLastOneDoes(string before, string after)
    {
        string corrected = await FixRun.Open(new WriteArgumentFix(), Declarations.Model($"[SlidingAttention({before})]")).One("MEMGEN101");
        Assert.Equal(Declarations.Model($"[SlidingAttention({after})]"), corrected);
    }

    [Theory]
    [InlineData("MEMGEN101", "VocabSize = 256, Dim = -64, Layers = 2", "VocabSize = 256, Dim = 256, Layers = 2")]
    [InlineData("MEMGEN215", "VocabSize = 256, Dim = 64, Layers = 6, Pattern = \"AA A\"", "VocabSize = 256, Dim = 64, Layers = 3, Pattern = \"AA A\"")]
    [InlineData("MEMGEN216", "VocabSize = 256, Dim = 64", "VocabSize = 256, Dim = 64, Layers = 4")]
    public async Task TheModelsValueWorks(string id, string before, string after)
    {
        string mixer = before.Contains("Pattern") ? "[SlidingAttention('A', Heads = 4)]" : "[SlidingAttention(Heads = 4)]";
        string corrected = await FixRun.Open(new WriteArgumentFix(), Declarations.Model(mixer, before)).One(id);
        Assert.Equal(Declarations.Model(mixer, after), corrected);
        Assert.Empty(await Compile.Diagnostics(Compile.Library(corrected)));
    }

    [Theory]
    [InlineData("MEMGEN110", "HierarchicalMemory(SegmentTokens = 2)", "HierarchicalMemory(SegmentTokens = 3)")]
    [InlineData("MEMGEN110", "RecurrentMemory(SegmentTokens = 8, MemoryTokens = 4)", "RecurrentMemory(SegmentTokens = 9, MemoryTokens = 4)")]
    [InlineData("MEMGEN112", "HierarchicalMemory(SegmentTokens = 64, SensoryTokens = 32)", "HierarchicalMemory(SegmentTokens = 64, SensoryTokens = 31)")]
    [InlineData("MEMGEN111", "SlidingAttention(Heads = 4, Window = 65), HierarchicalMemory(SegmentTokens = 64)", "SlidingAttention(Heads = 4, Window = 64), HierarchicalMemory(SegmentTokens = 64)")]
    [InlineData("MEMGEN114", "BMojoMemory(Heads = 4, Window = 8, EideticTokens = 9, FadingTokens = 2), HierarchicalMemory(SegmentTokens = 20)", "BMojoMemory(Heads = 4, Window = 8, EideticTokens = 8, FadingTokens = 2), HierarchicalMemory(SegmentTokens = 20)")]
    public async Task TheWrappersValueWorks(string id, string before, string after)
    {
        string mixer = before.Contains("Attention(") || before.Contains("BMojo") ? "" : "[SlidingAttention(Heads = 4)] ";
        string corrected = await FixRun.Open(new WriteArgumentFix(), Declarations.Model($"{mixer}[{before}]")).One(id);
        Assert.Equal(Declarations.Model($"{mixer}[{after}]"), corrected);
        Assert.Empty(await Compile.Diagnostics(Compile.Library(corrected)));
    }

    [Fact]
    public async Task BothDivisorsAreOffered()
    {
        FixRun run = FixRun.Open(new WriteArgumentFix(), Declarations.Model("[SlidingAttention(Heads = 12)]"));
        Assert.Equal(["Write Heads = 8", "Write Heads = 16"], (await run.Offered("MEMGEN102")).Select(a => a.Title));
        Assert.Equal(2, (await run.Offered("MEMGEN102")).Select(a => a.EquivalenceKey).Distinct().Count());
        Assert.Equal(Declarations.Model("[SlidingAttention(Heads = 16)]"), await run.One("MEMGEN102", choice: 1));
    }

    [Fact]
    public async Task CommentsAndLinesStay() => Assert.Equal(
        Declarations.Model("[SlidingAttention(\n    Heads = /* few */ 8, // as in the paper\n    Window = 8)] // local"),
        await FixRun.Open(
            new WriteArgumentFix(), Declarations.Model("[SlidingAttention(\n    Heads = /* few */ 12, // as in the paper\n    Window = 8)] // local")).One("MEMGEN102"));

    [Fact]
    public async Task AllAtOnceTakesTheSameChoiceEverywhere()
    {
        string source = Declarations.Model("[SlidingAttention(Heads = 12)] // one")
            + Model("[LinearMemory(Heads = 5)] // two", "Second") + Model("[LinearMemory(Heads = 4, KeyDim = 9)]", "Third");
        FixRun run = FixRun.Open(new WriteArgumentFix(), source);
        Assert.Equal(source.Replace("Heads = 12", "Heads = 8").Replace("Heads = 5", "Heads = 4"), await run.All("MEMGEN102"));
        Assert.Equal(source.Replace("Heads = 12", "Heads = 16").Replace("Heads = 5", "Heads = 8"), await run.All("MEMGEN102", choice: 1));
    }

    [Theory]
    [InlineData("MEMGEN103", "SlidingAttention(Heads = 4, Window = -7)", "SlidingAttention(Heads = 4, Window = 1)", "SlidingAttention(Window = 0, Heads = 2)", "SlidingAttention(Window = 1, Heads = 2)")]
    [InlineData("MEMGEN104", "MixtureOfMemories(Heads = 4, TopK = 9)", "MixtureOfMemories(Heads = 4, TopK = 4)", "MixtureOfMemories(Heads = 4, TopK = 0, Memories = 3)", "MixtureOfMemories(Heads = 4, TopK = 1, Memories = 3)")]
    [InlineData("MEMGEN107", "TitansMemory(TitansVariant.MemoryOnly, Heads = 4, MemoryDepth = 3, InnerClip = 0)", "TitansMemory(TitansVariant.MemoryOnly, Heads = 4, MemoryDepth = 3, InnerClip = 1)", "TitansMemory(TitansVariant.Gate, Heads = 4, Window = 8, InnerClip = 0, MemoryDepth = 4)", "TitansMemory(TitansVariant.Gate, Heads = 4, Window = 8, InnerClip = 1, MemoryDepth = 4)")]
    public async Task AllAtOnceWithTheValueOfEach(string id, string first, string firstAfter, string second, string secondAfter)
    {
        string source = Declarations.Model($"[{first}] // one") + Model($"[{second}] // two", "Second") + Model("[LinearMemory(Heads = 4)]", "Third") + Model($"[{first}]", "Fourth");
        string corrected = await FixRun.Open(new WriteArgumentFix(), source).All(id);
        Assert.Equal(source.Replace(first, firstAfter).Replace(second, secondAfter), corrected);
        Assert.Empty(await Compile.Diagnostics(Compile.Library(corrected)));
    }

    [Fact]
    public async Task AllThatOneAttributeLacks()
    {
        string corrected = await FixRun.Open(new WriteArgumentFix(), Declarations.Model("[SlidingAttention]", "Layers = 2")).All("MEMGEN101");
        Assert.Equal(Declarations.Model("[SlidingAttention(Heads = 8)]", "Layers = 2, Dim = 256, VocabSize = 256"), corrected);
    }

    [Theory]
    [InlineData(FixAllScope.Project)]
    [InlineData(FixAllScope.Solution)]
    public async Task AllFilesAtOnceAndNoOtherMistake(FixAllScope scope)
    {
        string source = Declarations.Model("[SlidingAttention(Heads = 12)]"), other = "using Memory.Gen;\n" + Model("[LinearMemory(Heads = 5)]", "Second") + Model("[SlidingAttention(Heads = 4, Window = -1)]", "Third");
        Assert.Equal(
            [source.Replace("Heads = 12", "Heads = 8"), other.Replace("Heads = 5", "Heads = 4")],
            await FixRun.Open(new WriteArgumentFix(), source, other).AllFiles("MEMGEN102", scope));
    }

    // As `dotnet format analyzers` does where the first diagnostic of a file has no repair.
    [Theory]
    [InlineData(FixAllScope.Document)]
    [InlineData(FixAllScope.Solution)]
    public async Task AHostWithoutAChoiceGetsTheFirstOfThoseItAskedFor(FixAllScope scope)
    {
        string source = Declarations.Model("[SlidingAttention(Heads = 12)]") + Model("[SlidingAttention(Heads = 4, Window = -1)]", "Second").Replace("partial class Second", "class Second");
        Assert.Equal([source.Replace("Heads = 12", "Heads = 8")], await FixRun.Open(new WriteArgumentFix(), source).AllFilesWithoutAChoice(scope, "MEMGEN001", "MEMGEN102"));
    }

    [Fact]
    public async Task TheLayerMayBeInAnotherFile()
    {
        const string layers = "using Memory.Gen;\n\n[MemoryLayer(Dim = 64), LinearMemory(Heads = 4)]\npublic sealed partial class Near;\n\n[MemoryLayer(Dim = 128), LinearMemory(Heads = 4)]\npublic sealed partial class Far;\n";
        const string use = "public static class Use\n{\n    public static TorchSharp.torch.Tensor Run(Near near, Far far, TorchSharp.torch.Tensor x) => far.call(near.call(x));\n}\n";
        FixRun run = FixRun.Open(new WriteArgumentFix(), use, layers);
        string[] after = [use, layers.Replace("Dim = 128", "Dim = 64")];
        Assert.Equal(after, await FixRun.Sources(Assert.Single(await run.Offered("MEMGEN201"))));
        Assert.Equal(after, await run.AllFiles("MEMGEN201", FixAllScope.Project));
    }

    [Fact]
    public async Task ALayerGetsTheWidthOfTheOneBefore()
    {
        const string source = """
            using Memory.Gen;

            namespace Samples;

            [MemoryLayer(Dim = 64), LinearMemory(Heads = 4)]
            public sealed partial class Near;

            [MemoryLayer(Dim = 128), LinearMemory(Heads = 4)]
            public sealed partial class Far;

            public static class Use
            {
                public static TorchSharp.torch.Tensor Run(Near near, Far far, TorchSharp.torch.Tensor x) => far.call(near.call(x));
            }

            """;
        string corrected = await FixRun.Open(new WriteArgumentFix(), source).One("MEMGEN201");
        Assert.Equal(source.Replace("Dim = 128", "Dim = 64"), corrected);
        Assert.Empty(await Compile.Diagnostics(Compile.Library(corrected)));
    }

    // Several calls may ask for one width, and a chain for one after the other.
    [Fact]
    public async Task AllLayersGetTheWidthOfTheOneBefore()
    {
        const string source = """
            using Memory.Gen;
            using TorchSharp;

            namespace Samples;

            [MemoryLayer(Dim = 64), LinearMemory(Heads = 4)]
            public sealed partial class Near;

            [MemoryLayer(Dim = 128), LinearMemory(Heads = 4)]
            public sealed partial class Far;

            [MemoryLayer(Dim = 256), SlidingAttention(Heads = 4)]
            public sealed partial class Apart;

            public static class Use
            {
                public static torch.Tensor Run(Near near, Far far, torch.Tensor x) => far.call(near.call(x));

                public static torch.Tensor Again(Near near, Far far, Apart apart, torch.Tensor x) => apart.call(near.call(x)) + far.call(near.call(x));
            }

            """;
        string corrected = await FixRun.Open(new WriteArgumentFix(), source).All("MEMGEN201");
        Assert.Equal(source.Replace("Dim = 128", "Dim = 64").Replace("Dim = 256", "Dim = 64"), corrected);
        Assert.Empty(await Compile.Diagnostics(Compile.Library(corrected)));
    }

    [Fact]
    public async Task NothingIsOfferedWhereNoOneValueWorks() => Assert.Empty(
        await FixRun.Open(new WriteArgumentFix(), Declarations.Model("[LinearMemory(Heads = 4, Rule = MemoryRule.Titans)]")).Offered("MEMGEN204"));

    private static string Model(string mixer, string name) => $"\n[MemoryModel({Sizes})]\n{mixer}\npublic sealed partial class {name};\n";
}
