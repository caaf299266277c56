namespace Memory.Gen.Generators.Memories.LinearMemory;

/// <summary>The heads of what a matrix memory, alone or in a mixture, makes of a token.</summary>
internal static class LinearMemoryHeads
{
    /// <summary>The constants that say how many there are.</summary>
    public static string Constants(LinearMemorySpec spec) => "Heads = " + spec.Heads + (spec.SharesKeys ? ", KeyHeads = " + spec.KeyHeads : "");

    /// <summary>The heads of what a projection makes of a token, those of each of its writes side by side: in code, as an axis, and how many they are.</summary>
    public static (string Constant, string Letter, long Count) Of(LinearMemorySpec spec, string projection)
    {
        (string constant, string letter, long count) = spec.SharesKeys && projection is ("query" or "key") ? ("KeyHeads", "G", spec.KeyHeads) : ("Heads", "H", spec.Heads);
        return spec.IsProduct && projection is ("key" or "value" or "write_strength") ? ("Householders * " + constant, "N*" + letter, spec.Householders * count) : (constant, letter, count);
    }

    /// <summary>The channels of queries, keys or values, which is how many of them a convolution has.</summary>
    public static long Channels(LinearMemorySpec spec, string projection) => Of(spec, projection).Count * (projection == "value" ? spec.ValueDim : spec.KeyDim);
}
