namespace Memory.Gen;

/// <summary>How a matrix memory fades and what a token writes into it: <c>S_t = A_t S_{t-1} + k_t u_t^T</c>.</summary>
public enum MemoryRule
{
    /// <summary>Nothing fades, the value is added: A = I, u = v (Katharopoulos et al., arXiv 2006.16236).</summary>
    Linear,

    /// <summary>Each head fades at a rate that the token sets: A = e^g I, u = v (Dao and Gu, arXiv 2405.21060).</summary>
    ScalarDecay,

    /// <summary>Each key feature fades at its own rate: A = diag(e^g), u = v (Yang et al., arXiv 2312.06635).</summary>
    ChannelDecay,

    /// <summary>
    /// What the key recalls is replaced by the value: A = I - beta k k^T, u = beta v (Yang et al., arXiv 2406.06484).
    /// </summary>
    Delta,

    /// <summary>Fading first, then the delta rule: A = e^g (I - beta k k^T), u = beta v (Yang et al., arXiv 2412.06464).</summary>
    GatedDelta,

    /// <summary>
    /// A matrix that learns by gradient steps with momentum P: P_t = eta P_{t-1} + theta k (v - S_{t-1}^T k)^T,
    /// S_t = (1 - alpha) S_{t-1} + P_t (Behrouz et al., arXiv 2501.00663). Only in a <c>[MixtureOfMemories]</c>;
    /// on its own it is a <c>[TitansMemory]</c>.
    /// </summary>
    Titans,

    /// <summary>
    /// Each key feature fades at its own rate, then the delta rule: A = (I - beta k k^T) diag(e^g), u = beta v. Kimi Delta
    /// Attention (Kimi Team, arXiv 2510.26692).
    /// </summary>
    ChannelDelta,

    /// <summary>
    /// Each key feature fades at its own rate, and its key is what the decay leaves room for: A = diag(alpha), k = 1 - alpha, u = v, with
    /// alpha at least l/L in layer l = 0 to L - 1 of a model, so that later layers keep more (Qin et al.: HGRN2, arXiv 2404.07904). In a
    /// <c>[MemoryLayer]</c>, which has no place, l = 0.
    /// </summary>
    TiedDecay,

    /// <summary>
    /// Each key feature fades at its own rate, what one key recalled is removed feature by feature, and another key's value is written:
    /// A = diag(w) - (kappa * a) kappa^T, u = v, with a bonus for the token's own value beside what is read. RWKV-7's generalised delta
    /// rule (Peng et al., arXiv 2503.14456).
    /// </summary>
    GeneralizedDelta,

    /// <summary>
    /// A head keeps slots, each a key and a value that are means of the tokens' and fade at a rate of the slot's own; a softmax over the
    /// slots reads them: S = diag(alpha) S + (1 - alpha) k^T, U likewise with v, o = U^T softmax(S q). Gated Slot Attention (Zhang et al.,
    /// arXiv 2409.07146).
    /// </summary>
    GatedSlots,

    /// <summary>
    /// Each key feature fades at its own rate, and a token reads what stood there before it, with a bonus of each feature for its own value:
    /// A = diag(e^g), u = v, o = (S_{t-1} + diag(bonus) k v^T)^T q. RWKV-6 (Peng et al.: Eagle and Finch, arXiv 2404.05892).
    /// </summary>
    BonusDecay,
}
