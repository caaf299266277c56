using System.Linq;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Memories.Titans;

/// <summary>The exact sizes of a Titans layer.</summary>
internal static class TitansSize
{
    public static Size Of(TitansSpec spec, long dim)
    {
        Size size = Memory(spec, dim) + Mixer(spec, dim);
        if (spec.HasAttention)
            size += Attention(spec, dim);
        return size with { Reach = null };
    }

    private static Size Memory(TitansSpec spec, long dim)
    {
        long heads = spec.Heads, headDim = dim / heads, block = spec.Block - 1;
        long[] widths = spec.Widths(headDim);
        long entering = heads * widths[0] * widths[1] * (spec.GatedLinearUnit ? 2 : 1);
        long weights = entering + (heads * Enumerable.Range(2, spec.MemoryDepth - 1).Sum(l => widths[l - 1] * widths[l]));
        bool context = spec.Variant == TitansVariant.Context;
        int projections = context ? 4 : 3, gates = 1 + (spec.Momentum ? 1 : 0) + (spec.Forgetting ? 1 : 0);
        int linearGates = gates - (spec.AdaptiveStep ? 0 : 1);

        Size size = Size.Product(projections * dim * dim) + Size.Product(linearGates * dim * heads) + new Size((gates * heads) + weights);
        if (spec.HasConvolution)
            size += new Size(projections * spec.ConvWidth * dim, CacheElements: projections * (spec.ConvWidth - 1) * dim);
        if (spec.Residual)
            size += new Size(dim);
        if (SegmentsAreLongerThanBlocks(spec))
            size += new Size(0, MemoryElements: weights);
        return size + new Size(
            0,
            MemoryElements: (weights * (spec.Momentum ? 2 : 1)) + (heads * block * gates),
            CacheElements: 2 * block * dim,
            FlopsPerToken: Write(weights, entering) + (context ? 2 * weights : 0) + (spec.Muon ? NewtonSchulz(spec, widths) / spec.Block : 0));
    }

    // Of a block: five times X X^T, its square, and their sum times X.
    private static long NewtonSchulz(TitansSpec spec, long[] widths) => spec.Heads * Enumerable.Range(0, spec.Matrices).Sum(l =>
    {
        long from = widths[spec.Enters(l) ? 0 : l], to = widths[spec.Enters(l) ? 1 : l + 1], less = System.Math.Min(from, to);
        return 5 * 2 * less * ((2 * from * to) + (less * less));
    });

    // The key forward, the error back through all matrices but those that the key enters, their outer products, the query forward.
    private static long Write(long weights, long entering) => 2 * (weights + (weights - entering) + weights + weights);

    private static bool SegmentsAreLongerThanBlocks(TitansSpec spec) => spec.Variant == TitansVariant.Context && spec.Block < spec.Window;

    private static Size Attention(TitansSpec spec, long dim)
    {
        int keys = spec.Variant == TitansVariant.Context ? 2 : 1;
        long seen = ((long)keys * spec.Window) + spec.PersistentTokens;
        Size size = Size.Product((1 + (2 * keys)) * dim * dim) with { Parameters = 3 * dim * dim };
        return size + new Size(
            spec.HasRows ? 2 * spec.PersistentTokens * dim : 0,
            CacheElements: 2 * keys * (spec.Window - 1L) * dim,
            FlopsPerToken: 4 * dim * seen);
    }

    private static Size Mixer(TitansSpec spec, long dim)
    {
        long headDim = dim / spec.Heads;
        Size size = Size.Product(dim * dim) + new Size(spec.HasTokens ? spec.PersistentTokens * dim : 0);
        return size + spec.Variant switch
        {
            TitansVariant.MemoryOnly => Size.Product(dim * dim) + new Size(headDim),
            TitansVariant.Layer => Size.Product(2 * dim * dim) + new Size(headDim + dim),
            TitansVariant.Context => new Size(3 * headDim),
            _ => new Size(2 * headDim),
        };
    }
}
