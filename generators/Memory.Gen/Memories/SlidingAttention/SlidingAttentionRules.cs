using Memory.Gen.Generators.Specs;

namespace Memory.Gen.Generators.Memories.SlidingAttention;

/// <summary>What can be wrong with a declared attention.</summary>
internal static class SlidingAttentionRules
{
    public static void Check(SlidingAttentionSpec spec, int dim, ErrorList errors)
    {
        bool heads = errors.CheckPositive("Heads", spec.Heads, "heads", Limits.Heads, example: 8)
            && errors.CheckDivides("Heads", spec.Heads, dim);
        if (errors.Spec.Has("KeyValueHeads"))
            CheckKeyValueHeads(spec, heads, errors);
        CheckWindow(spec.Window, errors);
        errors.CheckRotary(spec.RotaryBase, heads ? spec.Heads : 0, dim);
    }

    private static void CheckWindow(int? window, ErrorList errors)
    {
        if (window is >= 1)
            errors.CheckRange("Window", window.Value, 1, Limits.Window);
        else if (window is { } tokens)
        {
            errors.Add("MEMGEN103", "Window", Limits.Text(tokens));
            errors.Offer("Window = 1");
        }
    }

    private static void CheckKeyValueHeads(SlidingAttentionSpec spec, bool headsAreGood, ErrorList errors)
    {
        if (!errors.CheckPositive("KeyValueHeads", spec.KeyValueHeads, "heads", Limits.Heads, example: 1) || !headsAreGood)
            return;
        if (spec.KeyValueHeads <= spec.Heads && spec.Heads % spec.KeyValueHeads == 0)
            return;
        string divisor = Limits.Text(Divisors.Below(spec.Heads, spec.KeyValueHeads));
        errors.Add("MEMGEN121", "KeyValueHeads", Limits.Text(spec.KeyValueHeads), Limits.Text(spec.Heads), divisor);
        errors.Offer("KeyValueHeads = " + divisor);
    }
}
