using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;

namespace Memory.Gen.Generators.Writing;

/// <summary>
/// Writes indented C# with <c>\n</c> line ends; the comments at the ends of lines that follow one another, without a brace or an
/// empty line between them, stand in one column.
/// </summary>
internal sealed class CodeWriter
{
    private const string CommentMark = "  // ";

    // Behind a longer line the comment follows at once, so that one such line does not push all others away.
    private const int FarthestColumn = 90;

    private readonly StringBuilder text = new();
    private readonly List<string> run = [];
    private int depth;

    /// <summary>Writes lines at the present depth; null leaves a line out, an empty one is blank, and one with <c>\n</c> is several.</summary>
    public void Lines(params string?[] lines)
    {
        foreach (string line in lines.OfType<string>().SelectMany(text => text.Split('\n')))
            if (line.Length > 0)
                run.Add(line);
            else
                Blank();
    }

    /// <summary>Writes a comment on what follows, in lines of a readable length.</summary>
    public void Comment(string paragraph)
    {
        EndRun();
        Lines(Prose.Wrap(paragraph).Select(line => "// " + line).ToArray());
    }

    /// <summary>Writes an empty line.</summary>
    public void Blank()
    {
        EndRun();
        text.Append('\n');
    }

    /// <summary>Opens a block under a line and closes it when the result is disposed.</summary>
    public Scope Block(string header)
    {
        run.Add(header);
        run.Add("{");
        EndRun();
        depth++;
        return new Scope(this);
    }

    /// <summary>The whole text; every block must be closed.</summary>
    public override string ToString()
    {
        if (depth != 0)
            throw new InvalidOperationException(depth + " blocks are still open.");
        EndRun();
        return text.ToString();
    }

    private static string Align(string line, int column)
    {
        int at = line.IndexOf(CommentMark, StringComparison.Ordinal);
        return at < 0 ? line : line.Substring(0, at).PadRight(column) + line.Substring(at);
    }

    private void EndRun()
    {
        int column = run.Select(l => l.IndexOf(CommentMark, StringComparison.Ordinal)).Where(c => c is >= 0 and <= FarthestColumn).DefaultIfEmpty(0).Max();
        foreach (string line in run)
            text.Append(' ', 4 * depth).Append(Align(line, column)).Append('\n');
        run.Clear();
    }

    /// <summary>An open block.</summary>
    public readonly struct Scope(CodeWriter writer) : IDisposable
    {
        /// <summary>Closes the block.</summary>
        public void Dispose()
        {
            writer.EndRun();
            writer.depth--;
            writer.run.Add("}");
            writer.EndRun();
        }
    }
}
