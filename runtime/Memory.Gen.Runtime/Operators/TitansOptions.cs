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
}
