using Memory.Gen;

namespace MemoryLM;

/// <summary>
/// A language model over bytes: layers that remember by a gated delta rule, and every fourth an attention over the last 64
/// tokens. Put the cursor on the class name to see its size; a value that makes no sense is an error at that value.
/// </summary>
[MemoryModel(VocabSize = 256, Dim = 128, Pattern = "DDDA")]
[LinearMemory('D', Rule = MemoryRule.GatedDelta, Heads = 4)]
[SlidingAttention('A', Heads = 4, Window = 64)]
public sealed partial class JournalLM;
