namespace Memory.Gen;

/// <summary>How a Titans memory stands beside an attention (Behrouz, Zhong, Mirrokni: Titans, arXiv 2501.00663, section 4).</summary>
public enum TitansVariant
{
    /// <summary>The memory alone, without attention ("LMM").</summary>
    MemoryOnly,

    /// <summary>
    /// Memory as context ("MAC"): each segment's attention also reads what the memory recalls for its tokens, and what the
    /// attention gives is written into the memory.
    /// </summary>
    Context,

    /// <summary>Memory as gate ("MAG"): attention and memory read the same tokens side by side, and one gates the other.</summary>
    Gate,

    /// <summary>Memory as layer ("MAL"): the attention reads what the memory gives.</summary>
    Layer,
}
