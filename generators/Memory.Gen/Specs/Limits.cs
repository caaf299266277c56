using System;
using System.Globalization;

namespace Memory.Gen.Generators.Specs;

/// <summary>
/// The ranges of the declared numbers. With these upper ends no count of parameters, state or operations leaves 64 bits.
/// </summary>
internal static class Limits
{
    public const int Dim = 1 << 20;
    public const int VocabSize = 1 << 24;
    public const int Layers = 1 << 12;
    public const int Heads = 1 << 12;
    public const int HeadFeatures = 1 << 14;
    public const int TaylorFeatures = 64;
    public const int FeedForward = 1 << 24;
    public const int Window = 1 << 24;
    public const int ConvWidth = 1 << 8;
    public const int Householders = 8;
    public const int Memories = 1 << 6;
    public const int MixtureHeads = 1 << 10;
    public const int MixtureHeadFeatures = 1 << 12;
    public const int BalanceLoss = 1000;
    public const int Block = 1 << 16;
    public const int MemoryDepth = 4;
    public const int Expansion = 8;
    public const int PersistentTokens = 1 << 12;
    public const int StateDim = 1 << 10;
    public const int StepRank = 1 << 16;
    public const int EideticTokens = 1 << 16;
    public const int FadingStride = 1 << 16;
    public const int RecallSlots = 1 << 20;
    public const int BackpropSegments = 1 << 20;
    public const int MemoryTokens = 1 << 16;

    /// <summary>A number that is required and positive: MEMGEN101 below one or not given, MEMGEN108 above the limit.</summary>
    /// <returns>Whether the value is good.</returns>
    public static bool CheckPositive(this ErrorList errors, string name, int value, string unit, int limit, int example)
    {
        if (value >= 1)
            return errors.CheckRange(name, value, 1, limit);
        errors.Add(
            "MEMGEN101",
            errors.Spec.Has(name) ? name : "",
            errors.Spec.Has(name) ? name + " = " + Text(value) : name + " is not given",
            unit);
        errors.Offer(name + " = " + Text(example));
        return false;
    }

    /// <summary>A number with two ends: MEMGEN108 outside.</summary>
    /// <param name="errors">Where to.</param>
    /// <param name="name">The argument.</param>
    /// <param name="value">Its value.</param>
    /// <param name="low">Lower end, inclusive.</param>
    /// <param name="high">Upper end, inclusive.</param>
    /// <param name="works">What goes with the rest of the declaration; the nearest end where it is absent. For NaN it is the default.</param>
    /// <returns>Whether the value is good.</returns>
    public static bool CheckRange(this ErrorList errors, string name, double value, double low, double high, double? works = null)
    {
        if (value >= low && value <= high)
            return true;
        errors.Add("MEMGEN108", name, name, Text(value), Text(low), Text(high));
        // What is no number lies at no end, and an end may be what turns the option off.
        errors.Offer(double.IsNaN(value) ? "no " + name : name + " = " + Text(works ?? (value > high ? high : low)));
        return false;
    }

    /// <summary>An enum value that has a name: MEMGEN108 otherwise.</summary>
    /// <param name="errors">Where to.</param>
    /// <param name="name">The argument.</param>
    /// <param name="value">Its value.</param>
    /// <param name="works">What goes with the rest of the declaration.</param>
    /// <returns>Whether the value is good.</returns>
    public static bool CheckNamed<T>(this ErrorList errors, string name, T value, T works = default)
        where T : struct, Enum
    {
        if (Enum.IsDefined(typeof(T), value))
            return true;
        string[] names = Enum.GetNames(typeof(T));
        errors.Add("MEMGEN108", name, name, value.ToString(), names[0], names[names.Length - 1]);
        errors.Offer($"{name} = {typeof(T).Name}.{works}");
        return false;
    }

    /// <summary>A letter as messages show it: one that shows nothing as C# writes it.</summary>
    public static string Text(char letter) => char.IsControl(letter) || char.IsSurrogate(letter) ? $"\\u{(int)letter:x4}" : letter.ToString();

    /// <summary>A number as messages show it.</summary>
    public static string Text(double value) => value.ToString("R", CultureInfo.InvariantCulture);
}
