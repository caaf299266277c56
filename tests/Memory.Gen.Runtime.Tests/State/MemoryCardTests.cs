using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.State;

public sealed class MemoryCardTests
{
    [Fact]
    public void StateBytesCountMemoriesInFloat32OrWiderAndCachesInTheModelsType()
    {
        var card = new MemoryCard("M", 5, memoryElements: 10, cacheElements: 3, cacheElementsPerToken: 2, 7, 0, null);
        Assert.Equal(10 * 4 + (3 + 2 * 100) * 4 + 8, card.StateBytes(100, ScalarType.Float32));
        Assert.Equal(10 * 4 + (3 + 2 * 100) * 2 + 8, card.StateBytes(100, ScalarType.BFloat16));
        Assert.Equal(10 * 8 + (3 + 2 * 100) * 8 + 8, card.StateBytes(100, ScalarType.Float64));
        Assert.Null(card.StateBytesBound(ScalarType.Float32));
        Assert.Throws<ArgumentOutOfRangeException>(() => card.StateBytes(-1, ScalarType.Float32));
    }

    [Fact]
    public void AFixedStateHasABound()
    {
        var card = new MemoryCard("M", 5, memoryElements: 10, cacheElements: 3, cacheElementsPerToken: 0, 7, 0, 64);
        Assert.Equal(10 * 4 + 3 * 4 + 8, card.StateBytesBound(ScalarType.Float32));
        Assert.Equal(card.StateBytesBound(ScalarType.Float32), card.StateBytes(1_000_000, ScalarType.Float32));
    }

    [Fact]
    public void TheCardReadsAsText()
    {
        string text = new MemoryCard("RecallLM", 1_234_567, 2_000, 0, 12, 2_400_000, 48, null).ToString();
        Assert.Contains("RecallLM", text);
        Assert.Contains("1,234,567", text);
        Assert.Contains("8,008 bytes a sequence in float32, and 48 more for every token read", text);
        Assert.Contains("2,400,000 FLOPs a token, and 48 more for every token of context", text);
        Assert.EndsWith("unbounded", text);
        Assert.EndsWith("gradients        within stretches of 1,024 tokens", new MemoryCard("M", 5, 0, 0, 0, 7, 0, null, stretchTokens: 1024).ToString());
    }
}
