using System;
using System.Collections.Generic;
using System.Linq;

namespace Memory.Gen.Generators.Specs;

/// <summary>
/// What makes a wrong declaration right, in the words of its message: <c>Heads = 8</c>, <c>no Window</c>, or several changes at
/// once, <c>StateSpace = true with Rule = MemoryRule.ScalarDecay</c>.
/// </summary>
internal static class Repairs
{
    /// <summary>The keys of a diagnostic's properties under which a code fix finds repairs. The first is the one to prefer.</summary>
    public static readonly string[] Keys = ["repair1", "repair2"];

    /// <summary>The arguments that a repair changes, each with its value as code, null for one that goes.</summary>
    /// <returns>Nothing for words that are no repair.</returns>
    public static IReadOnlyList<(string Argument, string? Value)> Read(string text)
    {
        (string Argument, string? Value)[] changes = text.Split([" with "], StringSplitOptions.None).Select(ReadOne).ToArray();
        return changes.All(c => IsWord(c.Argument) && c.Value?.Contains(' ') != true) ? changes : [];
    }

    /// <summary>Whether words are a repair.</summary>
    public static bool Are(string text) => Read(text).Count > 0;

    /// <summary>The words of such changes.</summary>
    public static string Write(IEnumerable<(string Argument, string? Value)> changes) =>
        string.Join(" with ", changes.Select(c => c.Value is null ? "no " + c.Argument : c.Argument + " = " + c.Value));

    private static (string Argument, string? Value) ReadOne(string text)
    {
        if (text.StartsWith("no ", StringComparison.Ordinal))
            return (text.Substring(3), null);
        string[] sides = text.Split([" = "], StringSplitOptions.None);
        return sides.Length == 2 ? (sides[0], sides[1]) : ("", null);
    }

    private static bool IsWord(string text) => text.Length > 0 && text.All(char.IsLetterOrDigit);
}
