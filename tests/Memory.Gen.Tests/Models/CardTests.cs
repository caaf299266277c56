using System.Globalization;
using System.Text.RegularExpressions;
using Memory.Gen.Runtime;
using Memory.Gen.Tests.Harness;
using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Tests.Models;

/// <summary>The card's numbers are those of the model that is built.</summary>
public class CardTests
{
    private const string Model = "VocabSize = 96, Dim = 48, Layers = 3";

    // 70 billion parameters and more.
    private const string Large = "VocabSize = 128_256, Dim = 8192, Layers = 80, FeedForward = 28_672";

    [Theory]
    [InlineData("[SlidingAttention(Heads = 4, Window = 8)]", Model)]
    [InlineData("[SlidingAttention(Heads = 4, Window = 1, KeyValueHeads = 2, RotaryBase = 0)]", Model)]
    [InlineData("[SlidingAttention(Heads = 4, KeyValueHeads = 1)]", Model + ", TiedEmbeddings = true, FeedForward = 0")]
    [InlineData("[LinearMemory(Heads = 3)]", Model + ", FeedForward = 40")]
    [InlineData("[LinearMemory(Heads = 5, KeyDim = 7, ValueDim = 9, ConvWidth = 0, OutputGate = false)]", Model)]
    [InlineData("[LinearMemory(Heads = 3, Rule = MemoryRule.Linear, FeatureMap = FeatureMap.EluPlusOne, Normalized = true)]", Model)]
    [InlineData("[LinearMemory(Heads = 3, Rule = MemoryRule.Linear, FeatureMap = FeatureMap.Taylor, Normalized = true)]", Model)]
    [InlineData("[LinearMemory(Heads = 5, Rule = MemoryRule.Linear, FeatureMap = FeatureMap.Taylor, KeyDim = 7, ValueDim = 9)]", Model)]
    [InlineData("[LinearMemory(Heads = 3, Rule = MemoryRule.Linear, FeatureMap = FeatureMap.Hedgehog, Normalized = true)]", Model)]
    [InlineData("[LinearMemory(Heads = 3, Rule = MemoryRule.ScalarDecay, ConvWidth = 3)]", Model)]
    [InlineData("[LinearMemory(Heads = 3, Rule = MemoryRule.ScalarDecay, Decay = DecaySchedule.RetNet)]", Model)]
    [InlineData("[LinearMemory(Heads = 3, Rule = MemoryRule.ScalarDecay, Decay = DecaySchedule.Lightning, ConvWidth = 0)]", Model)]
    [InlineData("[LinearMemory(Heads = 3, Rule = MemoryRule.Delta, RotaryBase = 50)]", Model)]
    [InlineData("[LinearMemory(Heads = 3, Rule = MemoryRule.TiedDecay, KeyDim = 5)]", Model)]
    [InlineData("[LinearMemory(Heads = 3, Rule = MemoryRule.TiedDecay, ConvWidth = 0)]", Model)]
    [InlineData("[LinearMemory(Heads = 3, Rule = MemoryRule.ChannelDecay)]", Model)]
    [InlineData("[LinearMemory(Heads = 3, Rule = MemoryRule.Delta, NegativeEigenvalues = true)]", Model)]
    [InlineData("[LinearMemory(Heads = 3, Rule = MemoryRule.ChannelDelta, KeyDim = 7, ValueDim = 9)]", Model)]
    [InlineData("[LinearMemory(Heads = 3, Rule = MemoryRule.GeneralizedDelta, KeyDim = 7, ValueDim = 9)]", Model)]
    [InlineData("[LinearMemory(Heads = 3, Rule = MemoryRule.GeneralizedDelta, ConvWidth = 0, OutputGate = false)]", Model)]
    [InlineData("[LinearMemory(Heads = 3, KeyDim = 7, ValueDim = 9, Householders = 3)]", Model)]
    [InlineData("[LinearMemory(Heads = 3, Rule = MemoryRule.Delta, Householders = 2, ConvWidth = 0, OutputGate = false)]", Model)]
    [InlineData("[LinearMemory(Heads = 6, KeyHeads = 2, KeyDim = 7, ValueDim = 9)]", Model)]
    [InlineData("[LinearMemory(Heads = 6, KeyHeads = 3, Rule = MemoryRule.Linear, FeatureMap = FeatureMap.Hedgehog, Normalized = true)]", Model)]
    [InlineData("[LinearMemory(Heads = 6, KeyHeads = 2, Rule = MemoryRule.Delta, Householders = 3)]", Model)]
    [InlineData("[LinearMemory(Heads = 3, Rule = MemoryRule.BonusDecay, KeyDim = 7, ValueDim = 9)]", Model)]
    [InlineData("[LinearMemory(Heads = 3, Rule = MemoryRule.BonusDecay, ConvWidth = 0, OutputGate = false)]", Model)]
    [InlineData("[LinearMemory(Heads = 3, Rule = MemoryRule.GatedSlots, KeyDim = 7, Slots = 5)]", Model)]
    [InlineData("[LinearMemory(Heads = 3, Rule = MemoryRule.GatedSlots, ConvWidth = 0, OutputGate = false)]", Model)]
    [InlineData("[LinearMemory(Heads = 3, Rule = MemoryRule.ScalarDecay, StateSpace = true)]", Model)]
    [InlineData("[LinearMemory(Heads = 6, Rule = MemoryRule.ScalarDecay, StateSpace = true, Groups = 3, KeyDim = 7, ValueDim = 9, ConvWidth = 3)]", Model)]
    [InlineData("[SelectiveStateSpace]", Model)]
    [InlineData("[SelectiveStateSpace(Expansion = 3, StateDim = 5, ConvWidth = 2, StepRank = 7)]", Model)]
    [InlineData("[MixtureOfMemories(Heads = 3)]", Model)]
    [InlineData("[MixtureOfMemories(Heads = 3, Memories = 5, TopK = 5, KeyDim = 7, ValueDim = 9, ConvWidth = 0, OutputGate = false)]", Model)]
    [InlineData("[MixtureOfMemories(Heads = 3, Rule = MemoryRule.Linear, SharedMemory = false, SharedProjections = true, TopK = 1)]", Model)]
    [InlineData("[MixtureOfMemories(Heads = 3, Rule = MemoryRule.ScalarDecay, SharedMemory = false)]", Model)]
    [InlineData("[MixtureOfMemories(Heads = 3, Rule = MemoryRule.ChannelDecay)]", Model)]
    [InlineData("[MixtureOfMemories(Heads = 3, Rule = MemoryRule.ChannelDelta, KeyDim = 7, ValueDim = 9)]", Model)]
    [InlineData("[MixtureOfMemories(Heads = 3, KeyDim = 7, ValueDim = 9, Householders = 3)]", Model)]
    [InlineData("[MixtureOfMemories(Heads = 3, Rule = MemoryRule.Delta, Householders = 2, SharedMemory = false, SharedProjections = true)]", Model)]
    [InlineData("[MixtureOfMemories(Heads = 6, KeyHeads = 2, KeyDim = 7, ValueDim = 9)]", Model)]
    [InlineData("[MixtureOfMemories(Heads = 6, KeyHeads = 3, Householders = 2, SharedProjections = true)]", Model)]
    [InlineData("[MixtureOfMemories(Heads = 3, Rule = MemoryRule.BonusDecay, KeyDim = 7, ValueDim = 9)]", Model)]
    [InlineData("[MixtureOfMemories(Heads = 3, Rule = MemoryRule.TiedDecay, KeyDim = 7, ValueDim = 9)]", Model)]
    [InlineData("[MixtureOfMemories(Heads = 3, Rule = MemoryRule.GeneralizedDelta, KeyDim = 7, ValueDim = 9)]", Model)]
    [InlineData("[MixtureOfMemories(Heads = 3, Rule = MemoryRule.GatedSlots, KeyDim = 7, ValueDim = 9, Slots = 5)]", Model)]
    [InlineData("[MixtureOfMemories(Heads = 3, Rule = MemoryRule.Delta, SharedProjections = true)]", Model)]
    [InlineData("[MixtureOfMemories(Heads = 3, Rule = MemoryRule.Titans)]", Model)]
    [InlineData("[LinearMemory('D', Heads = 3)] [SlidingAttention('A', Heads = 4, Window = 5, FeedForward = 0)]", "VocabSize = 96, Dim = 48, Pattern = \"DDA DA\"")]
    [InlineData("[TitansMemory(TitansVariant.MemoryOnly, Heads = 3, AdaptiveStep = false)]", Model)]
    [InlineData("[TitansMemory(TitansVariant.Gate, Heads = 4, Window = 8, MemoryDepth = 2, Expansion = 3, Residual = true, PersistentTokens = 5)]", Model)]
    [InlineData("[TitansMemory(TitansVariant.Layer, Heads = 4, Window = 8, Forgetting = false, PersistentTokens = 5, Persistent = TitansPersistent.KeyValue)]", Model)]
    [InlineData("[TitansMemory(TitansVariant.Context, Heads = 4, Window = 8, Block = 4, MemoryDepth = 2, PersistentTokens = 5)]", Model)]
    [InlineData("[TitansMemory(TitansVariant.Context, Heads = 4, Window = 8, Block = 4, GatedLinearUnit = true, Expansion = 3)]", Model)]
    [InlineData("[TitansMemory(TitansVariant.Context, Heads = 4, Window = 8, Block = 8, Momentum = false, ConvWidth = 0)]", Model)]
    [InlineData("[TitansMemory(TitansVariant.Layer, Heads = 4, Window = 8, Block = 4, MemoryDepth = 2, Muon = true, WeightNorm = true, PersistentTokens = 5)]", Model)]
    [InlineData("[BMojoMemory(Heads = 4, Window = 8, EideticTokens = 3, FadingTokens = 2)]", Model)]
    [InlineData("[BMojoMemory(Heads = 4, KeyValueHeads = 2, Window = 8, WindowMode = BMojoWindow.Sliding, RefreshTokens = 5, EideticTokens = 3, FadingTokens = 2, FadingStride = 3, Fading = FadingState.ScalarDecay, Score = BMojoScore.DeltaResidual, TiedProjections = false, QueryKeyNorm = true)]", Model)]
    [InlineData("[BMojoMemory(Heads = 4, Window = 8, FadingTokens = 8, Fading = FadingState.GatedDelta)]", Model)]
    [InlineData("[BMojoMemory(Heads = 4, Window = 0, FadingTokens = 1, FadingOffset = 0)]", Model)]
    [InlineData("[BMojoMemory(Heads = 4, Window = 8, WindowMode = BMojoWindow.Blocked)]", Model)]
    [InlineData("[SlidingAttention(Heads = 4)] [HierarchicalMemory(SegmentTokens = 20, SensoryTokens = 5, RecallSlots = 7, RecallDim = 9)]", Model)]
    [InlineData("[LinearMemory(Heads = 3)] [HierarchicalMemory(SegmentTokens = 20, CausalRecall = false)]", Model + ", TiedEmbeddings = true")]
    [InlineData("[SlidingAttention(Heads = 4)] [HierarchicalMemory(SegmentTokens = 20, SensoryTokens = 5, Recall = false)]", Model)]
    [InlineData("[SlidingAttention(Heads = 4)] [HierarchicalMemory(SegmentTokens = 20, OneEndedSummary = true)]", Model)]
    [InlineData("[MixtureOfMemories(Heads = 3)] [RecurrentMemory(SegmentTokens = 20, MemoryTokens = 3, WriteInit = WriteInit.Learned)]", Model)]
    [InlineData("[SlidingAttention(Heads = 4)] [RecurrentMemory(SegmentTokens = 20, MemoryTokens = 0)]", Model)]
    [InlineData("[SlidingAttention(Heads = 64, KeyValueHeads = 8)]", Large)]
    [InlineData("[LinearMemory('D', Heads = 64, KeyDim = 128, ValueDim = 256)] [SlidingAttention('A', Heads = 64, Window = 4096)]", "VocabSize = 128_256, Dim = 8192, Pattern = \"DDDADDDADDDADDDADDDADDDA DDDADDDADDDADDDADDDADDDA\"")]
    [InlineData("[SelectiveStateSpace(StateDim = 128)]", Large)]
    [InlineData("[LinearMemory(Heads = 128, Rule = MemoryRule.ScalarDecay, StateSpace = true, KeyDim = 128, Groups = 8)]", Large)]
    [InlineData("[MixtureOfMemories(Heads = 64, Memories = 8, SharedProjections = true)]", Large)]
    [InlineData("[TitansMemory(TitansVariant.Gate, Heads = 64, Window = 4096, MemoryDepth = 2, PersistentTokens = 128)]", Large)]
    [InlineData("[TitansMemory(TitansVariant.Context, Heads = 64, Window = 4096, Block = 1024, PersistentTokens = 128)]", Large)]
    [InlineData("[BMojoMemory(Heads = 64, KeyValueHeads = 8, Window = 4096, EideticTokens = 1024, FadingTokens = 256)]", Large)]
    [InlineData("[SlidingAttention(Heads = 64, KeyValueHeads = 8)] [HierarchicalMemory(SegmentTokens = 4096, SensoryTokens = 32, RecallSlots = 300)]", Large)]
    [InlineData("[SlidingAttention(Heads = 64, KeyValueHeads = 8)] [RecurrentMemory(SegmentTokens = 4096, MemoryTokens = 16, WriteInit = WriteInit.Learned)]", Large)]
    public void ParametersAndStateBytesAreThoseOfTheModel(string mixers, string model)
    {
        Type type = BuiltModel.Load(Compile.Library(Declarations.Model(mixers, model)), "Samples.Model");
        long managed = GC.GetAllocatedBytesForCurrentThread(), mapped = PrivateBytes();
        using var built = (nn.Module<Tensor, Tensor>)Activator.CreateInstance(type, META, (ScalarType?)ScalarType.BFloat16)!;
        MemoryCard card = built.AsModel().Card;
        Assert.Equal(built.parameters().Sum(p => p.numel()), card.Parameters);
        using MemoryState state = built.AsModel().NewState(3);
        Assert.Equal(state.Bytes, 3 * card.StateBytes(0, ScalarType.BFloat16));

        // The large ones would be 140 GB and more, a single matrix of theirs half a gigabyte. Other tests map memory meanwhile.
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - managed, 0, 32 << 20);
        Assert.InRange(PrivateBytes() - mapped, long.MinValue, 4L << 30);
    }

    private static long PrivateBytes()
    {
        using var process = System.Diagnostics.Process.GetCurrentProcess();
        return process.PrivateMemorySize64;
    }

    /// <summary>At the upper ends of all ranges.</summary>
    [Theory]
    [InlineData("[LinearMemory(Heads = 4096, KeyDim = 16384, ValueDim = 16384, ConvWidth = 256)]")]
    [InlineData("[LinearMemory(Heads = 512, KeyDim = 16384, ValueDim = 16384, ConvWidth = 256, Householders = 8)]")]
    [InlineData("[LinearMemory(Heads = 4096, KeyDim = 16384, ValueDim = 16384, ConvWidth = 256, Rule = MemoryRule.GeneralizedDelta)]")]
    [InlineData("[LinearMemory(Heads = 4096, KeyDim = 16384, ValueDim = 16384, ConvWidth = 256, Rule = MemoryRule.GatedSlots, Slots = 16384)]")]
    [InlineData("[MixtureOfMemories(Heads = 1024, KeyDim = 4096, ValueDim = 4096, ConvWidth = 256, Memories = 64, TopK = 64)]")]
    [InlineData("[MixtureOfMemories(Heads = 1024, KeyDim = 4096, ValueDim = 4096, ConvWidth = 256, Memories = 64, TopK = 64, Rule = MemoryRule.BonusDecay)]")]
    [InlineData("[MixtureOfMemories(Heads = 1024, KeyDim = 4096, ValueDim = 4096, ConvWidth = 256, Memories = 64, TopK = 64, Rule = MemoryRule.GeneralizedDelta)]")]
    [InlineData("[MixtureOfMemories(Heads = 128, KeyDim = 4096, ValueDim = 4096, ConvWidth = 256, Memories = 64, TopK = 64, Householders = 8)]")]
    [InlineData("[MixtureOfMemories(Heads = 1024, KeyDim = 4096, ValueDim = 4096, ConvWidth = 256, Memories = 64, TopK = 64, Rule = MemoryRule.GatedSlots, Slots = 4096)]")]
    public void NoCountLeaves64Bits(string mixer)
    {
        string file = Compile.EmittedFile(Declarations.Model(mixer, "VocabSize = 16_777_216, Dim = 1_048_576, Layers = 4096, FeedForward = 16_777_216"));
        string[] counts = [.. Regex.Matches(file, @"^ +(?:parameters|\w+Elements\w*|flops\w+): (.+),$", RegexOptions.Multiline).Select(m => m.Groups[1].Value)];
        Assert.Equal(6, counts.Length);
        Assert.All(counts, count => Assert.InRange(long.Parse(count, CultureInfo.InvariantCulture), 0, long.MaxValue));
    }

    public static TheoryData<string> EveryKind => [.. Declarations.EveryKind, "[SlidingAttention(Heads = 4, KeyValueHeads = 2)]", "[LinearMemory(Heads = 4)] [HierarchicalMemory(SegmentTokens = 16)]"];

    [Theory]
    [MemberData(nameof(EveryKind))]
    public void AStateIsAsLargeAsTheCardSaysWhateverItHasRead(string attributes)
    {
        using nn.Module<Tensor, Tensor> built = BuiltModel.New(Declarations.Model(attributes), CPU, ScalarType.Float32);
        foreach (long tokens in new[] { 0, 1, 7, 8, 33, 100 })
        {
            using var scope = NewDisposeScope();
            using MemoryState state = built.AsModel().NewState(2);
            built.AsModel().Prefill(zeros([2, tokens], dtype: ScalarType.Int64), state);
            Assert.Equal((tokens, state.Bytes), (tokens, 2 * built.AsModel().Card.StateBytes(tokens, ScalarType.Float32)));
        }
    }

    [Theory]
    [InlineData("[SlidingAttention(Heads = 4, KeyValueHeads = 2)]", true)]
    [InlineData("[LinearMemory(Heads = 4)]", false)]
    [InlineData("[SlidingAttention(Heads = 4)] [RecurrentMemory(SegmentTokens = 32, MemoryTokens = 2)]", false)]
    public void OnlyAStateThatGrowsHasNoBound(string attributes, bool grows)
    {
        MemoryCard card = BuiltModel.New(Declarations.Model(attributes), META, ScalarType.Float32).AsModel().Card;
        Assert.Equal(grows ? null : card.StateBytes(1_000_000, ScalarType.Float32), card.StateBytesBound(ScalarType.Float32));
    }

    // Products of one token, counted by hand: projections, feed-forward, head, then what the memory multiplies.
    [Theory]
    [InlineData("[SlidingAttention(Heads = 4, Window = 8)]", 2 * (4 * 48 * 48 + 2 * 48 * 8), 0L, 3 * 7 + 1L)]
    [InlineData("[SlidingAttention(Heads = 4)]", 2 * (4 * 48 * 48), 3 * 2 * 2 * 48L, null)]
    [InlineData("[LinearMemory(Heads = 3)]", 2 * (5 * 48 * 48 + 2 * 48 * 3 + 3 * 3 * 16 * 16), 0L, null)]
    [InlineData("[LinearMemory(Heads = 3, Rule = MemoryRule.Linear, FeatureMap = FeatureMap.Taylor, Normalized = true)]", 2 * (5 * 48 * 48 + 2 * 3 * 153 * 16 + 3 * 153), 0L, null)]
    [InlineData("[LinearMemory(Heads = 3, Rule = MemoryRule.Linear, FeatureMap = FeatureMap.Hedgehog)]", 2 * (5 * 48 * 48 + 2 * 3 * 16 * 16 + 2 * 3 * 32 * 16), 0L, null)]
    [InlineData("[LinearMemory(Heads = 3, Rule = MemoryRule.ScalarDecay)]", 2 * (5 * 48 * 48 + 48 * 3 + 2 * 3 * 16 * 16), 0L, null)]
    [InlineData("[LinearMemory(Heads = 3, Rule = MemoryRule.ScalarDecay, Decay = DecaySchedule.RetNet)]", 2 * (5 * 48 * 48 + 2 * 3 * 16 * 16), 0L, null)]
    [InlineData("[LinearMemory(Heads = 3, Rule = MemoryRule.ScalarDecay, StateSpace = true, KeyDim = 8)]", 2 * (6 * 48 * 48 + 2 * 48 * 8 + 48 * 3 + 2 * 3 * 8 * 32), 0L, null)]
    [InlineData("[LinearMemory(Heads = 3, Rule = MemoryRule.ChannelDelta, KeyDim = 8)]", 2 * (3 * 48 * 48 + 2 * 48 * 24 + 48 * 3 + 48 * 16 + 16 * 24 + 3 * 3 * 8 * 16), 0L, null)]
    [InlineData("[LinearMemory(Heads = 3, KeyDim = 8, Householders = 3)]", 2 * (5 * 48 * 48 + 4 * 48 * 24 + 3 * 48 * 3 + 48 * 3 + 7 * 3 * 8 * 16), 0L, null)]
    [InlineData("[LinearMemory(Heads = 3, Rule = MemoryRule.BonusDecay, KeyDim = 8)]", 2 * (3 * 48 * 48 + 2 * 48 * 24 + 48 * 8 + 8 * 24 + 2 * 3 * 8 * 16), 0L, null)]
    [InlineData("[LinearMemory(Heads = 3, KeyHeads = 1, KeyDim = 8)]", 2 * (3 * 48 * 48 + 2 * 48 * 8 + 2 * 48 * 3 + 3 * 3 * 8 * 16), 0L, null)]
    [InlineData("[LinearMemory(Heads = 3, Rule = MemoryRule.GatedSlots, KeyDim = 8, Slots = 5)]", 2 * (3 * 48 * 48 + 2 * 48 * 24 + 48 * 3 * 5 + 2 * 3 * 5 * (8 + 16)), 0L, null)]
    [InlineData("[LinearMemory(Heads = 3, Rule = MemoryRule.GeneralizedDelta, KeyDim = 8)]", 2 * (3 * 48 * 48 + 2 * 48 * 24 + 2 * (48 * 8 + 8 * 24) + 4 * 3 * 8 * 16), 0L, null)]
    [InlineData("[SelectiveStateSpace]", 2 * (3 * 48 * 96 + 96 * (2 * 3 + 2 * 16) + 2 * 96 * 16), 0L, null)]
    [InlineData("[MixtureOfMemories(Heads = 3)]", 2 * (48 * 4 + 3 * 48 * 48 + 3 * (2 * 48 * 48 + 2 * 48 * 3) + 3 * 3 * 3 * 16 * 16), 0L, null)]
    [InlineData("[MixtureOfMemories(Heads = 3, Memories = 7, Rule = MemoryRule.ScalarDecay, SharedProjections = true)]", 2 * (48 * 7 + 5 * 48 * 48 + 48 * 3 + 3 * 2 * 3 * 16 * 16), 0L, null)]
    [InlineData("[MixtureOfMemories(Heads = 3, TopK = 1, Rule = MemoryRule.Titans, SharedMemory = false)]", 2 * (48 * 4 + 5 * 48 * 48 + 3 * 48 * 3 + 3 * 3 * 16 * 16), 0L, null)]
    [InlineData("[MixtureOfMemories(Heads = 3, KeyDim = 8, Householders = 2)]", 2 * (48 * 4 + 2 * 48 * 48 + 48 * 24 + 3 * (2 * (48 * 24 + 48 * 48 + 48 * 3) + 48 * 3) + 3 * 5 * 3 * 8 * 16), 0L, null)]
    [InlineData("[MixtureOfMemories(Heads = 3, KeyHeads = 1, KeyDim = 8)]", 2 * (48 * 4 + 2 * 48 * 48 + 48 * 8 + 3 * (48 * 8 + 48 * 48 + 2 * 48 * 3) + 3 * 3 * 3 * 8 * 16), 0L, null)]
    [InlineData("[MixtureOfMemories(Heads = 3, Rule = MemoryRule.TiedDecay, KeyDim = 8)]", 2 * (48 * 4 + 2 * 48 * 48 + 48 * 24 + 3 * (48 * 24 + 48 * 48) + 3 * 2 * 3 * 8 * 16), 0L, null)]
    [InlineData("[MixtureOfMemories(Heads = 3, Rule = MemoryRule.GeneralizedDelta, KeyDim = 8)]", 2 * (48 * 4 + 2 * 48 * 48 + 48 * 24 + 3 * (48 * 24 + 48 * 48 + 2 * (48 * 8 + 8 * 24)) + 3 * 4 * 3 * 8 * 16), 0L, null)]
    [InlineData("[MixtureOfMemories(Heads = 3, Rule = MemoryRule.GatedSlots, KeyDim = 8, Slots = 5)]", 2 * (48 * 4 + 2 * 48 * 48 + 48 * 24 + 3 * (48 * 24 + 48 * 48 + 48 * 3 * 5) + 3 * 2 * 3 * 5 * (8 + 16)), 0L, null)]
    [InlineData("[MixtureOfMemories(Heads = 3, Rule = MemoryRule.BonusDecay, KeyDim = 8)]", 2 * (48 * 4 + 2 * 48 * 48 + 48 * 24 + 3 * (48 * 24 + 48 * 48 + 48 * 8 + 8 * 24) + 3 * 2 * 3 * 8 * 16), 0L, null)]
    [InlineData("[TitansMemory(TitansVariant.MemoryOnly, Heads = 3)]", 2 * (5 * 48 * 48 + 3 * 48 * 3 + 3 * 3 * 16 * 16), 0L, null)]
    [InlineData("[TitansMemory(TitansVariant.Gate, Heads = 3, Window = 8, Momentum = false)]", 2 * (7 * 48 * 48 + 2 * 48 * 3 + 3 * 3 * 16 * 16 + 2 * 48 * 8), 0L, null)]
    [InlineData("[TitansMemory(TitansVariant.Context, Heads = 3, Window = 8, Block = 8, MemoryDepth = 2)]", 2 * (10 * 48 * 48 + 3 * 48 * 3 + 3 * 18 * 16 * 16 + 2 * 48 * 16), 0L, null)]
    [InlineData("[TitansMemory(TitansVariant.MemoryOnly, Heads = 3, Block = 8, Muon = true)]", 2 * (5 * 48 * 48 + 3 * 48 * 3 + 3 * 3 * 16 * 16 + 3 * 15 * 16 * 16 * 16 / 8), 0L, null)]
    [InlineData("[TitansMemory(TitansVariant.MemoryOnly, Heads = 3, Block = 8, GatedLinearUnit = true, Expansion = 3, Muon = true)]", 2 * (5 * 48 * 48 + 3 * 48 * 3 + 3 * (9 + 3 + 9 + 9) * 16 * 16 + 3 * 3 * 5 * 7 * 16 * 16 * 16 / 8), 0L, null)]
    [InlineData("[TitansMemory(TitansVariant.MemoryOnly, Heads = 3, GatedLinearUnit = true)]", 2 * (5 * 48 * 48 + 3 * 48 * 3 + 3 * (6 + 2 + 6 + 6) * 16 * 16), 0L, null)]
    [InlineData("[BMojoMemory(Heads = 4, Window = 0, FadingTokens = 1, FadingOffset = 0, Fading = FadingState.GatedDelta)]", 2 * (9 * 48 * 48 + 2 * 48 * 4 + 3 * 4 * 12 * 12 + 2 * 48), 0L, null)]
    [InlineData("[BMojoMemory(Heads = 4, Window = 8)]", 2 * (4 * 48 * 48 + 2 * 48 * 8), 0L, 3 * 7 + 1L)]
    [InlineData("[BMojoMemory(Heads = 4, Window = 8, WindowMode = BMojoWindow.Blocked)]", 2 * (4 * 48 * 48 + 2 * 48 * 12), 0L, 3 * 15 + 1L)]
    [InlineData("[BMojoMemory(Heads = 3, Window = 8, EideticTokens = 3, FadingTokens = 2, Fading = FadingState.GatedDelta)]", 2 * (12 * 48 * 48 + 2 * 48 * 3 + 3 * 3 * 16 * 16 + 2 * 48 * (12 + 3 + 2)), 0L, null)]
    public void CostAndReceptiveFieldAreThoseOfTheEquations(string mixer, long mixerFlops, long flopsPerTokenOfContext, long? receptiveField)
    {
        using nn.Module<Tensor, Tensor> built = BuiltModel.New(Declarations.Model(mixer, Model), META, ScalarType.Float32);
        MemoryCard card = built.AsModel().Card;
        Assert.Equal(3 * (mixerFlops + 2 * 3 * 48 * 128) + 2 * 48 * 96, card.FlopsPerToken);
        Assert.Equal((flopsPerTokenOfContext, receptiveField), (card.FlopsPerTokenOfContext, card.ReceptiveField));
    }

    // What the layers read for a segment: the window, and for a recall the summary and the two rows around it.
    [Theory]
    [InlineData("HierarchicalMemory(SegmentTokens = 20, SensoryTokens = 5, RecallSlots = 7, RecallDim = 9)", 20 + 7 + 2, 13, 2 * (2 * 48 * 9 + 7 * (9 + 48)), null)]
    [InlineData("HierarchicalMemory(SegmentTokens = 20, SensoryTokens = 5, RecallSlots = 7, RecallDim = 9, OneEndedSummary = true)", 20 + 7 + 1, 13, 2 * (2 * 48 * 9 + 7 * (9 + 48)), null)]
    [InlineData("HierarchicalMemory(SegmentTokens = 20, Recall = false)", 20, 18, 0, null)]
    [InlineData("RecurrentMemory(SegmentTokens = 20, MemoryTokens = 3)", 20, 14, 0, null)]
    [InlineData("RecurrentMemory(SegmentTokens = 20, MemoryTokens = 0)", 20, 20, 0, 20L)]
    public void AWrapperCostsTheRowsOfItsWindows(string wrapper, long rows, long newTokens, long own, long? receptiveField)
    {
        using nn.Module<Tensor, Tensor> built = BuiltModel.New(Declarations.Model($"[SlidingAttention(Heads = 4)] [{wrapper}]", Model), META, ScalarType.Float32);
        MemoryCard card = built.AsModel().Card;
        long layers = 3 * (2 * (4 * 48 * 48 + 2 * 48 * 20) + 2 * 3 * 48 * 128);
        Assert.Equal((layers * rows + own) / newTokens + 2 * 48 * 96, card.FlopsPerToken);
        Assert.Equal((0L, receptiveField), (card.FlopsPerTokenOfContext, card.ReceptiveField));
    }

    [Theory]
    [InlineData("[TitansMemory(TitansVariant.Context, Heads = 4, Window = 8, Block = 4)]", "Layers = 3", 8 * 8L)]
    [InlineData("[TitansMemory(TitansVariant.Context, Heads = 4, Window = 8, Block = 4, BackpropSegments = 0)]", "Layers = 3", 8L)]
    [InlineData("[TitansMemory(TitansVariant.Gate, Heads = 4, Window = 8, Block = 4)]", "Layers = 3", null)]
    [InlineData("[TitansMemory('c', TitansVariant.Context, Heads = 4, Window = 8, Block = 4)] [SlidingAttention('A', Heads = 4, Window = 5)]", "Pattern = \"cA\"", null)]
    [InlineData("[TitansMemory('c', TitansVariant.Context, Heads = 4, Window = 8, Block = 4, BackpropSegments = 3)] [TitansMemory('C', TitansVariant.Context, Heads = 4, Window = 16, BackpropSegments = 1)]", "Pattern = \"cC\"", 32L)]
    [InlineData("[TitansMemory('c', TitansVariant.Context, Heads = 4, Window = 8, Block = 4)] [TitansMemory('C', TitansVariant.Context, Heads = 4, Window = 16)]", "Pattern = \"cC\"", null)]
    [InlineData("[SlidingAttention(Heads = 4)] [HierarchicalMemory(SegmentTokens = 20, SensoryTokens = 5, BackpropSegments = 2)]", "Layers = 3", 3 * 13L)]
    [InlineData("[TitansMemory(TitansVariant.Context, Heads = 4, Window = 8, Block = 4)] [HierarchicalMemory(SegmentTokens = 20)]", "Layers = 3", null)]
    [InlineData("[SlidingAttention(Heads = 4)] [RecurrentMemory(SegmentTokens = 20, MemoryTokens = 0)]", "Layers = 3", 20L)]
    public void AStretchEndsWhereNoGradientPassesInAnyLayer(string mixers, string layers, long? stretch)
    {
        using nn.Module<Tensor, Tensor> built = BuiltModel.New(Declarations.Model(mixers, "VocabSize = 96, Dim = 48, " + layers), META, ScalarType.Float32);
        Assert.Equal(stretch, built.AsModel().Card.StretchTokens);
    }

    [Fact]
    public Task CheckpointKeysAndShapes()
    {
        string mixers = "[LinearMemory('D', Heads = 3)] [LinearMemory('C', Heads = 3, Rule = MemoryRule.ChannelDecay)] [SlidingAttention('A', Heads = 4, Window = 5)] [MixtureOfMemories('M', Heads = 3)] "
            + "[SelectiveStateSpace('S')] [LinearMemory('P', Heads = 3, Rule = MemoryRule.ScalarDecay, StateSpace = true)]";
        using nn.Module<Tensor, Tensor> built = BuiltModel.New(Declarations.Model(mixers, "VocabSize = 96, Dim = 48, Pattern = \"DCAMSP\""), META, ScalarType.Float32);
        using MemoryState state = built.AsModel().NewState(1);
        IEnumerable<string> weights = built.state_dict().Select(p => $"{p.Key}: [{string.Join(", ", p.Value.shape)}]");
        IEnumerable<string> memory = state.Tensors.Select(t => $"state {t.Name}: [{string.Join(", ", t.Value.shape)}]");
        return Snapshot.Verify(string.Join("\n", weights.Concat(memory)) + "\n", nameof(CheckpointKeysAndShapes), "txt");
    }
}
