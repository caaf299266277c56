using Memory.Gen.Tests.Harness;

namespace Memory.Gen.Tests.Emission;

/// <summary>What the emitted lines say of the keys that are kept is what is read back of them.</summary>
public class SegmentTextTests
{
    [Theory]
    [InlineData("TitansVariant.Context, Heads = 4, Window = 64", "of these the running segment's are read again, recalled and own")]
    [InlineData("TitansVariant.Layer, Heads = 4, Window = 64, Attention = TitansAttention.Segmented", "of these the running segment's are read again")]
    [InlineData("TitansVariant.Gate, Heads = 4, Window = 64, Attention = TitansAttention.Segmented", "of these the running segment's are read again")]
    [InlineData("TitansVariant.Gate, Heads = 4, Window = 64", "the last w-1 tokens")]
    public void KeysThatAreKept(string options, string read)
    {
        string line = Assert.Single(Compile.EmittedFile(Declarations.Layer($"[TitansMemory({options})]")).Split('\n'), l => l.Contains("Keys.Append(", StringComparison.Ordinal));
        Assert.EndsWith("// " + read, line, StringComparison.Ordinal);
    }
}
