namespace Memory.Gen;

/// <summary>The recurrence behind a fading memory: what it sums the whole past up in.</summary>
public enum FadingState
{
    /// <summary>A diagonal state for each channel, step sizes and vectors set by each token (Gu and Dao, Mamba, arXiv 2312.00752).</summary>
    SelectiveScan,

    /// <summary>A matrix for each head that fades at a rate each token sets (Dao and Gu, Mamba-2, arXiv 2405.21060).</summary>
    ScalarDecay,

    /// <summary>Fading first, then the delta rule, in a matrix for each head (Yang et al., arXiv 2412.06464).</summary>
    GatedDelta,

    /// <summary>No recurrence: neither fading tokens nor a score that asks what was to be expected.</summary>
    None,
}
