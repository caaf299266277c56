using Memory.Gen.Tests.Shared;

namespace Memory.Gen.Tests.Documentation;

/// <summary>A page of the documentation.</summary>
/// <param name="Path">Below the repository's root.</param>
internal sealed record Page(string Path)
{
    private readonly string[] lines = File.ReadAllLines(SourceTree.Path(Path));

    /// <summary>Every page that somebody reads, without what other people wrote.</summary>
    public static IEnumerable<string> All =>
        Directory.GetFiles(SourceTree.Path("docs"), "*.md", SearchOption.AllDirectories)
            .Concat([SourceTree.Path("README.md"), SourceTree.Path("packages", "README.md")])
            .Select(file => System.IO.Path.GetRelativePath(SourceTree.Root, file)).Order(StringComparer.Ordinal);

    /// <summary>The C# code that it shows, in its order.</summary>
    public IEnumerable<Snippet> Snippets => In("csharp");

    /// <summary>What it shows in a language, in its order.</summary>
    public IEnumerable<Snippet> In(string language)
    {
        string heading = "";
        for (int i = 0; i < lines.Length; i++)
            if (lines[i].StartsWith("## ", StringComparison.Ordinal))
                heading = lines[i][3..];
            else if (lines[i].StartsWith("```", StringComparison.Ordinal))
            {
                string info = lines[i][3..];
                string[] code = [.. lines.Skip(i + 1).TakeWhile(l => l != "```")];
                if (info.Split(' ')[0] == language)
                    yield return new Snippet($"{Path}:{i + 1}", heading, info, string.Join('\n', code));
                i += code.Length + 1;
            }
    }

    /// <summary>The rows of its tables of options: names, unit and range, what holds when it is absent.</summary>
    public IEnumerable<OptionRow> Options
    {
        get
        {
            bool inside = false;
            foreach (string line in lines)
            {
                string[] cells = [.. line.Split('|').Select(c => c.Trim())];
                inside = line.StartsWith("| option", StringComparison.Ordinal) || (inside && cells.Length > 1);
                if (inside && cells.Length == 6 && cells[1].StartsWith('`'))
                    yield return new OptionRow(cells[1].Trim('`'), cells[2], cells[3]);
            }
        }
    }
}

/// <summary>C# code that a page shows.</summary>
/// <param name="Place">File and line.</param>
/// <param name="Heading">The heading it stands under.</param>
/// <param name="Info">What stands behind the fence.</param>
/// <param name="Code">The code.</param>
internal sealed record Snippet(string Place, string Heading, string Info, string Code);

/// <summary>A row of a table of options.</summary>
/// <param name="Name">The option.</param>
/// <param name="Range">Its unit and range, in words and numbers.</param>
/// <param name="Absent">What holds when it is absent.</param>
internal sealed record OptionRow(string Name, string Range, string Absent);
