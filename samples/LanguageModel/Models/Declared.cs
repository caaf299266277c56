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

/// <summary>Softmax attention over a sliding window: the baseline that the memories are compared with.</summary>
[MemoryModel(VocabSize = 2048, Dim = 192, Layers = 4)]
[SlidingAttention(Heads = 3, Window = 128)]
public sealed partial class SlidingLM;
