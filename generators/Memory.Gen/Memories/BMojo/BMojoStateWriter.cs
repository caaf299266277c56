using System.Globalization;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Memories.BMojo;

/// <summary>Writes the state of a B'MOJO layer.</summary>
internal static class BMojoStateWriter
{
    public static void Write(CodeWriter writer, BMojoSpec spec, int dim, string state, string? fading)
    {
        long headDim = dim / spec.Heads, window = spec.KeptTokens, faded = spec.HasFading ? spec.KeptFading : 0;
        string rotated = spec.HasPositions ? ", rotated" : "", axis = spec.KeyValueHeads != spec.Heads ? "G" : "H";
        writer.Comment("What is kept of a sequence: " + Kept(spec) + ".");
        using CodeWriter.Scope type = writer.Block($"private sealed class {state} : LayerState");
        writer.Lines(
            fading is null ? null : $"public readonly {fading} Fading;  // the recurrence",
            window > 0 ? $"public readonly StateTensor Keys, Values;  // [B, {KeptTokens(spec)}, {axis}, K]{rotated}{(spec.HasEidetic ? ": the window, and what waits to be judged" : "")}" : null,
            faded > 0 ? $"public readonly StateTensor FadedKeys, FadedValues;  // [B, {KeptFading(spec)}, {axis}, K]{rotated}: of the fading memory's outputs" : null,
            spec.HasPredictor ? "public readonly StateTensor Before;  // [B, 1, D], the last of these outputs" : null,
            spec.HasEidetic ? "public readonly EideticSlots Slots;" : null,
            "");
        using CodeWriter.Scope constructor = writer.Block($"public {state}(MemoryState owner, string prefix) : base(owner, prefix)");
        writer.Lines(
            fading is null ? null : $"Fading = new {fading}(owner, prefix + \".fading\");",
            window > 0 ? Cache("Keys", "keys", window) : null,
            window > 0 ? Cache("Values", "values", window) : null,
            faded > 0 ? Cache("FadedKeys", "faded_keys", faded) : null,
            faded > 0 ? Cache("FadedValues", "faded_values", faded) : null,
            spec.HasPredictor ? $"Before = Cache(\"before\", 1, {dim});" : null);
        if (spec.HasEidetic)
            writer.Lines(Slots(spec, headDim));

        string Cache(string field, string name, long length) => $"{field} = Cache(\"{name}\", {length}, {spec.KeyValueHeads}, {headDim});";
    }

    private static string Kept(BMojoSpec spec) => Prose.List(
        spec.HasWindow ? "the window" : null, spec.HasEidetic ? "the slots" : null, spec.HasFading ? "the fading memory" : null);

    // The lengths in the letters of the legend.
    private static string KeptTokens(BMojoSpec spec) => (spec.IsBlocked, spec.HasEidetic) switch
    {
        (true, true) => "2w",
        (true, false) => "2w-1",
        (false, true) => "w+Q-1",
        _ => "w-1",
    };

    private static string KeptFading(BMojoSpec spec)
    {
        string offset = spec.FadingOffset is { } tokens ? tokens.ToString(CultureInfo.InvariantCulture) : spec.IsBlocked ? "2w" : "w";
        return $"{offset}+{(spec.FadingStride > 1 ? spec.FadingStride.ToString(CultureInfo.InvariantCulture) + "(P-1)" : "P-1")}";
    }

    private static string Slots(BMojoSpec spec, long headDim)
    {
        string[] options =
        [
            $"Slots: {spec.EideticTokens}", $"Refresh: {spec.RefreshTokens}",
            .. spec.IsBlocked ? [] : new[] { $"Window: {spec.Window}" },
            .. spec.ScoreDecay < 1 ? new[] { "Decay: " + Prose.Literal(spec.ScoreDecay) } : [],
            .. spec.Threshold is { } threshold ? new[] { "Floor: " + Prose.Literal(threshold) } : [],
            .. spec.KeepsNewest ? new[] { "Eviction: SlotEviction.Oldest" } : [],
        ];
        return $"Slots = new EideticSlots(this, \"eidetic\", {spec.KeyValueHeads}, {headDim}, new EideticOptions({string.Join(", ", options)}));";
    }
}
