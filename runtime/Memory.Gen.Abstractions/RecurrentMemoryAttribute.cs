using System;

namespace Memory.Gen;

/// <summary>
/// Recurrent Memory Transformer around the whole stack of a <see cref="MemoryModelAttribute"/> (Bulatov, Kuratov, Burtsev:
/// Recurrent Memory Transformer, arXiv 2207.06881): the backbone reads <c>[M ; segment ; M]</c>, and what it makes of the rows
/// behind the segment is the memory that the next one is given. New tokens of a segment = <c>SegmentTokens - 2 MemoryTokens</c>.
/// It is no mixer: it has no letter.
/// </summary>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = false, Inherited = false)]
public sealed class RecurrentMemoryAttribute : SegmentMemoryAttribute
{
    /// <summary>Rows of the memory, 0 to 65,536; 0: segments alone, what the memories are compared with. Required.</summary>
    public int MemoryTokens { get; set; }

    /// <summary>What the rows behind a segment hold before the backbone reads them. Absent: the memory itself.</summary>
    public WriteInit WriteInit { get; set; }
}
