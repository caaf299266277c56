using Memory.Gen;

namespace LanguageModel.Models;

/// <summary>Three recall layers with a gated delta memory, then one attention layer over the last 64 tokens: the default.</summary>
[MemoryModel(VocabSize = 2048, Dim = 192, Pattern = "DDDA")]
[LinearMemory('D', Rule = MemoryRule.GatedDelta, Heads = 3)]
[SlidingAttention('A', Heads = 3, Window = 64)]
public sealed partial class HybridLM;

/// <summary>Gated delta memories alone: a state of constant size, whatever the length of the text.</summary>
[MemoryModel(VocabSize = 2048, Dim = 192, Layers = 4)]
[LinearMemory(Rule = MemoryRule.GatedDelta, Heads = 3)]
public sealed partial class GatedDeltaLM;

/// <summary>Mamba: selective state spaces alone, a state of constant size.</summary>
[MemoryModel(VocabSize = 2048, Dim = 192, Layers = 4)]
[SelectiveStateSpace]
public sealed partial class SelectiveLM;

/// <summary>Softmax attention over a sliding window: the baseline that the memories are compared with.</summary>
[MemoryModel(VocabSize = 2048, Dim = 192, Layers = 4)]
[SlidingAttention(Heads = 3, Window = 128)]
public sealed partial class SlidingLM;

/// <summary>The same with as many parameters as B'MOJO, within a thousandth: what its recurrence has is in three more layers.</summary>
[MemoryModel(VocabSize = 2048, Dim = 192, Layers = 7, FeedForward = 469)]
[SlidingAttention(Heads = 3, Window = 128)]
public sealed partial class SlidingOfEqualSizeLM;

/// <summary>Titans: attention over the last 64 tokens as a gate of what a memory that learns while it reads recalls.</summary>
[MemoryModel(VocabSize = 2048, Dim = 192, Layers = 4)]
[TitansMemory(TitansVariant.Gate, Heads = 3, Window = 64)]
public sealed partial class TitansLM;

/// <summary>
/// B'MOJO: the last 32 to 64 tokens, 32 older ones that were not foreseen, and what Mamba made of the past. What was kept long ago
/// gives way, or a text longer than those in training fills the slots with its beginning.
/// </summary>
[MemoryModel(VocabSize = 2048, Dim = 192, Layers = 4)]
[BMojoMemory(Heads = 3, Window = 32, EideticTokens = 32, FadingTokens = 8, ScoreDecay = 0.7)]
public sealed partial class BMojoLM;

/// <summary>Mixture-of-Memories: each token in two of four gated delta memories, and in a shared one.</summary>
[MemoryModel(VocabSize = 2048, Dim = 192, Layers = 4)]
[MixtureOfMemories(Heads = 3, Memories = 4, TopK = 2)]
public sealed partial class MixtureLM;

// Memories around the same four layers of attention, 64 new tokens a segment in each.

/// <summary>HMT: every segment recalls from the memories of those before, and reads the last 16 tokens again.</summary>
[MemoryModel(VocabSize = 2048, Dim = 192, Layers = 4)]
[SlidingAttention(Heads = 3)]
[HierarchicalMemory(SegmentTokens = 82, SensoryTokens = 16, RecallSlots = 64)]
public sealed partial class HierarchicalLM;

/// <summary>The first stage of HMT's training: the last memory is passed on, and nothing recalled.</summary>
[MemoryModel(VocabSize = 2048, Dim = 192, Layers = 4)]
[SlidingAttention(Heads = 3)]
[HierarchicalMemory(SegmentTokens = 82, SensoryTokens = 16, Recall = false)]
public sealed partial class FirstStageLM;

/// <summary>RMT: four rows are passed on from segment to segment.</summary>
[MemoryModel(VocabSize = 2048, Dim = 192, Layers = 4)]
[SlidingAttention(Heads = 3)]
[RecurrentMemory(SegmentTokens = 72, MemoryTokens = 4)]
public sealed partial class RecurrentLM;

/// <summary>RMT with one row, as many as an HMT segment leaves.</summary>
[MemoryModel(VocabSize = 2048, Dim = 192, Layers = 4)]
[SlidingAttention(Heads = 3)]
[RecurrentMemory(SegmentTokens = 66, MemoryTokens = 1)]
public sealed partial class OneRowLM;

/// <summary>The segments alone: what the memories are compared with.</summary>
[MemoryModel(VocabSize = 2048, Dim = 192, Layers = 4)]
[SlidingAttention(Heads = 3)]
[RecurrentMemory(SegmentTokens = 64, MemoryTokens = 0)]
public sealed partial class SegmentsLM;

// The same two with as many rows in a window as HMT has with its sensory tokens: a backbone learns the more slowly the more rows it looks at.

/// <summary>RMT with one row, 80 new tokens a segment.</summary>
[MemoryModel(VocabSize = 2048, Dim = 192, Layers = 4)]
[SlidingAttention(Heads = 3)]
[RecurrentMemory(SegmentTokens = 82, MemoryTokens = 1)]
public sealed partial class OneRowOf82LM;

/// <summary>Segments of 82 tokens alone.</summary>
[MemoryModel(VocabSize = 2048, Dim = 192, Layers = 4)]
[SlidingAttention(Heads = 3)]
[RecurrentMemory(SegmentTokens = 82, MemoryTokens = 0)]
public sealed partial class SegmentsOf82LM;
