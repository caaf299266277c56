using Memory.Gen.Tests.Harness;

namespace Memory.Gen.Tests.Diagnostics;

/// <summary>Mistakes in the order of the layers.</summary>
public class PatternDiagnosticTests
{
    private const string Two = "[LinearMemory('D', Heads = 4)] [SlidingAttention('A', Heads = 4)]";

    [Theory]
    [InlineData("Pattern = \"DDAX\"", Two, "MEMGEN211", "Pattern = \"DDAX\"")]
    [InlineData("Pattern = \"DDa\"", "[LinearMemory('D', Heads = 4)]", "MEMGEN211", "Pattern = \"DDa\"")]
    [InlineData("Pattern = \"DDD\"", Two, "MEMGEN212", "'A'")]
    [InlineData("Pattern = \"DD\"", "[LinearMemory('D', Heads = 4)] [SlidingAttention('D', Heads = 4)]", "MEMGEN213", "'D'")]
    [InlineData("Pattern = \"\"", Two, "MEMGEN214", "Pattern = \"\"")]
    [InlineData("Pattern = \" \\t \"", Two, "MEMGEN214", "Pattern = \" \\t \"")]
    [InlineData("Pattern = null", Two, "MEMGEN214", "Pattern = null")]
    [InlineData("Layers = 6, Pattern = \"DDA\"", Two, "MEMGEN215", "Layers = 6")]
    [InlineData("TiedEmbeddings = true", "[SlidingAttention(Heads = 4)]", "MEMGEN216", "MemoryModel")]
    [InlineData("Pattern = \"DDA1\"", Two, "MEMGEN217", "Pattern = \"DDA1\"")]
    [InlineData("Pattern = \"DDAÄ\"", Two, "MEMGEN217", "Pattern = \"DDAÄ\"")]
    [InlineData("Pattern = \"D\"", "[LinearMemory('D', Heads = 4)] [SlidingAttention('1', Heads = 4)]", "MEMGEN217", "'1'")]
    [InlineData("Pattern = \"D\"", "[LinearMemory('D', Heads = 4)] [SlidingAttention(Heads = 4)]", "MEMGEN218", "SlidingAttention")]
    [InlineData("Layers = 3", "[LinearMemory('D', Heads = 4)]", "MEMGEN219", "'D'")]
    [InlineData("Layers = 3", Two, "MEMGEN219", "'D'")]
    [InlineData("Layers = 3", "[LinearMemory(Heads = 4)] [SlidingAttention(Heads = 4)]", "MEMGEN007", "SlidingAttention")]
    [InlineData("Layers = 3", "", "MEMGEN007", "MemoryModel")]
    public async Task APatternThatDoesNotFit(string order, string mixers, string id, string at) =>
        await DiagnosticAssert.One(Declarations.Model(mixers, "VocabSize = 256, Dim = 64, " + order), id, at);

    [Theory]
    [InlineData("Layers = 3", "[LinearMemory('\\0', Heads = 4)]", "MEMGEN219", "'\\0'", "[LinearMemory] has the letter '\\u0000', but")]
    [InlineData("Pattern = \"D\"", "[LinearMemory('D', Heads = 4)] [SlidingAttention('\\n', Heads = 4)]", "MEMGEN217", "'\\n'", "'\\u000a' is no letter")]
    [InlineData("Pattern = \"DDA\\u0007\"", Two, "MEMGEN217", "Pattern = \"DDA\\u0007\"", "'\\u0007' is no letter")]
    [InlineData("Layers = 6, Pattern = \"DD \\n DA\"", Two, "MEMGEN215", "Layers = 6", "Layers = 6, but Pattern \"DD DA\" has 4 letters")]
    public async Task AMessageIsOneLineThatShowsWhatItMeans(string order, string mixers, string id, string at, string message) =>
        Assert.StartsWith(message, await DiagnosticAssert.One(Declarations.Model(mixers, "VocabSize = 256, Dim = 64, " + order), id, at));

    [Fact]
    public async Task MessagesNameTheLetters()
    {
        Assert.Equal(
            "Pattern has the letter 'X', which no mixer attribute declares; declared are 'D', 'A'",
            await DiagnosticAssert.One(Declarations.Model(Two, "VocabSize = 256, Dim = 64, Pattern = \"DXA\""), "MEMGEN211", "Pattern = \"DXA\""));
        Assert.Equal(
            "[LinearMemory] has the letter 'D', but there is no Pattern that uses it; write for example Pattern = \"DA\"",
            await DiagnosticAssert.One(Declarations.Model(Two, "VocabSize = 256, Dim = 64, Layers = 2"), "MEMGEN219", "'D'"));
    }

    [Theory]
    [InlineData("Pattern = \" D D\\nA \"", Two)]
    [InlineData("Pattern = \"DDA\", Layers = 3", Two)]
    [InlineData("Pattern = \"dD\"", "[LinearMemory('D', Heads = 4)] [LinearMemory('d', Heads = 2)]")]
    [InlineData("Pattern = \"DDD\"", "[LinearMemory('D', Heads = 4)]")]
    public async Task APatternThatFits(string order, string mixers) =>
        Assert.Empty(await Compile.Diagnostics(Compile.Library(
            Declarations.Model(mixers, "VocabSize = 256, Dim = 64, " + order))));
}
