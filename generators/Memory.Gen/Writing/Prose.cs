using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using System.Text;

namespace Memory.Gen.Generators.Writing;

/// <summary>Numbers and sentences as people write them.</summary>
internal static class Prose
{
    private const int Width = 112;

    /// <summary>1234567 as <c>1,234,567</c>.</summary>
    public static string Count(long number) => number.ToString("N0", CultureInfo.InvariantCulture);

    /// <summary><c>1 layer</c>, <c>2 layers</c>.</summary>
    public static string Count(long number, string noun) => Count(number) + " " + noun + (number == 1 ? "" : "s");

    /// <summary>The same with a plural of its own.</summary>
    public static string Count(long number, string one, string many) => Count(number) + " " + (number == 1 ? one : many);

    /// <summary>A double as C# reads it back.</summary>
    public static string Literal(double number)
    {
        string digits = number.ToString("R", CultureInfo.InvariantCulture);
        return digits.IndexOfAny(['.', 'E']) >= 0 ? digits : digits + ".0";
    }

    /// <summary>A bool as C# reads it.</summary>
    public static string Literal(bool value) => value ? "true" : "false";

    /// <summary>A sentence that begins with a capital letter.</summary>
    public static string Capital(string sentence) => char.ToUpperInvariant(sentence[0]) + sentence.Substring(1);

    /// <summary><c>a, b and c</c>; null leaves an item out.</summary>
    public static string List(params string?[] items)
    {
        string[] all = items.OfType<string>().ToArray();
        return all.Length > 1 ? string.Join(", ", all.Take(all.Length - 1)) + " and " + all[all.Length - 1] : string.Concat(all);
    }

    /// <summary>A paragraph broken into lines.</summary>
    public static IEnumerable<string> Wrap(string paragraph)
    {
        var line = new StringBuilder();
        foreach (string word in paragraph.Split(' '))
        {
            if (line.Length > 0 && line.Length + 1 + word.Length > Width)
            {
                yield return line.ToString();
                line.Clear();
            }

            line.Append(line.Length > 0 ? " " : "").Append(word);
        }

        yield return line.ToString();
    }
}
