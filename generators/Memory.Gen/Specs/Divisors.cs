using System.Linq;

namespace Memory.Gen.Generators.Specs;

/// <summary>Numbers that must divide others, and the nearest ones that do.</summary>
internal static class Divisors
{
    /// <summary>The largest divisor of <paramref name="number"/> that is not above <paramref name="near"/>.</summary>
    public static int Below(int number, int near)
    {
        int divisor = System.Math.Min(near, number);
        while (number % divisor != 0)
            divisor--;
        return divisor;
    }

    /// <summary>The smallest divisor of <paramref name="number"/> that is not below <paramref name="near"/>, or the number.</summary>
    public static int Above(int number, int near)
    {
        int divisor = System.Math.Min(near, number);
        while (number % divisor != 0)
            divisor++;
        return divisor;
    }

    /// <summary>The number of heads, which divides the width: MEMGEN101, MEMGEN108 or MEMGEN102 otherwise.</summary>
    /// <param name="errors">Where to.</param>
    /// <param name="heads">The number.</param>
    /// <param name="dim">The width; below 1 where it is wrong itself.</param>
    /// <param name="turns">Whether heads turn to their positions, in pairs of features.</param>
    /// <param name="mostFeatures">The most features of a head, MEMGEN108 above.</param>
    /// <returns>Whether it divides.</returns>
    public static bool CheckHeads(this ErrorList errors, int heads, int dim, bool turns, int mostFeatures = int.MaxValue)
    {
        int pairs = turns && dim % 2 == 0 ? dim / 2 : dim;
        if (!errors.CheckPositive("Heads", heads, "heads", Limits.Heads, HeadsFor(pairs, errors.Spec.Int("KeyValueHeads"))) || !errors.CheckDivides("Heads", heads, dim, pairs))
            return false;
        if (dim / heads <= mostFeatures)
            return true;
        errors.Add("MEMGEN108", "Heads", "Dim / Heads", Limits.Text(dim / heads), "1", Limits.Text(mostFeatures));
        errors.Offer("Heads = " + Limits.Text(Above(pairs, ((dim - 1) / mostFeatures) + 1)));
        return true;
    }

    /// <summary>An example for messages: 8 heads, or as many as share keys and values, or fewer where that does not divide the width.</summary>
    public static int HeadsFor(int dim, int keyValueHeads = 0) =>
        System.Math.Max(8, keyValueHeads) is var heads && dim >= 1 ? Below(dim, heads) : heads;

    /// <summary>A number of heads that must divide the width: MEMGEN102 where it does not.</summary>
    /// <param name="errors">Where to.</param>
    /// <param name="name">The argument.</param>
    /// <param name="value">The number.</param>
    /// <param name="dim">The width.</param>
    /// <param name="near">What the numbers divide that the message offers; the width where it is absent.</param>
    /// <returns>Whether it divides.</returns>
    public static bool CheckDivides(this ErrorList errors, string name, int value, int dim, int near = 0)
    {
        if (dim < 1 || (value <= dim && dim % value == 0))
            return true;
        near = near > 0 ? near : dim;
        errors.Add("MEMGEN102", name, Limits.Text(dim), name, Limits.Text(value));
        errors.Offer(new[] { Below(near, value), Above(near, value) }.Distinct().Select(heads => name + " = " + Limits.Text(heads)).ToArray());
        return false;
    }

    /// <summary>A number of key and value heads, where it is given: MEMGEN101 or MEMGEN108 outside its range, MEMGEN121 where it does not divide the heads.</summary>
    /// <param name="errors">Where to.</param>
    /// <param name="keyValueHeads">The number.</param>
    /// <param name="heads">Query heads.</param>
    /// <param name="headsAreGood">Whether those are as they should be.</param>
    public static void CheckKeyValueHeads(this ErrorList errors, int keyValueHeads, int heads, bool headsAreGood)
    {
        if (!errors.Spec.Has("KeyValueHeads") || !errors.CheckPositive("KeyValueHeads", keyValueHeads, "heads", Limits.Heads, example: 1) || !headsAreGood)
            return;
        if (keyValueHeads <= heads && heads % keyValueHeads == 0)
            return;
        errors.Add("MEMGEN121", "KeyValueHeads", Limits.Text(keyValueHeads), Limits.Text(heads));
        errors.Offer("KeyValueHeads = " + Limits.Text(Below(heads, keyValueHeads)));
    }

    /// <summary>The base of rotary positions, 0 for none: MEMGEN108 outside its range, MEMGEN122 for heads of an odd size.</summary>
    /// <param name="errors">Where to.</param>
    /// <param name="rotaryBase">The base.</param>
    /// <param name="heads">Number of heads, which divides the width; 0 where it is wrong.</param>
    /// <param name="dim">The width.</param>
    public static void CheckRotary(this ErrorList errors, double rotaryBase, int heads, int dim)
    {
        if (rotaryBase == 0 || !errors.CheckRange("RotaryBase", rotaryBase, 1, 1e12) || heads < 1 || dim < 1 || dim / heads % 2 == 0)
            return;
        errors.Add(
            "MEMGEN122", errors.Spec.Has("RotaryBase") ? "RotaryBase" : "Heads", Limits.Text(dim / heads), Limits.Text(dim), Limits.Text(heads));
        if (dim % 2 == 0)
            errors.Offer("Heads = " + Limits.Text(Below(dim / 2, heads)), "RotaryBase = 0");
        else
            errors.Offer("RotaryBase = 0");
    }
}
