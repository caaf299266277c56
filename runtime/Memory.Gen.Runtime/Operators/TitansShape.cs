namespace Memory.Gen.Runtime.Operators;

/// <summary>The size of one matrix of a Titans memory.</summary>
/// <param name="From">Its rows: the features of what is multiplied by it.</param>
/// <param name="To">Its columns.</param>
internal readonly record struct TitansShape(long From, long To)
{
    /// <summary>Matrices of a gated linear unit.</summary>
    public const int GatedMatrices = 3;

    /// <summary>The matrices of a memory's network, in the order in which they are given and kept.</summary>
    /// <param name="widths">The first layer's inputs, then every layer's outputs.</param>
    /// <param name="gated">Whether it is a gated linear unit: its W_3 comes last.</param>
    public static TitansShape[] Of(IReadOnlyList<long> widths, bool gated)
    {
        IEnumerable<TitansShape> chain = Enumerable.Range(1, widths.Count - 1).Select(l => new TitansShape(widths[l - 1], widths[l]));
        return gated ? [.. chain, new TitansShape(widths[0], widths[1])] : [.. chain];
    }
}
