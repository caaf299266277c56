using System.Text.RegularExpressions;

namespace Memory.Gen.Runtime.Tests.Torch;

/// <summary>One parameter of a listed signature.</summary>
internal sealed record ApiParameter(string Modifier, string Type, string Name, string? Default);

/// <summary>A listed method, constructor or indexer taken apart.</summary>
internal sealed partial record ApiSignature(IReadOnlyList<string> Modifiers, string Result, string Name, IReadOnlyList<string> TypeParameters, IReadOnlyList<ApiParameter> Parameters)
{
    private static readonly string[] ModifierWords = ["protected ", "static ", "abstract ", "virtual "];

    /// <summary>Name and parameter types: what tells overloads apart.</summary>
    internal string Overload => $"{Name}`{TypeParameters.Count}({string.Join(", ", Parameters.Select(p => (p.Modifier is "ref" or "out" or "in" ? "&" : "") + p.Type))})";

    internal bool Is(string modifier) => Modifiers.Contains(modifier);

    internal static ApiSignature Parse(string text)
    {
        var modifiers = new List<string>();
        while (ModifierWords.FirstOrDefault(text.StartsWith) is { } word)
        {
            modifiers.Add(word.Trim());
            text = text[word.Length..];
        }
        int open = text.IndexOf('(');
        string head = text[..open], inside = text[(open + 1)..text.LastIndexOf(')')];
        int split = LastSpace(head);
        string name = split < 0 ? head : head[(split + 1)..];
        string[] generics = [];
        if (name.IndexOf('<') is var angle and >= 0)
        {
            generics = [.. Split(name[(angle + 1)..^1])];
            name = name[..angle];
        }
        return new ApiSignature(modifiers, split < 0 ? "" : head[..split], name, generics, [.. Split(inside).Select(ParseParameter)]);
    }

    /// <summary>Commas outside angle brackets, square brackets and quotes.</summary>
    internal static IEnumerable<string> Split(string list)
    {
        int depth = 0, start = 0;
        bool quoted = false;
        for (int i = 0; i < list.Length; i++)
        {
            char c = list[i];
            if (c == '"') quoted = !quoted;
            if (quoted) continue;
            if (c is '<' or '[' or '(') depth++;
            if (c is '>' or ']' or ')') depth--;
            if (c != ',' || depth != 0) continue;
            yield return list[start..i].Trim();
            start = i + 1;
        }
        if (list[start..].Trim() is { Length: > 0 } last) yield return last;
    }

    /// <summary>Writes type arguments in the place of type parameters.</summary>
    internal static string Substitute(string type, IReadOnlyDictionary<string, string> arguments) =>
        Word().Replace(type, word => arguments.TryGetValue(word.Value, out string? argument) ? argument : word.Value);

    internal static ApiParameter ParseParameter(string text)
    {
        string? value = null;
        if (text.IndexOf(" = ", StringComparison.Ordinal) is var equals and >= 0) (text, value) = (text[..equals], text[(equals + 3)..]);
        string modifier = "";
        foreach (string word in (string[])["params", "out", "ref", "in"])
            if (text.StartsWith(word + " ", StringComparison.Ordinal)) (modifier, text) = (word, text[(word.Length + 1)..]);
        int split = LastSpace(text);
        return new ApiParameter(modifier, text[..split], text[(split + 1)..], value);
    }

    private static int LastSpace(string text)
    {
        int depth = 0;
        for (int i = text.Length - 1; i >= 0; i--)
        {
            if (text[i] is '>' or ']') depth++;
            if (text[i] is '<' or '[') depth--;
            if (text[i] == ' ' && depth == 0) return i;
        }
        return -1;
    }

    // A name that is not part of a dotted one.
    [GeneratedRegex(@"(?<![\w.])\w+(?![\w.])")]
    private static partial Regex Word();
}
