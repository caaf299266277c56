using System;
using System.Linq;
using System.Text;

namespace Memory.Gen.Generators.Writing;

/// <summary>Writes indented C# with <c>\n</c> line ends; the comments at the line ends of one call stand in one column.</summary>
internal sealed class CodeWriter
{
    private const string CommentMark = "  // ";

    // Behind a longer line the comment follows at once, so that one such line does not push all others away.
    private const int FarthestColumn = 90;

    private readonly StringBuilder text = new();
    private int depth;

    /// <summary>Writes lines at the present depth; null leaves a line out, an empty one is blank.</summary>
    public void Lines(params string?[] lines)
    {
        int column = lines.Select(l => l?.IndexOf(CommentMark, StringComparison.Ordinal) ?? -1).Where(c => c is >= 0 and <= FarthestColumn).DefaultIfEmpty(0).Max();
        foreach (string? line in lines)
            if (line is not null)
                Write(Align(line, column));
    }

    /// <summary>Writes an empty line.</summary>
    public void Blank() => text.Append('\n');

    /// <summary>Opens a block under a line and closes it when the result is disposed.</summary>
    public Scope Block(string header)
    {
        Write(header);
        Write("{");
        depth++;
        return new Scope(this);
    }

    /// <summary>The whole text; every block must be closed.</summary>
    public override string ToString() =>
        depth == 0 ? text.ToString() : throw new InvalidOperationException(depth + " blocks are still open.");

    private static string Align(string line, int column)
    {
        int at = line.IndexOf(CommentMark, StringComparison.Ordinal);
        return at < 0 ? line : line.Substring(0, at).PadRight(column) + line.Substring(at);
    }

    private void Write(string line)
    {
        if (line.Length > 0)
            text.Append(' ', 4 * depth).Append(line);
        text.Append('\n');
    }

    /// <summary>An open block.</summary>
    public readonly struct Scope(CodeWriter writer) : IDisposable
    {
        /// <summary>Closes the block.</summary>
        public void Dispose()
        {
            writer.depth--;
            writer.Write("}");
        }
    }
}
