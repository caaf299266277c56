using System.Text;

namespace Memory.Gen.Training.Tokenizers;

/// <summary>One token a byte of UTF-8: 256 tokens.</summary>
public sealed class ByteTokenizer : ITokenizer
{
    private static readonly byte[] AllBytes = [.. Enumerable.Range(0, 256).Select(b => (byte)b)];

    /// <inheritdoc/>
    public int VocabSize => 256;

    /// <inheritdoc/>
    public int[] Encode(ReadOnlySpan<char> text)
    {
        var bytes = new byte[Encoding.UTF8.GetByteCount(text)];
        Encoding.UTF8.GetBytes(text, bytes);
        return Array.ConvertAll(bytes, b => (int)b);
    }

    /// <inheritdoc/>
    public ReadOnlyMemory<byte> Bytes(long token)
    {
        if (token is < 0 or > 255) throw new ArgumentOutOfRangeException(nameof(token), token, "A byte token lies between 0 and 255.");
        return AllBytes.AsMemory((int)token, 1);
    }

    /// <inheritdoc/>
    public void Save(string folder) => VocabularyFiles.Write(folder, [.. AllBytes.Select(b => new[] { b })], []);
}
