using System.Buffers;

namespace TorchSharp.Utils;

/// <summary>
/// TorchSharp's own file format of a tensor: LEB128 type code, LEB128 rank, LEB128 sizes, then the contiguous elements, little endian.
/// No magic number, no alignment.
/// </summary>
internal static class TensorFormat
{
    private const long ChunkElements = 1 << 24;

    // Files come from strangers: no tensor has more dimensions than this.
    private const long MaxRank = 64;

    public static void WriteNumber(BinaryWriter writer, long value)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(value);
        writer.Write7BitEncodedInt64(value);
    }

    public static long ReadNumber(BinaryReader reader)
    {
        long value = reader.Read7BitEncodedInt64();
        return value >= 0 ? value : throw new InvalidDataException("A count in the file is negative: TorchSharp did not write it.");
    }

    public static void Write(BinaryWriter writer, torch.Tensor tensor)
    {
        using var noGrad = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        WriteNumber(writer, (int)tensor.dtype);
        long[] shape = tensor.shape;
        WriteNumber(writer, shape.Length);
        foreach (long size in shape) WriteNumber(writer, size);
        torch.Tensor elements = tensor.detach().cpu().contiguous().view(-1);
        for (long start = 0; start < elements.NumberOfElements; start += ChunkElements)
            writer.Write(Chunk(elements, start).bytes);
    }

    /// <summary>Reads a tensor of the target's type and shape into the target.</summary>
    /// <param name="reader">Stands at the tensor's type code.</param>
    /// <param name="target">Receives the values, on whatever device it is.</param>
    /// <param name="key">The tensor's name, for the error.</param>
    public static void ReadInto(BinaryReader reader, torch.Tensor target, string key)
    {
        var (type, shape) = ReadHeader(reader);
        if (type != target.dtype)
            throw new ArgumentException($"Mismatched tensor data types while loading '{key}': the file has {type}, the target is {target.dtype}.");
        if (!target.shape.AsSpan().SequenceEqual(shape))
            throw new ArgumentException($"Mismatched tensor shape while loading '{key}': the file has [{string.Join(", ", shape)}], the target is [{string.Join(", ", target.shape)}].");

        using var noGrad = torch.no_grad();
        using var scope = torch.NewDisposeScope();
        if (target.device_type == DeviceType.CPU && target.is_contiguous())
        {
            ReadElements(reader, target.detach());
            return;
        }
        torch.Tensor host = torch.empty(shape, type, torch.CPU);
        ReadElements(reader, host);
        target.copy_(host);
    }

    /// <summary>Reads a tensor into a new one on the CPU.</summary>
    public static torch.Tensor Read(BinaryReader reader)
    {
        var (type, shape) = ReadHeader(reader);
        torch.Tensor result = torch.empty(shape, type, torch.CPU);
        using var scope = torch.NewDisposeScope();
        ReadElements(reader, result);
        return result;
    }

    public static void Skip(BinaryReader reader)
    {
        var (type, shape) = ReadHeader(reader);
        long bytes = shape.Aggregate((long)type.ElementSize(), (product, size) => checked(product * size));
        byte[] buffer = ArrayPool<byte>.Shared.Rent((int)Math.Min(bytes, 1 << 16));
        while (bytes > 0)
        {
            Span<byte> part = buffer.AsSpan(0, (int)Math.Min(bytes, buffer.Length));
            ReadAll(reader, part);
            bytes -= part.Length;
        }
        ArrayPool<byte>.Shared.Return(buffer);
    }

    private static (torch.ScalarType Type, long[] Shape) ReadHeader(BinaryReader reader)
    {
        long code = ReadNumber(reader);
        if (code > int.MaxValue || !Enum.IsDefined((torch.ScalarType)code))
            throw new InvalidDataException($"The file names an unknown element type, {code}: TorchSharp did not write it, or it is damaged.");
        long rank = ReadNumber(reader);
        if (rank > MaxRank)
            throw new InvalidDataException($"The file has a tensor of {rank} dimensions: TorchSharp did not write it, or it is damaged.");
        var shape = new long[rank];
        for (int i = 0; i < shape.Length; i++) shape[i] = ReadNumber(reader);
        return ((torch.ScalarType)code, shape);
    }

    private static void ReadElements(BinaryReader reader, torch.Tensor tensor)
    {
        torch.Tensor elements = tensor.view(-1);
        for (long start = 0; start < elements.NumberOfElements; start += ChunkElements)
            ReadAll(reader, Chunk(elements, start).bytes);
    }

    // A span holds 2 GiB at most; a tensor may be larger.
    private static torch.Tensor Chunk(torch.Tensor elements, long start) =>
        elements.narrow(0, start, Math.Min(ChunkElements, elements.NumberOfElements - start));

    private static void ReadAll(BinaryReader reader, Span<byte> into)
    {
        while (into.Length > 0)
        {
            int read = reader.Read(into);
            if (read == 0) throw new EndOfStreamException($"The file ends in the middle of a tensor: {into.Length} more bytes were expected.");
            into = into[read..];
        }
    }
}
