using Memory.Gen;

namespace MemoryLM;

/// <summary>
/// A language model over bytes: layers that remember by a gated delta rule, and every fourth an attention over the last 64
/// tokens. The remarks of the class, which an editor shows at its name, tell its size; a value that makes no sense is an
/// error at that value.
/// </summary>
[MemoryModel(VocabSize = 256, Dim = 128, Pattern = "DDDA")]
[LinearMemory('D', Rule = MemoryRule.GatedDelta, Heads = 4)]
[SlidingAttention('A', Heads = 4, Window = 64)]
public sealed partial class JournalLM;
