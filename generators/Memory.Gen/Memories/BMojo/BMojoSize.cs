using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Memories.BMojo;

/// <summary>The exact sizes of a B'MOJO layer.</summary>
internal static class BMojoSize
{
    public static Size Of(BMojoSpec spec, long dim, Size? memory)
    {
        long headDim = dim / spec.Heads, keys = spec.KeyValueHeads * headDim;
        Size size = Size.Product(2 * dim * dim) + (spec.HasWindow ? Size.Product(2 * dim * keys) : new Size(2 * dim * keys));
        if (memory is not null)
            size += memory;
        if (spec.HasFading)
            size += new Size(
                spec.TiedProjections ? 0 : 2 * dim * keys,
                CacheElements: 2 * spec.KeptFading * keys,
                FlopsPerToken: 4 * dim * keys);
        if (spec.HasPredictor)
            size += Size.Product(dim * dim) + new Size(dim, CacheElements: dim);
        if (spec.HasEidetic)
            size += new Size(
                0,
                MemoryElements: spec.EideticTokens + spec.KeptTokens,
                CacheElements: 2 * spec.EideticTokens * keys,
                CountElements: spec.EideticTokens);
        if (spec.QueryKeyNorm)
            size += new Size(2 * headDim);

        // A token of a blocked window sees one and a half chunks on average.
        long window = spec.IsBlocked ? 3L * spec.Window : 2L * spec.Window;
        return size + new Size(
            0,
            CacheElements: 2 * spec.KeptTokens * keys,
            FlopsPerToken: 2 * dim * (window + (2L * (spec.EideticTokens + spec.FadingTokens))),
            Reach: spec.HasEidetic || memory is not null ? null : (spec.IsBlocked ? 2L * spec.Window : spec.Window) - 1);
    }
}
