using Memory.Gen;

namespace Memory.Gen.Runtime.Tests.Models;

// Sizes are small and unequal, so that a swapped axis shows. Widths of 6 and 8 keep the gradient checks quick. The step sizes of
// deep Titans memories are small because a larger one makes them chaotic at these sizes: rounding then grows with every token.

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 2, FeedForward = 5)]
[LinearMemory(Rule = MemoryRule.Linear, Heads = 2)]
public sealed partial class LinearModel;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 1, FeedForward = 5)]
[LinearMemory(Rule = MemoryRule.Linear, Heads = 2, FeatureMap = FeatureMap.EluPlusOne, Normalized = true)]
public sealed partial class NormalizedModel;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 1, FeedForward = 5)]
[LinearMemory(Rule = MemoryRule.Linear, Heads = 2, FeatureMap = FeatureMap.Relu)]
public sealed partial class ReluModel;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 2, FeedForward = 5)]
[LinearMemory(Rule = MemoryRule.Linear, Heads = 2, FeatureMap = FeatureMap.Taylor, KeyDim = 4, Normalized = true)]
public sealed partial class TaylorModel;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 2, FeedForward = 5)]
[LinearMemory(Rule = MemoryRule.Linear, Heads = 2, FeatureMap = FeatureMap.Hedgehog, Normalized = true)]
public sealed partial class HedgehogModel;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 2, FeedForward = 5)]
[LinearMemory(Rule = MemoryRule.ScalarDecay, Heads = 3)]
public sealed partial class ScalarDecayModel;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 2, FeedForward = 5)]
[LinearMemory(Rule = MemoryRule.ScalarDecay, Decay = DecaySchedule.RetNet, RotaryBase = 10_000, Heads = 3, ConvWidth = 0)]
public sealed partial class RetentionModel;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 2, FeedForward = 5)]
[LinearMemory(Rule = MemoryRule.ScalarDecay, Decay = DecaySchedule.Lightning, Heads = 3)]
public sealed partial class LightningModel;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 2, FeedForward = 5)]
[LinearMemory(Rule = MemoryRule.TiedDecay, Heads = 2)]
public sealed partial class TiedDecayModel;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 2, FeedForward = 5)]
[LinearMemory(Rule = MemoryRule.ChannelDecay, Heads = 2)]
public sealed partial class ChannelDecayModel;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 2, FeedForward = 5)]
[LinearMemory(Rule = MemoryRule.ChannelDelta, Heads = 2, KeyDim = 4)]
public sealed partial class ChannelDeltaModel;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 2, FeedForward = 5)]
[LinearMemory(Heads = 2, KeyDim = 6, Householders = 3, NegativeEigenvalues = true)]
public sealed partial class DeltaProductModel;

[MemoryModel(VocabSize = 11, Dim = 6, Pattern = "GD", FeedForward = 5)]
[LinearMemory('G', Heads = 6, KeyHeads = 2, KeyDim = 4)]
[LinearMemory('D', Rule = MemoryRule.Delta, Heads = 3, KeyHeads = 1)]
public sealed partial class SharedKeysModel;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 2, FeedForward = 5)]
[LinearMemory(Rule = MemoryRule.BonusDecay, Heads = 2)]
public sealed partial class BonusDecayModel;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 2, FeedForward = 5)]
[LinearMemory(Rule = MemoryRule.GatedSlots, Heads = 2, Slots = 5)]
public sealed partial class GatedSlotsModel;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 2, FeedForward = 5)]
[LinearMemory(Rule = MemoryRule.GeneralizedDelta, Heads = 2, KeyDim = 4)]
public sealed partial class GeneralizedDeltaModel;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 2, FeedForward = 5)]
[LinearMemory(Rule = MemoryRule.Delta, Heads = 2)]
public sealed partial class DeltaModel;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 2, FeedForward = 5)]
[LinearMemory(Heads = 2)]
public sealed partial class GatedDeltaModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 1, FeedForward = 0, TiedEmbeddings = true)]
[LinearMemory(Heads = 2, KeyDim = 3, ValueDim = 5, ConvWidth = 0, OutputGate = false, NegativeEigenvalues = true)]
public sealed partial class BareGatedDeltaModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 2, FeedForward = 5)]
[SlidingAttention(Heads = 2, Window = 5)]
public sealed partial class WindowModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 1, FeedForward = 5)]
[SlidingAttention(Heads = 2, Window = 1)]
public sealed partial class OneTokenWindowModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 2, FeedForward = 5)]
[SlidingAttention(Heads = 4, KeyValueHeads = 2)]
public sealed partial class CausalModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 1, TiedEmbeddings = true)]
[SlidingAttention(Heads = 2, KeyValueHeads = 1, Window = 3, RotaryBase = 0)]
public sealed partial class GroupedWindowModel;

[MemoryModel(VocabSize = 11, Dim = 8, Pattern = "GwG c", FeedForward = 5)]
[LinearMemory('G', Heads = 2, FeedForward = 0)]
[SlidingAttention('w', Heads = 2, Window = 4)]
[SlidingAttention('c', Heads = 1)]
public sealed partial class HybridModel;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 2, FeedForward = 5)]
[MixtureOfMemories(Heads = 2)]
public sealed partial class MixtureModel;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 1, FeedForward = 5)]
[MixtureOfMemories(Heads = 2, Memories = 3, TopK = 1, Rule = MemoryRule.Linear, SharedMemory = false, SharedProjections = true, BalanceLoss = 0)]
public sealed partial class LinearMixtureModel;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 1, FeedForward = 5)]
[MixtureOfMemories(Heads = 2, Memories = 3, Rule = MemoryRule.ChannelDecay)]
public sealed partial class ChannelDecayMixtureModel;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 1, FeedForward = 5)]
[MixtureOfMemories(Heads = 2, Memories = 3, Rule = MemoryRule.ChannelDelta, SharedProjections = true)]
public sealed partial class ChannelDeltaMixtureModel;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 1, FeedForward = 5)]
[MixtureOfMemories(Heads = 2, Memories = 3, Rule = MemoryRule.BonusDecay)]
public sealed partial class BonusDecayMixtureModel;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 1, FeedForward = 5)]
[MixtureOfMemories(Heads = 2, Memories = 3, KeyDim = 5, Householders = 2, NegativeEigenvalues = true)]
public sealed partial class DeltaProductMixtureModel;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 1, FeedForward = 5)]
[MixtureOfMemories(Heads = 6, Memories = 3, KeyHeads = 2, KeyDim = 4, Rule = MemoryRule.ScalarDecay)]
public sealed partial class SharedKeysMixtureModel;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 1, FeedForward = 5)]
[MixtureOfMemories(Heads = 2, Memories = 3, Rule = MemoryRule.GatedSlots, Slots = 5)]
public sealed partial class GatedSlotsMixtureModel;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 2, FeedForward = 5)]
[MixtureOfMemories(Heads = 2, Memories = 3, Rule = MemoryRule.TiedDecay)]
public sealed partial class TiedDecayMixtureModel;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 1, FeedForward = 5)]
[MixtureOfMemories(Heads = 2, Memories = 3, Rule = MemoryRule.GeneralizedDelta)]
public sealed partial class GeneralizedDeltaMixtureModel;

[MemoryModel(VocabSize = 11, Dim = 6, Pattern = "ma", FeedForward = 5)]
[MixtureOfMemories('m', Heads = 2, KeyDim = 2, ValueDim = 4, Memories = 3, Rule = MemoryRule.Delta, ConvWidth = 0, OutputGate = false)]
[SlidingAttention('a', Heads = 1, Window = 4)]
public sealed partial class DeltaMixtureModel;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 1, FeedForward = 5)]
[MixtureOfMemories(Heads = 2, Memories = 3, Rule = MemoryRule.Titans, ConvWidth = 2)]
public sealed partial class TitansMixtureModel;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 2, FeedForward = 5)]
[TitansMemory(TitansVariant.MemoryOnly, Heads = 2, Block = 4)]
public sealed partial class TitansModel;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 1, FeedForward = 5)]
[TitansMemory(
    TitansVariant.MemoryOnly, Heads = 1, Block = 3, MemoryDepth = 2, Expansion = 3, Activation = TitansActivation.Gelu, Residual = true,
    DecayTo = TitansDecayTarget.Initial, MaxStep = 0.25, PersistentTokens = 2)]
public sealed partial class DeepTitansModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 2, FeedForward = 5)]
[TitansMemory(TitansVariant.Gate, Heads = 2, Window = 5, Block = 4, PersistentTokens = 3)]
public sealed partial class TitansGateModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 1, FeedForward = 5)]
[TitansMemory(
    TitansVariant.Gate, Heads = 2, Window = 6, Block = 4, Attention = TitansAttention.Segmented, Squash = TitansSquash.Memory, Momentum = false,
    PersistentTokens = 2, Persistent = TitansPersistent.KeyValue, RotaryBase = 0)]
public sealed partial class SegmentedTitansGateModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 2, FeedForward = 5)]
[TitansMemory(TitansVariant.Layer, Heads = 2, Window = 4, Block = 5, DecayTo = TitansDecayTarget.Initial, PersistentTokens = 5)]
public sealed partial class TitansLayerModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 1, FeedForward = 5)]
[TitansMemory(
    TitansVariant.Layer, Heads = 2, Window = 3, Block = 1, Attention = TitansAttention.Segmented, Forgetting = false, MaxMomentum = 0.8, AdaptiveStep = false,
    ConvWidth = 0, PersistentTokens = 1, Persistent = TitansPersistent.KeyValue)]
public sealed partial class SegmentedTitansLayerModel;

// Its memory writes what its attention made of what it read: at steps up to 1 float32's rounding grows from 1e-7 to 1e-3 in 83
// tokens, whoever computes.
[MemoryModel(VocabSize = 11, Dim = 8, Layers = 1, FeedForward = 5)]
[TitansMemory(TitansVariant.Context, Heads = 2, Window = 6, Block = 3, BackpropSegments = 1, MaxStep = 0.1, PersistentTokens = 2)]
public sealed partial class TitansContextModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 1, FeedForward = 5)]
[TitansMemory(TitansVariant.Context, Heads = 2, Window = 4, Block = 4, MemoryDepth = 2, Expansion = 1, MaxStep = 0.25)]
public sealed partial class OneBlockTitansContextModel;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 1, FeedForward = 5)]
[TitansMemory(
    TitansVariant.MemoryOnly, Heads = 1, Block = 4, MemoryDepth = 3, Reads = TitansRead.BlockStart, Decay = TitansDecay.BeforeGradient, InnerClip = 0.5,
    MaxStep = 0.5, AdaptiveStep = false, Momentum = false, UnitLength = false, PersistentTokens = 3, ConvWidth = 0)]
public sealed partial class ClippedTitansModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 1, FeedForward = 5)]
[TitansMemory(
    TitansVariant.Gate, Heads = 2, Window = 4, Block = 3, MemoryDepth = 4, Expansion = 1, MaxStep = 0.1, Reads = TitansRead.BlockStart, UnitLength = false)]
public sealed partial class DeepestTitansGateModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 1, FeedForward = 5)]
[TitansMemory(
    TitansVariant.Gate, Heads = 2, Window = 3, Block = 2, Decay = TitansDecay.BeforeGradient, DecayTo = TitansDecayTarget.Initial, ConvWidth = 0,
    PersistentTokens = 1, Persistent = TitansPersistent.KeyValue)]
public sealed partial class DecayedTitansGateModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 1, FeedForward = 5)]
[TitansMemory(
    TitansVariant.Context, Heads = 2, Window = 6, Block = 3, Reads = TitansRead.BlockStart, ConvWidth = 0, PersistentTokens = 2,
    Persistent = TitansPersistent.KeyValue)]
public sealed partial class KeyValueTitansContextModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 2, FeedForward = 5)]
[TitansMemory(TitansVariant.Gate, Heads = 2, Window = 5, Block = 6, GatedLinearUnit = true, Muon = true, WeightNorm = true, MaxStep = 0.05, PersistentTokens = 3)]
public sealed partial class MuonTitansGateModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 1, FeedForward = 5)]
[TitansMemory(TitansVariant.Layer, Heads = 2, Window = 6, Block = 4, Muon = true, Momentum = false, MaxStep = 0.05)]
public sealed partial class MuonTitansLayerModel;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 2, FeedForward = 5)]
[SelectiveStateSpace]
public sealed partial class SelectiveModel;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 1, FeedForward = 5)]
[SelectiveStateSpace(Expansion = 3, StateDim = 5, ConvWidth = 2, StepRank = 4)]
public sealed partial class UnusualSelectiveModel;

[MemoryModel(VocabSize = 11, Dim = 6, Pattern = "sd", FeedForward = 5)]
[SelectiveStateSpace('s', Expansion = 1, StateDim = 1, StepRank = 1, FeedForward = 0)]
[LinearMemory('d', Rule = MemoryRule.ScalarDecay, StateSpace = true, Heads = 3, KeyDim = 5)]
public sealed partial class OneStateModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 2, FeedForward = 5)]
[LinearMemory(Rule = MemoryRule.ScalarDecay, StateSpace = true, Heads = 4, Groups = 2, KeyDim = 3, ValueDim = 5, ConvWidth = 3)]
public sealed partial class StateSpaceModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 2, FeedForward = 5)]
[BMojoMemory(Heads = 2, Window = 4, EideticTokens = 3, FadingTokens = 2)]
public sealed partial class BMojoModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 2, FeedForward = 5)]
[BMojoMemory(Heads = 2, Window = 5, FadingTokens = 5)]
public sealed partial class FadingBMojoModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 1, FeedForward = 5)]
[BMojoMemory(
    Heads = 2, Window = 3, EideticTokens = 4, FadingTokens = 2, FadingStride = 2, Fading = FadingState.GatedDelta, Score = BMojoScore.DeltaResidual,
    Positions = BMojoPositions.Absolute)]
public sealed partial class ResidualBMojoModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 1, FeedForward = 5)]
[BMojoMemory(Heads = 2, Window = 4, EideticTokens = 3, Score = BMojoScore.Norm, Threshold = 0.8, Eviction = BMojoEviction.Fifo, RotaryBase = 0)]
public sealed partial class RingBMojoModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 1, FeedForward = 5)]
[BMojoMemory(
    Heads = 4, KeyValueHeads = 2, Window = 5, WindowMode = BMojoWindow.Sliding, RefreshTokens = 3, EideticTokens = 4, FadingTokens = 2, FadingStride = 3,
    Fading = FadingState.ScalarDecay, TiedProjections = false, ScoreDecay = 0.75, PredictionLoss = 0, QueryKeyNorm = true)]
public sealed partial class SlidingBMojoModel;

[MemoryModel(VocabSize = 11, Dim = 8, Pattern = "fb", FeedForward = 5)]
[BMojoMemory('f', Heads = 2, Window = 0, FadingTokens = 1, FadingOffset = 0)]
[BMojoMemory('b', Heads = 2, KeyValueHeads = 1, Window = 4, EideticTokens = 2, Score = BMojoScore.Random)]
public sealed partial class HybridBMojoModel;

// Segments of three tokens: within the seven of a gradient check the third one recalls two memories.

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 2, FeedForward = 5)]
[SlidingAttention(Heads = 2)]
[HierarchicalMemory(SegmentTokens = 7, SensoryTokens = 2, RecallSlots = 4, RecallDim = 5)]
public sealed partial class HierarchicalModel;

[MemoryModel(VocabSize = 11, Dim = 8, Pattern = "dw", FeedForward = 5)]
[LinearMemory('d', Heads = 2)]
[SlidingAttention('w', Heads = 2, Window = 3, RotaryBase = 0)]
[HierarchicalMemory(SegmentTokens = 5, RecallSlots = 6, RecallScale = 0.2, SummaryFraction = 1, BackpropSegments = 2)]
public sealed partial class HierarchicalHybridModel;

// Steps as in TitansContextModel, for the same reason.
[MemoryModel(VocabSize = 11, Dim = 8, Layers = 1, FeedForward = 5)]
[TitansMemory(TitansVariant.Context, Heads = 2, Window = 4, Block = 2, MaxStep = 0.1, PersistentTokens = 1)]
[HierarchicalMemory(SegmentTokens = 8, SensoryTokens = 3, RecallSlots = 1, RecallDim = 3)]
public sealed partial class HierarchicalTitansModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 2, FeedForward = 5)]
[SlidingAttention(Heads = 2)]
[HierarchicalMemory(SegmentTokens = 7, SensoryTokens = 2, Recall = false)]
public sealed partial class FirstStageModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 2, FeedForward = 5)]
[SlidingAttention(Heads = 2, KeyValueHeads = 1)]
[RecurrentMemory(SegmentTokens = 7, MemoryTokens = 2)]
public sealed partial class RecurrentModel;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 2, FeedForward = 5)]
[LinearMemory(Heads = 2, Rule = MemoryRule.ScalarDecay)]
[RecurrentMemory(SegmentTokens = 6, MemoryTokens = 1, WriteInit = WriteInit.Learned, BackpropSegments = 1)]
public sealed partial class LearnedRecurrentModel;

/// <summary>Its slots are chosen window by window, so that choices cannot be held; its tests are its own.</summary>
[MemoryModel(VocabSize = 11, Dim = 8, Pattern = "sb", FeedForward = 5)]
[SelectiveStateSpace('s', StateDim = 2)]
[BMojoMemory('b', Heads = 2, Window = 2, EideticTokens = 3, FadingTokens = 2)]
[HierarchicalMemory(SegmentTokens = 11, SensoryTokens = 3, RecallSlots = 3)]
public sealed partial class HierarchicalBMojoModel;

[MemoryModel(VocabSize = 11, Dim = 8, Pattern = "fs", FeedForward = 5)]
[SelectiveStateSpace('s', StateDim = 2)]
[BMojoMemory('f', Heads = 2, Window = 2, FadingTokens = 2)]
[RecurrentMemory(SegmentTokens = 18, MemoryTokens = 1)]
public sealed partial class RecurrentFadingModel;

/// <summary>Its router is asked window by window, so that choices cannot be held; its tests are its own.</summary>
[MemoryModel(VocabSize = 11, Dim = 6, Layers = 1, FeedForward = 5)]
[MixtureOfMemories(Heads = 2, Memories = 3, TopK = 1, BalanceLoss = 0.1)]
[HierarchicalMemory(SegmentTokens = 6, SensoryTokens = 1, RecallSlots = 5)]
public sealed partial class HierarchicalMixtureModel;

/// <summary>Within a segment no token is hidden from those before it; its tests are its own.</summary>
[MemoryModel(VocabSize = 11, Dim = 8, Layers = 2, FeedForward = 5)]
[SlidingAttention(Heads = 2)]
[HierarchicalMemory(SegmentTokens = 10, SensoryTokens = 2, RecallSlots = 4, RecallDim = 5, CausalRecall = false)]
public sealed partial class PaperHierarchicalModel;

[MemoryLayer(Dim = 6)]
[LinearMemory(Heads = 2)]
public sealed partial class GatedDeltaLayer;

[MemoryLayer(Dim = 8)]
[SelectiveStateSpace(StateDim = 3)]
public sealed partial class SelectiveLayer;

[MemoryLayer(Dim = 8)]
[LinearMemory(Rule = MemoryRule.ScalarDecay, StateSpace = true, Heads = 2, Groups = 2, KeyDim = 3)]
public sealed partial class StateSpaceLayer;

[MemoryLayer(Dim = 6)]
[MixtureOfMemories(Heads = 2, Memories = 3, SharedProjections = true)]
public sealed partial class MixtureLayer;

[MemoryLayer(Dim = 8)]
[SlidingAttention(Heads = 4, KeyValueHeads = 2, Window = 6)]
public sealed partial class WindowLayer;

[MemoryLayer(Dim = 8)]
[SlidingAttention(Heads = 2)]
public sealed partial class CausalLayer;

[MemoryLayer(Dim = 8)]
[TitansMemory(TitansVariant.Gate, Heads = 2, Window = 3, Block = 4)]
public sealed partial class TitansGateLayer;

[MemoryLayer(Dim = 8)]
[BMojoMemory(Heads = 2, Window = 3, EideticTokens = 2, FadingTokens = 2, Fading = FadingState.GatedDelta)]
public sealed partial class BMojoLayer;

/// <summary>About 70 billion parameters: only ever made on the meta device.</summary>
[MemoryModel(VocabSize = 128_256, Dim = 8192, Pattern = "GGGGGGGGGAGGGGGGGGGAGGGGGGGGGAGGGGGGGGGAGGGGGGGGGAGGGGGGGGGAGGGGGGGGGA", FeedForward = 28_672)]
[LinearMemory('G', Heads = 64)]
[SlidingAttention('A', Heads = 64, KeyValueHeads = 8)]
public sealed partial class HugeModel;
