using Memory.Gen.Tests.Harness;

namespace Memory.Gen.Tests.Snapshots;

/// <summary>Whole emitted files, to be read as code: one for each kind of memory, one for each option that changes the text.</summary>
public class EmittedFileTests
{
    [Fact]
    public Task HybridModel() => Snapshot.Verify(Compile.EmittedFile(Declarations.Hybrid), nameof(HybridModel));

    [Fact]
    public Task AssemblyStart() => Snapshot.Verify(Compile.All(Compile.Library(Declarations.Hybrid))[Compile.StartFile], nameof(AssemblyStart));

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
    public Task TaylorLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer(
            "[LinearMemory(Rule = MemoryRule.Linear, Heads = 4, FeatureMap = FeatureMap.Taylor, Normalized = true, ConvWidth = 0, OutputGate = false)]", name: "TaylorLayer")),
        nameof(TaylorLayer));

    [Fact]
    public Task HedgehogLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer("[LinearMemory(Rule = MemoryRule.Linear, Heads = 4, FeatureMap = FeatureMap.Hedgehog)]", name: "HedgehogLayer")),
        nameof(HedgehogLayer));

    [Fact]
    public Task ScalarDecayLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer("[LinearMemory(Rule = MemoryRule.ScalarDecay, Heads = 4)]", name: "ScalarDecayLayer")),
        nameof(ScalarDecayLayer));

    [Fact]
    public Task RetentionLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer("[LinearMemory(Rule = MemoryRule.ScalarDecay, Decay = DecaySchedule.RetNet, RotaryBase = 10_000, Heads = 4, ConvWidth = 0)]", name: "RetentionLayer")),
        nameof(RetentionLayer));

    [Fact]
    public Task LightningModel() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Model(
            "[LinearMemory('L', Rule = MemoryRule.ScalarDecay, Decay = DecaySchedule.Lightning, Heads = 8)] [SlidingAttention('a', Heads = 8, Window = 16)]",
            "VocabSize = 256, Dim = 64, Pattern = \"LLaL\"", name: "LightningLM")),
        nameof(LightningModel));

    [Fact]
    public Task TiedDecayLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer("[LinearMemory(Rule = MemoryRule.TiedDecay, Heads = 4, KeyDim = 8)]", name: "TiedDecayLayer")),
        nameof(TiedDecayLayer));

    [Fact]
    public Task ChannelDecayLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer("[LinearMemory(Rule = MemoryRule.ChannelDecay, Heads = 4, KeyDim = 8)]", name: "ChannelDecayLayer")),
        nameof(ChannelDecayLayer));

    [Fact]
    public Task DeltaLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer("[LinearMemory(Rule = MemoryRule.Delta, Heads = 4, NegativeEigenvalues = true)]", name: "DeltaLayer")),
        nameof(DeltaLayer));

    [Fact]
    public Task ChannelDeltaLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer("[LinearMemory(Rule = MemoryRule.ChannelDelta, Heads = 4, KeyDim = 8)]", name: "ChannelDeltaLayer")),
        nameof(ChannelDeltaLayer));

    [Fact]
    public Task DeltaProductLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer("[LinearMemory(Rule = MemoryRule.Delta, Heads = 4, Householders = 2, ConvWidth = 0)]", name: "DeltaProductLayer")),
        nameof(DeltaProductLayer));

    [Fact]
    public Task GatedDeltaProductLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer("[LinearMemory(Heads = 4, Householders = 3, NegativeEigenvalues = true)]", name: "GatedDeltaProductLayer")),
        nameof(GatedDeltaProductLayer));

    [Fact]
    public Task BonusDecayLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer("[LinearMemory(Rule = MemoryRule.BonusDecay, Heads = 4)]", name: "BonusDecayLayer")),
        nameof(BonusDecayLayer));

    [Fact]
    public Task SharedKeysLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer("[LinearMemory(Heads = 4, KeyHeads = 2)]", name: "SharedKeysLayer")), nameof(SharedKeysLayer));

    [Fact]
    public Task SharedKeysProductLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer("[LinearMemory(Rule = MemoryRule.Delta, Heads = 4, KeyHeads = 1, Householders = 2, ConvWidth = 0)]", name: "SharedKeysProductLayer")),
        nameof(SharedKeysProductLayer));

    [Fact]
    public Task GatedSlotsLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer("[LinearMemory(Rule = MemoryRule.GatedSlots, Heads = 4, Slots = 32)]", name: "GatedSlotsLayer")),
        nameof(GatedSlotsLayer));

    [Fact]
    public Task GeneralizedDeltaLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer("[LinearMemory(Rule = MemoryRule.GeneralizedDelta, Heads = 4, KeyDim = 8)]", name: "GeneralizedDeltaLayer")),
        nameof(GeneralizedDeltaLayer));

    [Fact]
    public Task ChannelDeltaMixtureLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer("[MixtureOfMemories(Rule = MemoryRule.ChannelDelta, Heads = 4)]", name: "MixtureLayer")),
        nameof(ChannelDeltaMixtureLayer));

    [Fact]
    public Task DeltaProductMixtureLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer("[MixtureOfMemories(Heads = 4, Householders = 2, NegativeEigenvalues = true)]", name: "MixtureLayer")),
        nameof(DeltaProductMixtureLayer));

    [Fact]
    public Task SharedKeysMixtureLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer("[MixtureOfMemories(Heads = 4, KeyHeads = 2, Memories = 8, SharedMemory = false, SharedProjections = true)]", name: "MixtureLayer")),
        nameof(SharedKeysMixtureLayer));

    [Fact]
    public Task BonusDecayMixtureLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer("[MixtureOfMemories(Rule = MemoryRule.BonusDecay, Heads = 4)]", name: "MixtureLayer")),
        nameof(BonusDecayMixtureLayer));

    [Fact]
    public Task GatedSlotsMixtureLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer("[MixtureOfMemories(Rule = MemoryRule.GatedSlots, Heads = 4, Slots = 32, ConvWidth = 0)]", name: "MixtureLayer")),
        nameof(GatedSlotsMixtureLayer));

    [Fact]
    public Task TiedDecayMixtureLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer("[MixtureOfMemories(Rule = MemoryRule.TiedDecay, Heads = 4, KeyDim = 8)]", name: "MixtureLayer")),
        nameof(TiedDecayMixtureLayer));

    [Fact]
    public Task GeneralizedDeltaMixtureLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer("[MixtureOfMemories(Rule = MemoryRule.GeneralizedDelta, Heads = 4, KeyDim = 8)]", name: "MixtureLayer")),
        nameof(GeneralizedDeltaMixtureLayer));

    [Fact]
    public Task SelectiveStateSpaceLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer("[SelectiveStateSpace]", name: "SelectiveLayer")),
        nameof(SelectiveStateSpaceLayer));

    [Fact]
    public Task StateSpaceLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer("[LinearMemory(Rule = MemoryRule.ScalarDecay, StateSpace = true, Heads = 4, Groups = 2, KeyDim = 32)]", name: "StateSpaceLayer")),
        nameof(StateSpaceLayer));

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
    public Task TitansMemoryLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer("[TitansMemory(TitansVariant.MemoryOnly, Heads = 4)]", name: "LongTermLayer")),
        nameof(TitansMemoryLayer));

    [Fact]
    public Task TitansGateModel() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Model(
            "[TitansMemory(TitansVariant.Gate, Heads = 4, Window = 64, Block = 16, MemoryDepth = 2, PersistentTokens = 8)]",
            "VocabSize = 256, Dim = 256, Layers = 6",
            "JournalLM")),
        nameof(TitansGateModel));

    [Fact]
    public Task TitansMuonLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer(
            "[TitansMemory(TitansVariant.Gate, Heads = 4, Window = 32, Block = 128, GatedLinearUnit = true, Muon = true, WeightNorm = true, Forgetting = false)]", name: "LargeChunkLayer")),
        nameof(TitansMuonLayer));

    [Fact]
    public Task TitansLayerLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer(
            "[TitansMemory(TitansVariant.Layer, Heads = 4, Window = 32, Attention = TitansAttention.Segmented, DecayTo = TitansDecayTarget.Initial, "
                + "Momentum = false, AdaptiveStep = false, MaxStep = 0.5, RotaryBase = 0, PersistentTokens = 4, Persistent = TitansPersistent.KeyValue)]",
            name: "MemoryThenAttentionLayer")),
        nameof(TitansLayerLayer));

    [Fact]
    public Task TitansContextLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer(
            "[TitansMemory(TitansVariant.Context, Heads = 4, Window = 64, MemoryDepth = 2, Activation = TitansActivation.Gelu, Residual = true, "
                + "InnerClip = 1, Squash = TitansSquash.Memory, PersistentTokens = 4)]",
            name: "SegmentLayer")),
        nameof(TitansContextLayer));

    [Fact]
    public Task BMojoModel() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Model(
            "[BMojoMemory(Heads = 8, Window = 256, EideticTokens = 64, FadingTokens = 16, Fading = FadingState.SelectiveScan)]",
            "VocabSize = 32_000, Dim = 512, Layers = 8",
            "ArchiveLM")),
        nameof(BMojoModel));

    [Fact]
    public Task BMojoFadingLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer("[BMojoMemory(Heads = 4, Window = 64, FadingTokens = 64)]", name: "FadingLayer")),
        nameof(BMojoFadingLayer));

    [Fact]
    public Task BMojoResidualLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer(
            "[BMojoMemory(Heads = 4, KeyValueHeads = 2, Window = 64, WindowMode = BMojoWindow.Sliding, RefreshTokens = 32, EideticTokens = 16, FadingTokens = 8, "
                + "FadingStride = 4, Fading = FadingState.GatedDelta, TiedProjections = false, Score = BMojoScore.DeltaResidual, Threshold = 0.5, ScoreDecay = 0.9, "
                + "Positions = BMojoPositions.Absolute, QueryKeyNorm = true)]",
            name: "ResidualLayer")),
        nameof(BMojoResidualLayer));

    [Fact]
    public Task BMojoRecencyLayer() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Layer("[BMojoMemory(Heads = 4, Window = 32, EideticTokens = 16, Score = BMojoScore.Recency, RotaryBase = 0)]", name: "RecencyLayer")),
        nameof(BMojoRecencyLayer));

    [Fact]
    public Task HierarchicalModel() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Model(
            "[SlidingAttention(Heads = 8)] [HierarchicalMemory(SegmentTokens = 256, SensoryTokens = 32, RecallSlots = 300, RecallDim = 512)]",
            "VocabSize = 32_000, Dim = 512, Layers = 8",
            "BookLM")),
        nameof(HierarchicalModel));

    [Fact]
    public Task HierarchicalModelWithEveryOption() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Model(
            "[MixtureOfMemories('M', Heads = 4)] [SlidingAttention('A', Heads = 4, Window = 32)] "
                + "[HierarchicalMemory(SegmentTokens = 66, RecallSlots = 8, RecallScale = 0.5, SummaryFraction = 0.25, CausalRecall = false, "
                + "BackpropSegments = 3, LossScope = LossScope.LastNTokens, LossTokens = 16)]",
            "VocabSize = 256, Dim = 64, Pattern = \"MA\", TiedEmbeddings = true",
            "PaperLM")),
        nameof(HierarchicalModelWithEveryOption));

    [Fact]
    public Task HierarchicalModelOfTheFirstStage() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Model(
            "[SlidingAttention(Heads = 4)] [HierarchicalMemory(SegmentTokens = 64, SensoryTokens = 16, Recall = false)]", name: "FirstStageLM")),
        nameof(HierarchicalModelOfTheFirstStage));

    [Fact]
    public Task RecurrentModel() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Model("[LinearMemory(Heads = 4)] [RecurrentMemory(SegmentTokens = 64, MemoryTokens = 4)]", name: "RelayLM")),
        nameof(RecurrentModel));

    [Fact]
    public Task RecurrentModelWithLearnedWrites() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Model(
            "[SlidingAttention(Heads = 4)] [RecurrentMemory(SegmentTokens = 64, MemoryTokens = 4, WriteInit = WriteInit.Learned, BackpropSegments = 2, LossScope = LossScope.LastSegment)]",
            name: "RelayLM")),
        nameof(RecurrentModelWithLearnedWrites));

    [Fact]
    public Task SegmentsAlone() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Model("[SlidingAttention(Heads = 4)] [RecurrentMemory(SegmentTokens = 64, MemoryTokens = 0)]", name: "SegmentsLM")),
        nameof(SegmentsAlone));

    [Fact]
    public Task DeclarationWithAMistake() => Snapshot.Verify(
        Compile.EmittedFile(Declarations.Model("[SlidingAttention(Heads = 7, Window = 0)]", name: "MistakenLM")),
        nameof(DeclarationWithAMistake));
}
