using System;

namespace Memory.Gen;

/// <summary>
/// A matrix memory S of K by V features for each head, written by every token and read by a query:
/// <c>S_t = A_t S_{t-1} + k_t u_t^T</c>, <c>o_t = S_t^T q_t / sqrt(K)</c>. The <see cref="Rule"/> says how the old content
/// fades (A) and what is written (u). State: <c>Heads * KeyDim * ValueDim</c> numbers in float32 or wider and the inputs
/// of the short convolution, whatever the length of the text.
/// </summary>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = true, Inherited = false)]
public sealed class LinearMemoryAttribute : MixerAttribute
{
    /// <summary>A linear memory in every layer.</summary>
    public LinearMemoryAttribute()
    {
    }

    /// <summary>A linear memory in the layers that a letter names.</summary>
    /// <param name="letter">The letter in <see cref="MemoryModelAttribute.Pattern"/>.</param>
    public LinearMemoryAttribute(char letter)
        : base(letter)
    {
    }

    /// <summary>How the memory fades and what is written. Absent: <see cref="MemoryRule.GatedDelta"/>.</summary>
    public MemoryRule Rule { get; set; }

    /// <summary>What sets the decay of each head; only with <see cref="MemoryRule.ScalarDecay"/>. Absent: <see cref="DecaySchedule.Learned"/>.</summary>
    public DecaySchedule Decay { get; set; }

    /// <summary>
    /// Base of the rotary positions by which queries and keys turn, after their feature map, 1 to 1e12, or 0: none; a head then has an
    /// even number of key features. Not with <see cref="FeatureMap.Taylor"/>, <see cref="FeatureMap.Hedgehog"/>, <see cref="MemoryRule.ChannelDecay"/>, <see cref="MemoryRule.BonusDecay"/>, <see cref="MemoryRule.ChannelDelta"/>, <see cref="MemoryRule.GeneralizedDelta"/>, <see cref="MemoryRule.TiedDecay"/>, <see cref="Normalized"/> or <see cref="StateSpace"/>.
    /// Absent: 0.
    /// </summary>
    public double RotaryBase { get; set; }

    /// <summary>Number of heads, each with a memory of its own, 1 to 4,096. Required.</summary>
    public int Heads { get; set; }

    /// <summary>
    /// Number of heads of queries and keys, 1 to 4,096, which divides <see cref="Heads"/>: each serves <c>Heads / KeyHeads</c>
    /// neighbouring heads, while values, memories, gates and norms stay each head's own (grouped-value attention, Dao and Gu,
    /// arXiv 2405.21060, section 7.2). Only where heads fade as a whole: with <see cref="MemoryRule.Linear"/>, <see cref="MemoryRule.ScalarDecay"/>,
    /// <see cref="MemoryRule.Delta"/> and <see cref="MemoryRule.GatedDelta"/>, and not with <see cref="StateSpace"/>. Absent: <see cref="Heads"/>.
    /// </summary>
    public int KeyHeads { get; set; }

    /// <summary>
    /// Features of a head's keys and queries, before their map, 1 to 16,384, or to 64 with <see cref="FeatureMap.Taylor"/>. Absent:
    /// <c>Dim / Heads</c>, which must then divide; 128 with <see cref="StateSpace"/>, 16 with <see cref="FeatureMap.Taylor"/>.
    /// </summary>
    public int KeyDim { get; set; }

    /// <summary>
    /// Features of a head's values, 1 to 16,384. Absent: <c>Dim / Heads</c>, which must then divide; twice that with
    /// <see cref="StateSpace"/>.
    /// </summary>
    public int ValueDim { get; set; }

    /// <summary>
    /// Width in tokens of the causal depthwise convolution (with SiLU) on queries, keys and values, 2 to 256; 0: none, and
    /// no SiLU. Absent: 4.
    /// </summary>
    public int ConvWidth { get; set; }

    /// <summary>Map of queries and keys before they meet; only with <see cref="MemoryRule.Linear"/>. Absent: identity.</summary>
    public FeatureMap FeatureMap { get; set; }

    /// <summary>
    /// Whether a read is divided by <c>z_t^T q_t</c> with <c>z_t = z_{t-1} + k_t</c>; only with
    /// <see cref="MemoryRule.Linear"/> and a feature map that is never negative. Absent: false.
    /// </summary>
    public bool Normalized { get; set; }

    /// <summary>Slots of a head, 2 to 16,384; only with <see cref="MemoryRule.GatedSlots"/>. Absent: 64.</summary>
    public int Slots { get; set; }

    /// <summary>
    /// Writes of each token, 1 to 8, each with a key, a value and a strength of its own; only with <see cref="MemoryRule.Delta"/> and
    /// <see cref="MemoryRule.GatedDelta"/>; <c>Heads * Householders</c> is at most 4,096. A token then changes what is stored by a product
    /// of that many generalised Householder matrices; with <see cref="NegativeEigenvalues"/> such products are rotations and permutations too (DeltaProduct, Siems et al.,
    /// arXiv 2502.10297). Absent: 1.
    /// </summary>
    public int Householders { get; set; }

    /// <summary>
    /// Whether queries and keys are scaled to length one. Absent: true for the delta rules, whose erasure is only stable
    /// with keys of length one (so false is an error there), false for the others; <see cref="MemoryRule.GeneralizedDelta"/> has a key
    /// of length one to remove by whatever this says, and <see cref="MemoryRule.TiedDecay"/> none: true is an error with both.
    /// </summary>
    public bool UnitLength { get; set; }

    /// <summary>Whether what was read is multiplied by <c>SiLU(W_G x)</c>, after its norm. Absent: true.</summary>
    public bool OutputGate { get; set; }

    /// <summary>
    /// Whether the write strength of a delta rule lies in (0, 2) instead of (0, 1), so that a write can turn the sign of what
    /// is stored (Grazzi et al., arXiv 2411.12537). Absent: false.
    /// </summary>
    public bool NegativeEigenvalues { get; set; }

    /// <summary>
    /// Whether a memory with <see cref="MemoryRule.ScalarDecay"/> has the parametrisation of Mamba-2 (Dao and Gu,
    /// arXiv 2405.21060): one step size a head, <c>delta = softplus(W_delta x + b)</c>, sets both the decay, <c>delta A</c>, and
    /// the weight of what is written, <c>delta u</c>; keys B and queries C are shared by the heads of a group and not scaled; one
    /// convolution runs over u, B and C; <c>skip u</c> is added to what was read; the gate stands before the norm. Absent: false.
    /// </summary>
    public bool StateSpace { get; set; }

    /// <summary>
    /// Number of groups of heads, 1 to 4,096, each with keys, queries and a norm of its own; divides <see cref="Heads"/>; only with
    /// <see cref="StateSpace"/>. Absent: 1.
    /// </summary>
    public int Groups { get; set; }
}
