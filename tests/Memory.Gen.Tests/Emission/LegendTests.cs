using Memory.Gen.Tests.Harness;

namespace Memory.Gen.Tests.Emission;

/// <summary>In the legend of a file a letter is one axis, in each part of the file.</summary>
public class LegendTests
{
    public static TheoryData<string, string> Declared => new()
    {
        { "[SlidingAttention('A', Heads = 4, KeyValueHeads = 2)] [MixtureOfMemories('M', Heads = 4, Rule = MemoryRule.Titans)]", "AM" },
        { "[LinearMemory('S', Heads = 4, Rule = MemoryRule.ScalarDecay, StateSpace = true, Groups = 2)] [SelectiveStateSpace('C')]", "SC" },
        { "[LinearMemory('K', Heads = 4, KeyHeads = 2, Householders = 2)] [SlidingAttention('A', Heads = 4, KeyValueHeads = 2)]", "KA" },
        { "[TitansMemory('T', TitansVariant.Context, Heads = 4, Window = 16, MemoryDepth = 2, PersistentTokens = 2)] [MixtureOfMemories('M', Heads = 4)]", "TM" },
        { "[BMojoMemory('B', Heads = 4, KeyValueHeads = 2, Window = 8, WindowMode = BMojoWindow.Sliding, EideticTokens = 4, FadingTokens = 2)] [SelectiveStateSpace('C')]", "BC" },
        { "[BMojoMemory('B', Heads = 4, Window = 8, EideticTokens = 4, FadingTokens = 2, Fading = FadingState.GatedDelta)] [SlidingAttention('A', Heads = 4)]", "AB" },
    };

    [Theory]
    [MemberData(nameof(Declared))]
    public void ALetterIsOneAxisInEachPart(string mixers, string pattern)
    {
        string[] around = ["", "[HierarchicalMemory(SegmentTokens = 64, SensoryTokens = 8, BackpropSegments = 2)]", "[RecurrentMemory(SegmentTokens = 64, MemoryTokens = 2)]"];
        Assert.All(around, wrapper => HasNoLetterTwice(Declarations.Model(mixers + wrapper, $"VocabSize = 256, Dim = 64, Pattern = \"{pattern}\"")));
    }

    [Theory]
    [MemberData(nameof(TidinessTests.Kinds), MemberType = typeof(TidinessTests))]
    public void ALetterIsOneAxisWhereOneMixerIsAlone(string attributes) => HasNoLetterTwice(Declarations.Model(attributes));

    private static void HasNoLetterTwice(string declaration)
    {
        string header = Compile.EmittedFile(declaration).Split("// </auto-generated>")[0];
        string legend = string.Join(" ", header[header.IndexOf("Axes: ", StringComparison.Ordinal)..].Split('\n').Select(line => line.TrimStart('/', ' ')));
        string[][] parts = [.. legend["Axes: ".Length..].Split(';').Select(part => part[(part.IndexOf(':') + 1)..].Split(',').Select(axis => axis.Trim().Split(' ')[0]).ToArray())];
        Assert.All(parts.Skip(1), part => Assert.DoesNotContain(part, letter => parts[0].Take(4).Contains(letter)));
        Assert.All(parts, part => Assert.Equal(part.Distinct(), part));
    }
}
