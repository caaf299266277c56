using System;

namespace Memory.Gen;

/// <summary>
/// Several matrix memories side by side (Du et al., MoM: Linear Sequence Modeling with Mixture-of-Memories, arXiv
/// 2502.13685): a router sends each token to the <see cref="TopK"/> of <see cref="Memories"/> that suit it best, where it
/// is written and read under one <see cref="Rule"/>; the reads are mixed by the router's weights. Memories that do not get
/// a token keep what they hold. State: <c>(Memories + 1) * Heads * KeyDim * ValueDim</c> numbers in float32 or wider
/// (without the 1 if nothing is shared; twice that for <see cref="MemoryRule.Titans"/>, for
/// <see cref="MemoryRule.GatedSlots"/> <c>Heads * Slots * (KeyDim + ValueDim)</c> a memory) and the inputs of the short
/// convolutions, whatever the length of the text; a token touches <c>TopK + 1</c> of these memories.
/// </summary>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = true, Inherited = false)]
public sealed class MixtureOfMemoriesAttribute : MixerAttribute
{
    /// <summary>A mixture of memories in every layer.</summary>
    public MixtureOfMemoriesAttribute()
    {
    }

    /// <summary>A mixture of memories in the layers that a letter names.</summary>
    /// <param name="letter">The letter in <see cref="MemoryModelAttribute.Pattern"/>.</param>
    public MixtureOfMemoriesAttribute(char letter)
        : base(letter)
    {
    }

    /// <summary>Number of heads, each with a matrix in every memory, 1 to 1,024. Required.</summary>
    public int Heads { get; set; }

    /// <summary>
    /// Number of heads of queries and keys, 1 to 1,024, which divides <see cref="Heads"/>: in every memory each serves
    /// <c>Heads / KeyHeads</c> neighbouring heads, while values, matrices and gates stay each head's own (grouped-value attention, Dao and
    /// Gu, arXiv 2405.21060, section 7.2). Only where heads fade as a whole: with <see cref="MemoryRule.Linear"/>, <see cref="MemoryRule.ScalarDecay"/>,
    /// <see cref="MemoryRule.Delta"/>, <see cref="MemoryRule.GatedDelta"/> and <see cref="MemoryRule.Titans"/>. Absent: <see cref="Heads"/>.
    /// </summary>
    public int KeyHeads { get; set; }

    /// <summary>Number of memories that tokens are routed to, 1 to 64; the shared one is not counted. Absent: 4.</summary>
    public int Memories { get; set; }

    /// <summary>
    /// How many of the <see cref="Memories"/> each token is sent to, 1 to Memories: those with the largest router logits, of
    /// equal ones the first. All of them is legal, and dense. Absent: 2.
    /// </summary>
    public int TopK { get; set; }

    /// <summary>How the memories fade and what is written. Absent: <see cref="MemoryRule.GatedDelta"/>.</summary>
    public MemoryRule Rule { get; set; }

    /// <summary>Whether one more memory gets every token; its read is added with weight one. Absent: true.</summary>
    public bool SharedMemory { get; set; }

    /// <summary>
    /// Whether all memories use one projection to keys, one to values and one to each gate, so that only the routing tells
    /// them apart; false: one for each memory. Absent: false.
    /// </summary>
    public bool SharedProjections { get; set; }

    /// <summary>Features of a head's keys and queries, 1 to 4,096. Absent: <c>Dim / Heads</c>, which must then divide.</summary>
    public int KeyDim { get; set; }

    /// <summary>Features of a head's values, 1 to 4,096. Absent: <c>Dim / Heads</c>, which must then divide.</summary>
    public int ValueDim { get; set; }

    /// <summary>Slots of a head in each memory, 2 to 4,096; only with <see cref="MemoryRule.GatedSlots"/>. Absent: 64.</summary>
    public int Slots { get; set; }

    /// <summary>
    /// Writes of each token in a memory, 1 to 8, each with a key, a value and a strength of its own; only with
    /// <see cref="MemoryRule.Delta"/> and <see cref="MemoryRule.GatedDelta"/>; <c>Heads * Householders</c> is at most 1,024 (DeltaProduct,
    /// Siems et al., arXiv 2502.10297). Absent: 1.
    /// </summary>
    public int Householders { get; set; }

    /// <summary>
    /// Width in tokens of the causal depthwise convolution (with SiLU) on queries, keys and values, 2 to 256; 0: none, and
    /// no SiLU but with <see cref="MemoryRule.GatedSlots"/> and, for queries, <see cref="MemoryRule.TiedDecay"/>, whose keys have neither.
    /// It runs along a memory's own tokens; all memories share its weights. Absent: 4.
    /// </summary>
    public int ConvWidth { get; set; }

    /// <summary>
    /// Whether queries and keys are scaled to length one. Absent: true for the rules that erase (the delta rules and Titans),
    /// which are only stable with keys of length one (so false is an error there), false for the others; not with <see cref="MemoryRule.TiedDecay"/>
    /// and <see cref="MemoryRule.GeneralizedDelta"/>.
    /// </summary>
    public bool UnitLength { get; set; }

    /// <summary>
    /// Whether the write strength of a delta rule lies in (0, 2) instead of (0, 1), so that a write can turn the sign of what a memory
    /// holds (Grazzi et al., arXiv 2411.12537); with <see cref="Householders"/> its writes are rotations and permutations too. Absent: false.
    /// </summary>
    public bool NegativeEigenvalues { get; set; }

    /// <summary>Whether what was read is multiplied by <c>SiLU(W_G x)</c>, after its norm. Absent: true.</summary>
    public bool OutputGate { get; set; }

    /// <summary>
    /// Factor, 0 to 1,000, on the loss that keeps the memories in equal use, <c>M sum_m f_m P_m</c> in each layer: f_m the
    /// share of tokens sent to memory m, P_m the mean of the router's softmax (Fedus et al., arXiv 2101.03961). It is in
    /// <c>AuxiliaryLoss</c> of the state that Prefill read with; a forward without a state has no place for it. 0: none.
    /// Absent: 0.001, and 0 where <see cref="TopK"/> is <see cref="Memories"/>, which are then used equally.
    /// </summary>
    public double BalanceLoss { get; set; }
}
