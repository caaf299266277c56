namespace Memory.Gen.Runtime.Operators;

/// <summary>What kind of Titans memory: everything about its rule that is no tensor.</summary>
/// <param name="Block">Tokens whose gradients are taken at the same weights, at least 1; part of the model, not of the computation.</param>
public sealed record TitansOptions(int Block)
{
    /// <summary>Between the layers; a memory of one matrix has none.</summary>
    public TitansActivation Activation { get; init; } = TitansActivation.Silu;

    /// <summary>
    /// The memory is a gated linear unit of three matrices, p(x) = W_2^T (phi(W_1^T x) * W_3^T x), in place of a chain of layers
    /// (Shazeer: GLU Variants Improve Transformer, arXiv 2002.05202).
    /// </summary>
    public bool GatedLinearUnit { get; init; }

    /// <summary>Every token of a block reads the weights that the block started with; otherwise it reads after its own write.</summary>
    public bool ReadsBlockStart { get; init; }

    /// <summary>
    /// A token's gradient is taken at the block's first weights after the forgetting of the block's tokens up to and
    /// including it, as in the gated delta rule; otherwise before any of it, as in Titans.
    /// </summary>
    public bool DecaysFirst { get; init; }

    /// <summary>
    /// The largest norm that one token's gradient may have, over all layers together, above 0: a longer one is scaled
    /// down to it, with the derivative of that. Null for none.
    /// </summary>
    public double? Clip { get; init; }

    /// <summary>
    /// Muon, and how long a block's write is, above 0; only with <see cref="ReadsBlockStart"/>. Null: momentum is carried from token to
    /// token, and written as it is.
    /// </summary>
    /// <remarks>
    /// A block adds the sum of its tokens' writes to the momentum S, eta being the mean of theirs, and then <c>Muon * NS(S)</c> to the
    /// weights, NS(S) being S with all singular values brought near 1 by five Newton-Schulz iterations (Zhang et al., arXiv 2505.23884,
    /// section 3). So theta only weighs tokens against one another and against the momentum. A sequence that ends within a block ends the block.
    /// </remarks>
    public double? Muon { get; init; }

    /// <summary>Every column of a matrix keeps its norm at the end of a block (same source); only with <see cref="Muon"/>.</summary>
    public bool WeightNorm { get; init; }
}
