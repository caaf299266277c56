using System.Buffers.Binary;
using System.Security.Cryptography;
using System.Text;
using Microsoft.Win32.SafeHandles;
using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Files;

/// <summary>
/// A safetensors file: named tensors and string metadata. Opening reads and checks the header alone, so a file from a
/// stranger cannot make the process allocate more than it holds; tensors are read one by one, straight into place.
/// </summary>
/// <remarks>
/// Files written here carry <c>sha256</c> in their metadata: the digest of the whole file with the digest's own 64
/// characters taken as zeros. <see cref="Verify"/> compares it. Files of other programs have none and are read all the same.
/// </remarks>
public sealed class SafetensorsFile : IDisposable
{
    private const string DigestKey = "sha256";
    private const int ChunkBytes = 16 << 20;
    private static readonly string NoDigest = new('0', 64);

    private readonly string path;
    private readonly SafeFileHandle handle;
    private readonly byte[] headerBytes;
    private readonly SafetensorsHeader header;

    private SafetensorsFile(string path, SafeFileHandle handle, byte[] headerBytes, SafetensorsHeader header)
    {
        this.path = path;
        this.handle = handle;
        this.headerBytes = headerBytes;
        this.header = header;
    }

    /// <summary>The file's string metadata; empty when it has none.</summary>
    public IReadOnlyDictionary<string, string> Metadata => header.Metadata;

    /// <summary>Names of the tensors.</summary>
    public IReadOnlyCollection<string> Names => header.Entries.Keys;

    /// <summary>Element type, shape and place of every tensor, without reading any.</summary>
    public IReadOnlyDictionary<string, SafetensorsEntry> Entries => header.Entries;

    /// <summary>Whether the file carries the digest that <see cref="Verify"/> compares.</summary>
    public bool HasDigest => header.Metadata.ContainsKey(DigestKey);

    /// <summary>Opens a file and checks its header: size, JSON, shapes, offsets, that the tensors fill the file exactly.</summary>
    /// <param name="path">The file; it stays open until <see cref="Dispose"/>.</param>
    /// <exception cref="MemoryFileException">It cannot be read, or it is not a safetensors file; the message says why.</exception>
    public static SafetensorsFile Open(string path)
    {
        SafeFileHandle? handle = null;
        try
        {
            handle = File.OpenHandle(path, FileMode.Open, FileAccess.Read, FileShare.Read | FileShare.Delete);
            long length = RandomAccess.GetLength(handle);
            if (length < 8)
                throw new FormatException($"its {length} bytes are fewer than the 8 every safetensors file begins with");
            Span<byte> prefix = stackalloc byte[8];
            ReadExactly(handle, prefix, 0);
            ulong size = BinaryPrimitives.ReadUInt64LittleEndian(prefix);
            if (size < 2 || size > SafetensorsHeader.MaxBytes || size > (ulong)(length - 8))
                throw new FormatException($"its header would have {size} bytes; from 2 to {Math.Min(SafetensorsHeader.MaxBytes, length - 8)} are possible");
            var bytes = new byte[size];
            ReadExactly(handle, bytes, 8);
            return new SafetensorsFile(path, handle, bytes, SafetensorsHeader.Parse(bytes, length - 8 - bytes.Length));
        }
        catch (FormatException error)
        {
            handle?.Dispose();
            throw new MemoryFileException(path, $"not a whole safetensors file: {error.Message}. Use another copy of it.", error);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            handle?.Dispose();
            throw new MemoryFileException(path, $"cannot be read: {Cause(path, error)}", error);
        }
    }

    /// <summary>Reads one tensor.</summary>
    /// <param name="name">One of <see cref="Names"/>.</param>
    /// <param name="dtype">Element type of the result; null keeps the file's.</param>
    /// <param name="device">Where the result lies; null is the CPU.</param>
    /// <returns>The tensor in its shape, without a gradient; the caller owns it.</returns>
    /// <exception cref="MemoryFileException">There is no such tensor, or the file cannot be read.</exception>
    public Tensor Read(string name, ScalarType? dtype = null, Device? device = null)
    {
        if (!header.Entries.TryGetValue(name, out var entry))
            throw new MemoryFileException(path, $"holds no tensor '{name}'; it has {string.Join(", ", Names.Order(StringComparer.Ordinal))}.");

        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        // A byte that is neither 0 nor 1 is no valid bool inside torch, so bools are read as bytes and converted.
        var stored = entry.Dtype == ScalarType.Bool ? ScalarType.Byte : entry.Dtype;
        Tensor tensor = empty(entry.Shape.ToArray(), dtype: stored, device: CPU);
        try
        {
            long position = 8L + headerBytes.Length + entry.Offset;
            foreach (Tensor piece in Pieces(tensor))
            {
                var bytes = piece.bytes;
                ReadExactly(handle, bytes, position);
                position += bytes.Length;
            }
        }
        catch (IOException error)
        {
            throw new MemoryFileException(path, $"tensor '{name}' cannot be read: {error.Message}", error);
        }
        var target = dtype ?? entry.Dtype;
        if (stored != target)
            tensor = tensor.to(target);
        if (device != null && device.type != DeviceType.CPU)
            tensor = tensor.to(device);
        return tensor.MoveToOuterDisposeScope();
    }

    /// <summary>Compares the whole file with the digest in its metadata.</summary>
    /// <exception cref="MemoryFileException">The file has no digest, or it was altered since it was written.</exception>
    public void Verify()
    {
        if (!header.Metadata.TryGetValue(DigestKey, out var expected))
            throw new MemoryFileException(path, $"carries no '{DigestKey}' in its metadata, so it cannot be told whether it is whole; it was not written by Memory.Gen.");
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var blank = headerBytes.AsSpan().ToArray();
        int at = expected.Length == NoDigest.Length ? blank.AsSpan().IndexOf(Encoding.UTF8.GetBytes(expected)) : -1;
        if (at >= 0)
            blank.AsSpan(at, NoDigest.Length).Fill((byte)'0');
        hash.AppendData(blank);
        try
        {
            var buffer = new byte[1 << 20];
            long position = 8L + headerBytes.Length;
            for (int count; (count = RandomAccess.Read(handle, buffer, position)) > 0; position += count)
                hash.AppendData(buffer, 0, count);
        }
        catch (IOException error)
        {
            throw new MemoryFileException(path, $"cannot be read: {error.Message}", error);
        }
        if (at < 0 || Convert.ToHexStringLower(hash.GetHashAndReset()) != expected)
            throw new MemoryFileException(path, "was altered or damaged after it was written: its content does not match its digest. Use another copy of it.");
    }

    /// <summary>Writes tensors and metadata to a temporary name, flushes, renames; a digest is added to the metadata.</summary>
    /// <param name="path">The file to create or replace.</param>
    /// <param name="tensors">What to write, on any device, in any layout.</param>
    /// <param name="metadata">Strings to keep beside them.</param>
    /// <exception cref="MemoryFileException">The file could not be written; what was there before is untouched.</exception>
    /// <exception cref="ArgumentException">A string of the metadata is null, which no reader would take.</exception>
    public static void Write(string path, IReadOnlyDictionary<string, Tensor> tensors, IReadOnlyDictionary<string, string>? metadata = null)
    {
        if (metadata?.FirstOrDefault(entry => entry.Value is null).Key is { } key)
            throw new ArgumentException($"The metadata's '{key}' is null; give a string, or leave it out.", nameof(metadata));

        // Wide types first, so that every tensor is aligned to its element size.
        var ordered = tensors.OrderByDescending(t => t.Value.ElementSize).ThenBy(t => t.Key, StringComparer.Ordinal).ToList();
        byte[] headerBytes = SafetensorsWriter.Header(ordered, metadata, DigestKey, NoDigest, out int digestAt);
        long dataBytes = ordered.Sum(t => t.Value.numel() * t.Value.ElementSize);

        AtomicFile.Write(path, stream =>
        {
            using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
            Span<byte> prefix = stackalloc byte[8];
            BinaryPrimitives.WriteInt64LittleEndian(prefix, headerBytes.Length);
            stream.Write(prefix);
            stream.Write(headerBytes);
            hash.AppendData(headerBytes);
            using var quiet = no_grad();
            foreach (var (_, tensor) in ordered)
            {
                using var scope = NewDisposeScope();
                foreach (Tensor piece in Pieces(tensor.contiguous()))
                {
                    using Tensor host = piece.cpu();
                    hash.AppendData(host.bytes);
                    stream.Write(host.bytes);
                }
            }
            stream.Position = 8 + digestAt;
            stream.Write(Encoding.ASCII.GetBytes(Convert.ToHexStringLower(hash.GetHashAndReset())));
        }, 8 + headerBytes.Length + dataBytes);
    }

    /// <summary>Closes the file.</summary>
    public void Dispose() => handle.Dispose();

    // Spans are limited to 2^31 bytes; views of this size also bound what a transfer from another device holds on the host.
    private static IEnumerable<Tensor> Pieces(Tensor tensor)
    {
        using Tensor flat = tensor.view(-1);
        long count = flat.numel(), step = ChunkBytes / flat.ElementSize;
        for (long start = 0; start < count; start += step)
        {
            using Tensor piece = flat.narrow(0, start, Math.Min(step, count - start));
            yield return piece;
        }
    }

    // The system calls a folder that is opened as a file a lack of permission.
    private static string Cause(string path, Exception error) => error switch
    {
        FileNotFoundException or DirectoryNotFoundException => $"there is no such file{(Path.IsPathRooted(path) ? "" : $" in {Directory.GetCurrentDirectory()}")}. Give the name of one that was saved.",
        UnauthorizedAccessException when Directory.Exists(path) => "it is a folder. Give the name of a file.",
        _ => error.Message,
    };

    private static void ReadExactly(SafeFileHandle handle, Span<byte> bytes, long position)
    {
        while (bytes.Length > 0)
        {
            int count = RandomAccess.Read(handle, bytes, position);
            if (count == 0)
                throw new EndOfStreamException("it ends before its tensors do");
            bytes = bytes[count..];
            position += count;
        }
    }
}
