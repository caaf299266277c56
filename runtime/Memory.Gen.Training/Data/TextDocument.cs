using System.Text;

namespace Memory.Gen.Training.Data;

/// <summary>One piece of text that is read from its beginning to its end: a file, or the documentation of an assembly.</summary>
/// <param name="Name">What a person calls it: a path relative to the data folder, or an assembly's name.</param>
/// <param name="Text">The text, line ends as <c>\n</c>.</param>
public sealed record TextDocument(string Name, string Text)
{
    /// <summary>Length in bytes of the UTF-8 form.</summary>
    public long ByteCount { get; } = Encoding.UTF8.GetByteCount(Text);

    /// <summary>The UTF-8 form.</summary>
    public byte[] ToBytes() => Encoding.UTF8.GetBytes(Text);
}
