namespace Memory.Gen.Runtime.Tests.Torch;

/// <summary>A listed type with its members.</summary>
internal sealed class ApiType
{
    internal ApiType(string fullName, IEnumerable<ApiLine> lines)
    {
        FullName = fullName;
        Segments = [.. SplitDots(fullName)];
        (Name, TypeParameters) = NameAndArguments(Segments[^1]);
        foreach (ApiLine line in lines)
        {
            if (line.Kind != "type")
            {
                Members.Add(line);
                continue;
            }
            string[] halves = line.Signature.Split(" : ", 2);
            Shape = halves[0];
            Bases = halves.Length > 1 ? [.. ApiSignature.Split(halves[1])] : [];
        }
    }

    internal string FullName { get; }
    internal string[] Segments { get; }
    internal string Name { get; }
    internal string[] TypeParameters { get; }
    internal List<ApiLine> Members { get; } = [];
    internal string Shape { get; } = "class";
    internal string[] Bases { get; } = [];

    internal bool IsInterface => Shape.EndsWith("interface", StringComparison.Ordinal);
    internal bool IsEnum => Shape.EndsWith("enum", StringComparison.Ordinal);
    internal bool IsStruct => Shape.EndsWith("struct", StringComparison.Ordinal);
    internal bool IsStatic => Shape.StartsWith("static", StringComparison.Ordinal);
    internal bool IsSealed => Shape.StartsWith("sealed", StringComparison.Ordinal);
    internal bool IsDelegate => Bases is ["System.MulticastDelegate", ..];

    /// <summary>The class it derives from, as written with type arguments; null for object.</summary>
    internal string? BaseClass => !IsEnum && !IsInterface && Bases is [var first, ..] && !IsInterfaceName(first) ? first : null;

    internal IEnumerable<string> Interfaces => IsEnum ? [] : Bases.Where(IsInterfaceName);

    /// <summary>The full name without type arguments, with the arity of its last part: the key by which types find each other.</summary>
    internal static string Key(string name)
    {
        string[] segments = [.. SplitDots(name)];
        return string.Join('.', segments.Select(s => NameAndArguments(s) is var (plain, arguments) && arguments.Length > 0 ? $"{plain}`{arguments.Length}" : s));
    }

    internal static (string Name, string[] Arguments) NameAndArguments(string segment)
    {
        int angle = segment.IndexOf('<');
        return angle < 0 ? (segment, []) : (segment[..angle], [.. ApiSignature.Split(segment[(angle + 1)..^1])]);
    }

    internal static IEnumerable<string> SplitDots(string name)
    {
        int depth = 0, start = 0;
        for (int i = 0; i < name.Length; i++)
        {
            if (name[i] == '<') depth++;
            if (name[i] == '>') depth--;
            if (name[i] != '.' || depth != 0) continue;
            yield return name[start..i];
            start = i + 1;
        }
        yield return name[start..];
    }

    private static bool IsInterfaceName(string name) =>
        NameAndArguments(SplitDots(name).Last()).Name is ['I', >= 'A' and <= 'Z', ..];
}
