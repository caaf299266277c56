using System;

namespace Memory.Gen;

/// <summary>
/// A memory that learns while it reads (Behrouz, Zhong, Mirrokni: Titans: Learning to Memorize at Test Time, arXiv
/// 2501.00663), alone or beside an attention. For each head the weights W of a small network f are a state that every token
/// changes, so that f recalls its value v for its key k:
/// <code>
/// S_t = eta_t S_{t-1} - theta_t grad 1/2 |f(k_t; W) - v_t|^2,   W_t = (1 - alpha_t) W_{t-1} + S_t,   o_t = f(q_t; W_t)
/// </code>
/// Step size theta, momentum eta and forgetting alpha are set by each token. State: weights and momenta in float32 or wider,
/// the tokens of the running gradient block, the inputs of the short convolutions and the attention's window, whatever the
/// length of the text. Documentation: docs/architectures/titans.md.
/// </summary>
[AttributeUsage(AttributeTargets.Class, AllowMultiple = true, Inherited = false)]
public sealed class TitansMemoryAttribute : MixerAttribute
{
    /// <summary>A Titans memory in every layer.</summary>
    /// <param name="variant">How it stands beside an attention.</param>
    public TitansMemoryAttribute(TitansVariant variant) => Variant = variant;

    /// <summary>A Titans memory in the layers that a letter names.</summary>
    /// <param name="letter">The letter in <see cref="MemoryModelAttribute.Pattern"/>.</param>
    /// <param name="variant">How it stands beside an attention.</param>
    public TitansMemoryAttribute(char letter, TitansVariant variant)
        : base(letter) => Variant = variant;

    /// <summary>How the memory stands beside an attention.</summary>
    public TitansVariant Variant { get; }

    /// <summary>
    /// Number of heads, 1 to 4,096, of the memory and of the attention; divides <c>Dim</c>. A head has <c>Dim / Heads</c>
    /// features, 16,384 at most. Required.
    /// </summary>
    public int Heads { get; set; }

    /// <summary>
    /// Tokens that the attention sees, 1 to 16,777,216: the size of the sliding window, or of a segment. Required where there
    /// is an attention; <see cref="TitansVariant.MemoryOnly"/> has none, so there it is an error.
    /// </summary>
    public int Window { get; set; }

    /// <summary>
    /// Whether the attention's window slides or ends with its segment. Absent: sliding; the segments of
    /// <see cref="TitansVariant.Context"/> are always apart.
    /// </summary>
    public TitansAttention Attention { get; set; }

    /// <summary>
    /// How many segments back a loss reaches at most, 0 to 1,048,576; only with <see cref="TitansVariant.Context"/>, where each
    /// segment begins with what the one before recalled, and the gradient through many of them grows without bound. The
    /// segments of a text form stretches of <c>BackpropSegments + 1</c>; where a stretch begins, all that the layer keeps is cut
    /// from what made it. The numbers do not depend on it. Absent: 7.
    /// </summary>
    public int BackpropSegments { get; set; }

    /// <summary>
    /// Tokens of a gradient block, 1 to 65,536: their gradients are all taken at the weights that the block started with.
    /// Part of the model: a larger block trains faster and corrects itself less often. With
    /// <see cref="TitansVariant.Context"/> it divides <see cref="Window"/>. Absent: 16; 64 with <see cref="Muon"/>.
    /// </summary>
    public int Block { get; set; }

    /// <summary>Layers of the memory network f, 1 to 4. Absent: 1, a matrix; 2 with <see cref="GatedLinearUnit"/>.</summary>
    public int MemoryDepth { get; set; }

    /// <summary>
    /// Whether f is a gated linear unit, <c>W_2^T (phi(W_1^T x) * W_3^T x)</c> with three matrices (Shazeer, arXiv 2002.05202); only
    /// with <see cref="MemoryDepth"/> 2. Absent: false.
    /// </summary>
    public bool GatedLinearUnit { get; set; }

    /// <summary>Hidden width of f in head widths, 1 to 8; only with <see cref="MemoryDepth"/> 2 or more. Absent: 2.</summary>
    public int Expansion { get; set; }

    /// <summary>What stands between the layers of f; only with <see cref="MemoryDepth"/> 2 or more. Absent: SiLU.</summary>
    public TitansActivation Activation { get; set; }

    /// <summary>
    /// Whether the memory is <c>f(x) = x + gamma * LayerNorm(network(x))</c> with a learned gamma, which bounds what it can
    /// answer (Sun et al., arXiv 2407.04620). Absent: false.
    /// </summary>
    public bool Residual { get; set; }

    /// <summary>
    /// Whether a block's momentum is orthogonalised before it is written: Muon, five Newton-Schulz iterations that bring all its singular
    /// values near 1 (Zhang et al.: Test-Time Training Done Right, arXiv 2505.23884), so that what many tokens agree on does not drown the
    /// rest. Momentum then goes from block to block, by the mean of eta over the block; a block is written when it is complete, and so read
    /// by the next; theta only weighs a block's tokens, and <see cref="MaxStep"/> is how long every write is. Not with
    /// <see cref="TitansVariant.Context"/>, nor with heads of one feature. Absent: false.
    /// </summary>
    public bool Muon { get; set; }

    /// <summary>
    /// Whether every column of the memory's matrices keeps the norm that it begins with (same source, there in place of
    /// <see cref="Forgetting"/>), however long the text; only with <see cref="Muon"/>. Absent: false.
    /// </summary>
    public bool WeightNorm { get; set; }

    /// <summary>
    /// Which state of the memory a token reads. Absent: the one that holds its own write; with <see cref="Muon"/> the one that its block
    /// began with, the only one there is.
    /// </summary>
    public TitansRead Reads { get; set; }

    /// <summary>
    /// Whether each token sets its step size; false: one learned step size for each head, which <see cref="Muon"/> would divide out
    /// again. Absent: true.
    /// </summary>
    public bool AdaptiveStep { get; set; }

    /// <summary>Whether writes have a momentum. Absent: true.</summary>
    public bool Momentum { get; set; }

    /// <summary>Whether the memory forgets. Absent: true.</summary>
    public bool Forgetting { get; set; }

    /// <summary>
    /// The most that a token writes in all, 0.0001 to 2: theta lies between 0 and <c>MaxStep</c>, times <c>1 - eta</c> where
    /// there is a momentum, which goes on writing. At 1 a matrix with unit keys then holds the value exactly, at 2 it is as
    /// wrong as before. With <see cref="Muon"/> the length of every block's write, all singular values of which are near it, and theta lies
    /// between 0 and 1. Absent: 0.1 in <see cref="TitansVariant.Context"/>, elsewhere 1, and 0.25 where <see cref="MemoryDepth"/> is above 1 or with <see cref="Muon"/>.
    /// </summary>
    public double MaxStep { get; set; }

    /// <summary>The upper end of the momentum factor eta, above 0, at most 0.9999; only with <see cref="Momentum"/>. Absent: 0.95.</summary>
    public double MaxMomentum { get; set; }

    /// <summary>At which weights the gradient is taken; only with <see cref="Forgetting"/>. Absent: before they fade.</summary>
    public TitansDecay Decay { get; set; }

    /// <summary>
    /// Where forgotten weights go; only with <see cref="Forgetting"/>. Absent: to zero, as in Titans; to M_0 with
    /// <see cref="MemoryDepth"/> above 2 or <see cref="GatedLinearUnit"/>: a long text would put such a memory out for good, since
    /// where all its matrices are zero so are their gradients.
    /// </summary>
    public TitansDecayTarget DecayTo { get; set; }

    /// <summary>
    /// The longest gradient that one token writes, in the norm over all weights of a head, 0 to 1,000,000; a longer one is
    /// shortened. 0: no bound, and then a long text that repeats itself can diverge unless <see cref="Block"/> and
    /// <see cref="MemoryDepth"/> are 1; 1 kept every variant finite where it was tried. With <see cref="Muon"/>, where writes have one
    /// length anyway, it bounds what a token weighs in its block. Absent: 1, and 0 where both are 1 or with <see cref="Muon"/>.
    /// </summary>
    public double InnerClip { get; set; }

    /// <summary>
    /// Width in tokens of the causal depthwise convolution (with SiLU) on the memory's queries, keys and values, 2 to 256; 0:
    /// none, and no SiLU. Absent: 4.
    /// </summary>
    public int ConvWidth { get; set; }

    /// <summary>
    /// Whether the memory's queries and keys have length one. Absent: true; without it the step that is stable depends on
    /// the length of the keys.
    /// </summary>
    public bool UnitLength { get; set; }

    /// <summary>Number of learned tokens that stand before every text, 0 to 4,096. Absent: 0.</summary>
    public int PersistentTokens { get; set; }

    /// <summary>What the persistent tokens are; only with <see cref="PersistentTokens"/>. Absent: tokens.</summary>
    public TitansPersistent Persistent { get; set; }

    /// <summary>
    /// Which side of the gate is squashed; only with <see cref="TitansVariant.Gate"/> and
    /// <see cref="TitansVariant.Context"/>. Absent: the attention.
    /// </summary>
    public TitansSquash Squash { get; set; }

    /// <summary>
    /// Base of the attention's rotary positions (Su et al., RoFormer, arXiv 2104.09864): pair i of a head's K features turns
    /// by <c>RotaryBase^(-2i/K)</c> radians a token. 0: no positions. Absent: 10,000.
    /// </summary>
    public double RotaryBase { get; set; }
}
