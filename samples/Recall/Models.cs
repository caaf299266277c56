using Memory.Gen;

namespace Recall;

// Width 64, one memory layer, no feed-forward network: what is recalled, the memory recalls.

/// <summary>Attention over the last 8 tokens. Two layers, with which attention can match what came before; as many parameters as one layer of Titans' gate.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Layers = 2, FeedForward = 0)]
[SlidingAttention(Heads = 2, KeyValueHeads = 2, Window = 8)]
public sealed partial class SlidingLM;

/// <summary>Attention over the last 32 tokens, for longer texts; what HMT and RMT are put around.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Layers = 2, FeedForward = 0)]
[SlidingAttention(Heads = 2, KeyValueHeads = 1, Window = 32)]
public sealed partial class SlidingWideLM;

/// <summary>The same with a feed-forward network in each of its two layers: as many parameters as two layers of Titans' gate, and no further reach.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Layers = 2, FeedForward = 92)]
[SlidingAttention(Heads = 2, KeyValueHeads = 2, Window = 32)]
public sealed partial class SlidingSwiGluLM;

/// <summary>A memory that adds and never forgets.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Layers = 1, FeedForward = 0)]
[LinearMemory(Rule = MemoryRule.Linear, Heads = 1)]
public sealed partial class LinearLM;

/// <summary>A memory that fades as a whole.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Layers = 1, FeedForward = 0)]
[LinearMemory(Rule = MemoryRule.ScalarDecay, Heads = 1)]
public sealed partial class ScalarDecayLM;

/// <summary>A memory that replaces what a key recalls.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Layers = 1, FeedForward = 0)]
[LinearMemory(Rule = MemoryRule.Delta, Heads = 1)]
public sealed partial class DeltaLM;

/// <summary>A memory that fades and replaces.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Layers = 1, FeedForward = 0)]
[LinearMemory(Rule = MemoryRule.GatedDelta, Heads = 1)]
public sealed partial class GatedDeltaLM;

/// <summary>What a linear memory is with the map of Based: a key's pairs of features, as the beginning of a softmax.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Layers = 1, FeedForward = 0)]
[LinearMemory(Rule = MemoryRule.Linear, Heads = 1, FeatureMap = FeatureMap.Taylor, Normalized = true)]
public sealed partial class BasedLM;

/// <summary>The same with Hedgehog's learned map.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Layers = 1, FeedForward = 0)]
[LinearMemory(Rule = MemoryRule.Linear, Heads = 1, FeatureMap = FeatureMap.Hedgehog, Normalized = true)]
public sealed partial class HedgehogLM;

/// <summary>A memory that fades at a fixed rate and knows positions.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Layers = 1, FeedForward = 0)]
[LinearMemory(Rule = MemoryRule.ScalarDecay, Decay = DecaySchedule.RetNet, RotaryBase = 10_000, Heads = 1)]
public sealed partial class RetNetLM;

/// <summary>A memory whose features fade each at its own rate.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Layers = 1, FeedForward = 0)]
[LinearMemory(Rule = MemoryRule.ChannelDecay, Heads = 1)]
public sealed partial class ChannelDecayLM;

/// <summary>A memory that writes a feature as much as it fades.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Layers = 1, FeedForward = 0)]
[LinearMemory(Rule = MemoryRule.TiedDecay, Heads = 1)]
public sealed partial class TiedDecayLM;

/// <summary>A memory whose features fade each at its own rate, and that replaces.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Layers = 1, FeedForward = 0)]
[LinearMemory(Rule = MemoryRule.ChannelDelta, Heads = 1)]
public sealed partial class ChannelDeltaLM;

/// <summary>A memory whose features fade and are erased each at its own rate, RWKV-7's.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Layers = 1, FeedForward = 0)]
[LinearMemory(Rule = MemoryRule.GeneralizedDelta, Heads = 1)]
public sealed partial class GeneralizedDeltaLM;

/// <summary>Channel decay as RWKV-6 has it: read before each write, with a bonus for the token's own value.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Layers = 1, FeedForward = 0)]
[LinearMemory(Rule = MemoryRule.BonusDecay, Heads = 1)]
public sealed partial class BonusDecayLM;

/// <summary>Slots that fade each at its own rate, as many as a matrix has rows, read by a softmax.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Layers = 1, FeedForward = 0)]
[LinearMemory(Rule = MemoryRule.GatedSlots, Heads = 1, Slots = 64)]
public sealed partial class GatedSlotsLM;

/// <summary>Four memories that fade and replace, of which a token goes to two, and one that gets every token.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Layers = 1, FeedForward = 0)]
[MixtureOfMemories(Heads = 1, Memories = 4, TopK = 2, SharedMemory = true)]
public sealed partial class MixtureLM;

/// <summary>Three memories and one for every token, with what their convolutions keep as large as the one of gated-delta, within 1 %.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Layers = 1, FeedForward = 0)]
[MixtureOfMemories(Heads = 1, KeyDim = 28, ValueDim = 32, Memories = 3, TopK = 2, SharedMemory = true)]
public sealed partial class MixtureOfEqualSizeLM;

/// <summary>A memory that learns while it reads, alone.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Layers = 1, FeedForward = 0)]
[TitansMemory(TitansVariant.MemoryOnly, Heads = 1)]
public sealed partial class TitansLM;

/// <summary>The same beside attention over the last 8 tokens, one gating the other.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Layers = 1, FeedForward = 0)]
[TitansMemory(TitansVariant.Gate, Heads = 1, Window = 8)]
public sealed partial class TitansGateLM;

/// <summary>The same in two layers, over the last 32 tokens, for longer texts.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Layers = 2, FeedForward = 0)]
[TitansMemory(TitansVariant.Gate, Heads = 1, Window = 32)]
public sealed partial class TitansGateWideLM;

/// <summary>HMT around the wide sliding attention: segments of 32 new bytes, each of which recalls what those before left.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Layers = 2, FeedForward = 0)]
[SlidingAttention(Heads = 2, KeyValueHeads = 1, Window = 32)]
[HierarchicalMemory(SegmentTokens = 42, SensoryTokens = 8, RecallSlots = 64)]
public sealed partial class HierarchicalLM;

/// <summary>RMT around the same: 32 new bytes and four rows that are passed on.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Layers = 2, FeedForward = 0)]
[SlidingAttention(Heads = 2, KeyValueHeads = 1, Window = 32)]
[RecurrentMemory(SegmentTokens = 40, MemoryTokens = 4)]
public sealed partial class RecurrentLM;

// What a block of tokens writes at once: its momentum as it is, or orthogonalised. All read the memory that their block began with; four heads, whose matrices are cheap to orthogonalise.

/// <summary>Matrices, written with the block's gradients.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Layers = 1, FeedForward = 0)]
[TitansMemory(TitansVariant.MemoryOnly, Heads = 4, Reads = TitansRead.BlockStart)]
public sealed partial class BlockTitansLM;

/// <summary>Matrices, written with orthogonal momentum.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Layers = 1, FeedForward = 0)]
[TitansMemory(TitansVariant.MemoryOnly, Heads = 4, Block = 16, Muon = true)]
public sealed partial class MuonTitansLM;

/// <summary>Gated linear units, written with the block's gradients.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Layers = 1, FeedForward = 0)]
[TitansMemory(TitansVariant.MemoryOnly, Heads = 4, GatedLinearUnit = true, Reads = TitansRead.BlockStart)]
public sealed partial class BlockUnitLM;

/// <summary>Gated linear units, written with orthogonal momentum.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Layers = 1, FeedForward = 0)]
[TitansMemory(TitansVariant.MemoryOnly, Heads = 4, Block = 16, GatedLinearUnit = true, Muon = true)]
public sealed partial class MuonUnitLM;

/// <summary>The same as LaCT has it: writes of length 1, and columns that keep their norms in place of forgetting.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Layers = 1, FeedForward = 0)]
[TitansMemory(TitansVariant.MemoryOnly, Heads = 4, Block = 16, GatedLinearUnit = true, Muon = true, WeightNorm = true, Forgetting = false, MaxStep = 1)]
public sealed partial class LargeChunkUnitLM;

// Two memory layers: one might find what the other then recalls, and both have to be learned at once.

/// <summary>Two memories that add.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Layers = 2, FeedForward = 0)]
[LinearMemory(Rule = MemoryRule.Linear, Heads = 1)]
public sealed partial class TwoLinearLM;

/// <summary>Two memories that fade and replace.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Layers = 2, FeedForward = 0)]
[LinearMemory(Rule = MemoryRule.GatedDelta, Heads = 1)]
public sealed partial class TwoGatedDeltaLM;

/// <summary>Two memories that learn while they read.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Layers = 2, FeedForward = 0)]
[TitansMemory(TitansVariant.MemoryOnly, Heads = 1)]
public sealed partial class TwoTitansLM;

// Equal bytes of state: window, fading tokens and slots of B'MOJO, and the same bytes in other hands. The first layer is the same for all, a state space of one
// state a channel: its convolution joins a token with those before it, which an attention would need hundreds of steps more to learn.

/// <summary>B'MOJO: a window of 4 to 8 tokens, the state space behind it, and 16 slots for what it did not foresee.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Pattern = "sm", FeedForward = 0)]
[SelectiveStateSpace('s', StateDim = 1)]
[BMojoMemory('m', Heads = 2, Window = 4, EideticTokens = 16, FadingTokens = 4)]
public sealed partial class BMojoLM;

/// <summary>The same with 8 slots.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Pattern = "sm", FeedForward = 0)]
[SelectiveStateSpace('s', StateDim = 1)]
[BMojoMemory('m', Heads = 2, Window = 4, EideticTokens = 8, FadingTokens = 4)]
public sealed partial class BMojoOf8LM;

/// <summary>The same with 32 slots.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Pattern = "sm", FeedForward = 0)]
[SelectiveStateSpace('s', StateDim = 1)]
[BMojoMemory('m', Heads = 2, Window = 4, EideticTokens = 32, FadingTokens = 4)]
public sealed partial class BMojoOf32LM;

// The same bytes, shared out between slots, window and fading tokens in other ways.

/// <summary>4 slots, a window of 7 to 14 tokens.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Pattern = "sm", FeedForward = 0)]
[SelectiveStateSpace('s', StateDim = 1)]
[BMojoMemory('m', Heads = 2, Window = 7, EideticTokens = 4, FadingTokens = 4)]
public sealed partial class BMojoShareOf4LM;

/// <summary>8 slots, a window of 6 to 12 tokens.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Pattern = "sm", FeedForward = 0)]
[SelectiveStateSpace('s', StateDim = 1)]
[BMojoMemory('m', Heads = 2, Window = 6, EideticTokens = 8, FadingTokens = 4)]
public sealed partial class BMojoShareOf8LM;

/// <summary>24 slots, a window of 2 to 4 tokens.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Pattern = "sm", FeedForward = 0)]
[SelectiveStateSpace('s', StateDim = 1)]
[BMojoMemory('m', Heads = 2, Window = 2, EideticTokens = 24, FadingTokens = 4)]
public sealed partial class BMojoShareOf24LM;

/// <summary>Slots for what the state space recalled wrongly.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Pattern = "sm", FeedForward = 0)]
[SelectiveStateSpace('s', StateDim = 1)]
[BMojoMemory('m', Heads = 2, Window = 4, EideticTokens = 16, FadingTokens = 4, Score = BMojoScore.DeltaResidual)]
public sealed partial class BMojoResidualLM;

/// <summary>Slots for tokens taken at random.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Pattern = "sm", FeedForward = 0)]
[SelectiveStateSpace('s', StateDim = 1)]
[BMojoMemory('m', Heads = 2, Window = 4, EideticTokens = 16, FadingTokens = 4, Score = BMojoScore.Random)]
public sealed partial class BMojoRandomLM;

/// <summary>Slots for the last tokens before the window.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Pattern = "sm", FeedForward = 0)]
[SelectiveStateSpace('s', StateDim = 1)]
[BMojoMemory('m', Heads = 2, Window = 4, EideticTokens = 16, FadingTokens = 4, Score = BMojoScore.Recency)]
public sealed partial class BMojoRecencyLM;

/// <summary>B'MOJO on the tokens themselves, with no layer before it that joins them.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Layers = 1, FeedForward = 0)]
[BMojoMemory(Heads = 2, Window = 4, EideticTokens = 16, FadingTokens = 4)]
public sealed partial class BMojoAloneLM;

/// <summary>The same with slots for tokens taken at random.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Layers = 1, FeedForward = 0)]
[BMojoMemory(Heads = 2, Window = 4, EideticTokens = 16, FadingTokens = 4, Score = BMojoScore.Random)]
public sealed partial class BMojoAloneRandomLM;

/// <summary>B'MOJO without slots, its bytes in a longer window and more fading tokens.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Pattern = "sm", FeedForward = 0)]
[SelectiveStateSpace('s', StateDim = 1)]
[BMojoMemory('m', Heads = 2, Window = 12, FadingTokens = 12)]
public sealed partial class BMojoFadingLM;

/// <summary>The state space alone, its bytes in more states a channel.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Pattern = "sm", FeedForward = 0)]
[SelectiveStateSpace('s', StateDim = 1)]
[SelectiveStateSpace('m', StateDim = 48)]
public sealed partial class SelectiveLM;

/// <summary>Attention over a window of as many bytes.</summary>
[MemoryModel(VocabSize = 256, Dim = 64, Pattern = "sm", FeedForward = 0)]
[SelectiveStateSpace('s', StateDim = 1)]
[SlidingAttention('m', Heads = 2, Window = 56)]
public sealed partial class SlidingOfEqualSizeLM;
