using Memory.Gen;

namespace Memory.Gen.Bench;

/// <summary>The model of python/torch_lm.py --mixer gated_delta at its default sizes.</summary>
[MemoryModel(VocabSize = 256, Dim = 256, Layers = 4)]
[LinearMemory(Rule = MemoryRule.GatedDelta, Heads = 4)]
public sealed partial class GatedDeltaBench;

/// <summary>RWKV-7's memory at the width of <see cref="GatedDeltaBench"/>.</summary>
[MemoryModel(VocabSize = 256, Dim = 256, Layers = 4)]
[LinearMemory(Rule = MemoryRule.GeneralizedDelta, Heads = 4)]
public sealed partial class GeneralizedDeltaBench;

/// <summary>The model of <see cref="GatedDeltaBench"/> with four memories, two for each token, and a shared one in the place of one.</summary>
[MemoryModel(VocabSize = 256, Dim = 256, Layers = 4)]
[MixtureOfMemories(Heads = 4, Memories = 4, TopK = 2)]
public sealed partial class MixtureBench;

/// <summary>Mamba at the width of <see cref="GatedDeltaBench"/>.</summary>
[MemoryModel(VocabSize = 256, Dim = 256, Layers = 4)]
[SelectiveStateSpace]
public sealed partial class SelectiveBench;

/// <summary>Mamba-2 at the width of <see cref="GatedDeltaBench"/>.</summary>
[MemoryModel(VocabSize = 256, Dim = 256, Layers = 4)]
[LinearMemory(Rule = MemoryRule.ScalarDecay, StateSpace = true, Heads = 8)]
public sealed partial class StateSpaceBench;

/// <summary>A Titans memory as gate, of the width of <see cref="GatedDeltaBench"/>.</summary>
[MemoryModel(VocabSize = 256, Dim = 256, Layers = 4)]
[TitansMemory(TitansVariant.Gate, Heads = 4, Window = 128)]
public sealed partial class TitansGateBench;

/// <summary>B'MOJO at the width of <see cref="SlidingBench"/>: chunks of 64 tokens, of which a token sees one and a half, slots and fading tokens beside them.</summary>
[MemoryModel(VocabSize = 256, Dim = 256, Layers = 4)]
[BMojoMemory(Heads = 4, Window = 64, EideticTokens = 32, FadingTokens = 16)]
public sealed partial class BMojoBench;

/// <summary>The model of python/torch_lm.py --mixer sliding at its default sizes.</summary>
[MemoryModel(VocabSize = 256, Dim = 256, Layers = 4)]
[SlidingAttention(Heads = 4, Window = 128)]
public sealed partial class SlidingBench;
