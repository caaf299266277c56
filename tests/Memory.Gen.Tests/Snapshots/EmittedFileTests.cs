using Memory.Gen.Tests.Harness;

namespace Memory.Gen.Tests.Snapshots;

/// <summary>Whole emitted files, to be read as code: one for each kind of memory, one for each option that changes the text.</summary>
public class EmittedFileTests
{
    [Fact]
    public Task HybridModel() => Snapshot.Verify(Compile.EmittedFile(Declarations.Hybrid), nameof(HybridModel));

    [Fact]
    public Task CausalAttentionModel() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Model(
            "[SlidingAttention(Heads = 8, KeyValueHeads = 2, RotaryBase = 500_000)]",
            "VocabSize = 32_000, Dim = 512, Layers = 8, FeedForward = 1536, TiedEmbeddings = true",
            "AttentionLM")),
        nameof(CausalAttentionModel));

    [Fact]
    public Task ModelWithFeedForwardInSomeLayers() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Model(
            "[SlidingAttention('N', Heads = 4, Window = 16, RotaryBase = 0, FeedForward = 0)] [SlidingAttention('W', Heads = 4, Window = 64)]",
            "VocabSize = 256, Dim = 64, Pattern = \"NW NW\"",
            "TwoWindowsLM")),
        nameof(ModelWithFeedForwardInSomeLayers));

    [Fact]
    public Task NormalizedLinearLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer(
            "[LinearMemory(Rule = MemoryRule.Linear, Heads = 4, FeatureMap = FeatureMap.EluPlusOne, Normalized = true, ConvWidth = 0, OutputGate = false)]",
            name: "LinearLayer")),
        nameof(NormalizedLinearLayer));

    [Fact]
    public Task ScalarDecayLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer("[LinearMemory(Rule = MemoryRule.ScalarDecay, Heads = 4)]", name: "ScalarDecayLayer")),
        nameof(ScalarDecayLayer));

    [Fact]
    public Task ChannelDecayLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer("[LinearMemory(Rule = MemoryRule.ChannelDecay, Heads = 4, KeyDim = 8)]", name: "ChannelDecayLayer")),
        nameof(ChannelDecayLayer));

    [Fact]
    public Task DeltaLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer("[LinearMemory(Rule = MemoryRule.Delta, Heads = 4, NegativeEigenvalues = true)]", name: "DeltaLayer")),
        nameof(DeltaLayer));

    [Fact]
    public Task MixtureLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer("[MixtureOfMemories(Heads = 4)]", name: "MixtureLayer")),
        nameof(MixtureLayer));

    [Fact]
    public Task MixtureWithSharedProjectionsLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer(
            "[MixtureOfMemories(Heads = 4, Memories = 8, TopK = 1, Rule = MemoryRule.Delta, SharedMemory = false, SharedProjections = true, BalanceLoss = 0)]",
            name: "MixtureLayer")),
        nameof(MixtureWithSharedProjectionsLayer));

    [Fact]
    public Task DeclarationWithAMistake() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Model("[SlidingAttention(Heads = 7, Window = 0)]", name: "MistakenLM")),
        nameof(DeclarationWithAMistake));
}
