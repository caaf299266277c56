using Memory.Gen;

namespace Recall;

// Width 64, one layer, four heads, no feed-forward network and no convolution: what follows a state from one token to the next is the memory alone.

/// <summary>Attention over every token of the longest test, in two layers.</summary>
[MemoryModel(VocabSize = 120, Dim = 64, Layers = 2, FeedForward = 0)]
[SlidingAttention(Heads = 4, Window = 256)]
public sealed partial class AttentionTracker;

/// <summary>A state space whose states fade each at its own rate: eigenvalues in (0, 1). Its convolution of two tokens is the shortest there is.</summary>
[MemoryModel(VocabSize = 120, Dim = 64, Layers = 1, FeedForward = 0)]
[SelectiveStateSpace(ConvWidth = 2)]
public sealed partial class SelectiveTracker;

/// <summary>A memory that fades as a whole: eigenvalues in (0, 1).</summary>
[MemoryModel(VocabSize = 120, Dim = 64, Layers = 1, FeedForward = 0)]
[LinearMemory(Rule = MemoryRule.ScalarDecay, Heads = 4, ConvWidth = 0)]
public sealed partial class ScalarDecayTracker;

/// <summary>A memory that replaces what a key recalls: eigenvalues in (0, 1].</summary>
[MemoryModel(VocabSize = 120, Dim = 64, Layers = 1, FeedForward = 0)]
[LinearMemory(Rule = MemoryRule.Delta, Heads = 4, ConvWidth = 0)]
public sealed partial class DeltaTracker;

/// <summary>A memory that fades and replaces: eigenvalues in (0, 1).</summary>
[MemoryModel(VocabSize = 120, Dim = 64, Layers = 1, FeedForward = 0)]
[LinearMemory(Rule = MemoryRule.GatedDelta, Heads = 4, ConvWidth = 0)]
public sealed partial class GatedDeltaTracker;

/// <summary>A memory whose features fade and are erased each at its own rate, RWKV-7's: where it fades it may erase more than there is left.</summary>
[MemoryModel(VocabSize = 120, Dim = 64, Layers = 1, FeedForward = 0)]
[LinearMemory(Rule = MemoryRule.GeneralizedDelta, Heads = 4, ConvWidth = 0)]
public sealed partial class GeneralizedDeltaTracker;

/// <summary>A memory that learns while it reads.</summary>
[MemoryModel(VocabSize = 120, Dim = 64, Layers = 1, FeedForward = 0)]
[TitansMemory(TitansVariant.MemoryOnly, Heads = 4, ConvWidth = 0)]
public sealed partial class TitansTracker;

/// <summary>A memory that may turn the sign of what a key recalls: one eigenvalue of a token in (-1, 1), so that it is a reflection.</summary>
[MemoryModel(VocabSize = 120, Dim = 64, Layers = 1, FeedForward = 0)]
[LinearMemory(Rule = MemoryRule.Delta, Heads = 4, ConvWidth = 0, NegativeEigenvalues = true)]
public sealed partial class NegativeDeltaTracker;

/// <summary>The same where it fades, too.</summary>
[MemoryModel(VocabSize = 120, Dim = 64, Layers = 1, FeedForward = 0)]
[LinearMemory(Rule = MemoryRule.GatedDelta, Heads = 4, ConvWidth = 0, NegativeEigenvalues = true)]
public sealed partial class NegativeGatedDeltaTracker;

/// <summary>A memory that may turn signs, but does not fade, in two layers.</summary>
[MemoryModel(VocabSize = 120, Dim = 64, Layers = 2, FeedForward = 0)]
[LinearMemory(Rule = MemoryRule.Delta, Heads = 4, ConvWidth = 0, NegativeEigenvalues = true)]
public sealed partial class TwoNegativeDeltaTracker;

/// <summary>Two writes a token, each of which replaces: eigenvalues in (0, 1).</summary>
[MemoryModel(VocabSize = 120, Dim = 64, Layers = 1, FeedForward = 0)]
[LinearMemory(Rule = MemoryRule.GatedDelta, Heads = 4, ConvWidth = 0, Householders = 2)]
public sealed partial class TwoWritesTracker;

/// <summary>The same where each may turn a sign: two reflections make a rotation.</summary>
[MemoryModel(VocabSize = 120, Dim = 64, Layers = 1, FeedForward = 0)]
[LinearMemory(Rule = MemoryRule.GatedDelta, Heads = 4, ConvWidth = 0, NegativeEigenvalues = true, Householders = 2)]
public sealed partial class NegativeTwoWritesTracker;

/// <summary>Four writes a token: as many reflections as any permutation of five things is made of.</summary>
[MemoryModel(VocabSize = 120, Dim = 64, Layers = 1, FeedForward = 0)]
[LinearMemory(Rule = MemoryRule.GatedDelta, Heads = 4, ConvWidth = 0, NegativeEigenvalues = true, Householders = 4)]
public sealed partial class NegativeFourWritesTracker;
