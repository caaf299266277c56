using Memory.Gen.Generators.Specs;

namespace Memory.Gen.Generators.Memories.SlidingAttention;

/// <summary>What can be wrong with a declared attention.</summary>
internal static class SlidingAttentionRules
{
    public static void Check(SlidingAttentionSpec spec, int dim, ErrorList errors)
    {
        bool heads = errors.CheckHeads(spec.Heads, dim, spec.RotaryBase != 0);
        errors.CheckKeyValueHeads(spec.KeyValueHeads, spec.Heads, heads);
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
            errors.Offer("Window = 1", "no Window");
        }
    }
}
