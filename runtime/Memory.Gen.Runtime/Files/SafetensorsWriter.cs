using System.Text;
using System.Text.Json;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Files;

/// <summary>Writes the JSON header of a safetensors file.</summary>
internal static class SafetensorsWriter
{
    /// <summary>The header, padded with spaces to a multiple of 8 bytes.</summary>
    /// <param name="ordered">The tensors in the order of their bytes.</param>
    /// <param name="metadata">The caller's metadata.</param>
    /// <param name="digestKey">Metadata key of the digest.</param>
    /// <param name="digest">Placeholder that stands where the digest will be written.</param>
    /// <param name="digestAt">Where the placeholder begins within the header.</param>
    public static byte[] Header(
        IReadOnlyList<KeyValuePair<string, Tensor>> ordered, IReadOnlyDictionary<string, string>? metadata,
        string digestKey, string digest, out int digestAt)
    {
        using var buffer = new MemoryStream();
        using (var json = new Utf8JsonWriter(buffer))
        {
            json.WriteStartObject();
            json.WriteStartObject("__metadata__");
            json.WriteString(digestKey, digest);
            foreach (var (key, value) in metadata ?? new Dictionary<string, string>())
                if (key != digestKey)
                    json.WriteString(key, value);
            json.WriteEndObject();

            long offset = 0;
            foreach (var (name, tensor) in ordered)
            {
                long end = offset + tensor.numel() * tensor.ElementSize;
                json.WriteStartObject(name);
                json.WriteString("dtype", SafetensorsHeader.NameOf(tensor.dtype));
                WriteNumbers(json, "shape", tensor.shape);
                WriteNumbers(json, "data_offsets", offset, end);
                json.WriteEndObject();
                offset = end;
            }
            json.WriteEndObject();
        }
        while (buffer.Length % 8 != 0)
            buffer.WriteByte((byte)' ');
        byte[] header = buffer.ToArray();
        // The digest is the first string of the first object, so this finds the placeholder and nothing a caller wrote.
        digestAt = header.AsSpan().IndexOf(Encoding.ASCII.GetBytes(digest));
        return header;
    }

    private static void WriteNumbers(Utf8JsonWriter json, string name, params long[] numbers)
    {
        json.WriteStartArray(name);
        foreach (long number in numbers)
            json.WriteNumberValue(number);
        json.WriteEndArray();
    }
}
