namespace Memory.Gen;

/// <summary>What sets the decay of each head of a memory with <see cref="MemoryRule.ScalarDecay"/>.</summary>
public enum DecaySchedule
{
    /// <summary>Every token: <c>g_t = -e^a softplus(W_g x_t + b)</c> (Dao and Gu, arXiv 2405.21060).</summary>
    Learned,

    /// <summary>Nothing, it is fixed: <c>e^g = 1 - 2^(-5-h)</c> in head h = 0, 1, ... (Sun et al.: Retentive Network, arXiv 2307.08621, section 2.2).</summary>
    RetNet,

    /// <summary>
    /// The place of the layer, it is fixed: <c>g = -(8/H) (1 - l/L) h</c> in head h = 0 to H - 1 of layer l = 0 to L - 1; the first
    /// head keeps everything, and later layers keep more (Qin et al.: TransNormerLLM, arXiv 2307.14995, section 3.1; Lightning
    /// Attention-2, arXiv 2401.04658). In a <c>[MemoryLayer]</c>, which has no place, l = 0.
    /// </summary>
    Lightning,
}
