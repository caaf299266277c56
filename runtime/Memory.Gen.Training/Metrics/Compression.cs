using System.IO.Compression;

namespace Memory.Gen.Training.Metrics;

/// <summary>What general compressors at their best make of a text, with nothing but that text to learn from.</summary>
public static class Compression
{
    /// <summary>Bits a byte of a text in gzip's format at its smallest.</summary>
    /// <param name="text">Its bytes, at least one.</param>
    /// <exception cref="ArgumentException">The text is empty.</exception>
    public static double GzipBitsPerByte(ReadOnlySpan<byte> text)
    {
        using var packed = new MemoryStream();
        using (var gzip = new GZipStream(packed, CompressionLevel.SmallestSize, leaveOpen: true)) gzip.Write(text);
        return BitsPerByte(packed.Length, text);
    }

    /// <summary>Bits a byte of a text under Brotli, quality 11, 16 MiB window.</summary>
    /// <param name="text">Its bytes, at least one.</param>
    /// <exception cref="ArgumentException">The text is empty.</exception>
    public static double BrotliBitsPerByte(ReadOnlySpan<byte> text)
    {
        var packed = new byte[BrotliEncoder.GetMaxCompressedLength(text.Length)];
        BrotliEncoder.TryCompress(text, packed, out int length, quality: 11, window: 24);
        return BitsPerByte(length, text);
    }

    private static double BitsPerByte(long packed, ReadOnlySpan<byte> text) => text.IsEmpty
        ? throw new ArgumentException("There is no text to compress.", nameof(text))
        : 8.0 * packed / text.Length;
}
