using System.Text;
using System.Text.Json;
using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Files;

/// <summary>One tensor of a safetensors file: element type, shape, and where its bytes lie after the header.</summary>
/// <param name="Dtype">Element type.</param>
/// <param name="Shape">Sizes of the axes; empty for a scalar.</param>
/// <param name="Offset">First byte, counted from the end of the header.</param>
/// <param name="Bytes">Number of bytes.</param>
public sealed record SafetensorsEntry(ScalarType Dtype, IReadOnlyList<long> Shape, long Offset, long Bytes);

/// <summary>Reads and checks the JSON header; nothing is allocated by what it claims.</summary>
internal sealed class SafetensorsHeader
{
    /// <summary>Limit of the format itself.</summary>
    public const long MaxBytes = 100_000_000;
    private const int MaxAxes = 64;

    private static readonly (string Name, ScalarType Type)[] Dtypes =
    [
        ("F64", ScalarType.Float64), ("F32", ScalarType.Float32), ("F16", ScalarType.Float16), ("BF16", ScalarType.BFloat16),
        ("I64", ScalarType.Int64), ("I32", ScalarType.Int32), ("I16", ScalarType.Int16), ("I8", ScalarType.Int8),
        ("U8", ScalarType.Byte), ("BOOL", ScalarType.Bool),
    ];

    public Dictionary<string, SafetensorsEntry> Entries { get; } = new(StringComparer.Ordinal);
    public Dictionary<string, string> Metadata { get; } = new(StringComparer.Ordinal);

    /// <param name="json">The header's bytes.</param>
    /// <param name="dataBytes">Bytes that follow the header; the tensors must fill them exactly.</param>
    /// <exception cref="FormatException">The header is not valid; the message says why.</exception>
    public static SafetensorsHeader Parse(ReadOnlySpan<byte> json, long dataBytes)
    {
        var header = new SafetensorsHeader();
        var reader = new Utf8JsonReader(json, new JsonReaderOptions { MaxDepth = 8 });
        try
        {
            Expect(ref reader, JsonTokenType.StartObject);
            bool metadataSeen = false;
            while (Next(ref reader) != JsonTokenType.EndObject)
            {
                string name = reader.GetString()!;
                if (name == "__metadata__" ? metadataSeen : header.Entries.ContainsKey(name))
                    throw new FormatException($"the header names '{name}' twice");
                if (name == "__metadata__")
                {
                    metadataSeen = true;
                    header.ReadMetadata(ref reader);
                }
                else
                    header.Entries.Add(name, ReadEntry(ref reader, name));
            }
            if (reader.Read())
                throw new FormatException("something follows the header's object");
        }
        catch (Exception error) when (error is JsonException or InvalidOperationException or DecoderFallbackException)
        {
            throw new FormatException("the header is not valid JSON", error);
        }
        header.CheckLayout(dataBytes);
        return header;
    }

    public static string NameOf(ScalarType dtype)
    {
        foreach (var (name, type) in Dtypes)
            if (type == dtype)
                return name;
        throw new ArgumentException($"A tensor of {dtype} cannot be written; supported are {Supported}. Convert it first.");
    }

    private static string Supported => string.Join(", ", Dtypes.Select(d => d.Name));

    private void ReadMetadata(ref Utf8JsonReader reader)
    {
        Expect(ref reader, JsonTokenType.StartObject);
        while (Next(ref reader) != JsonTokenType.EndObject)
        {
            string key = reader.GetString()!;
            Expect(ref reader, JsonTokenType.String);
            if (!Metadata.TryAdd(key, reader.GetString()!))
                throw new FormatException($"the metadata names '{key}' twice");
        }
    }

    private static SafetensorsEntry ReadEntry(ref Utf8JsonReader reader, string name)
    {
        ScalarType? dtype = null;
        List<long>? shape = null, offsets = null;
        Expect(ref reader, JsonTokenType.StartObject);
        while (Next(ref reader) != JsonTokenType.EndObject)
        {
            string key = reader.GetString()!;
            bool repeated = key switch { "dtype" => dtype != null, "shape" => shape != null, "data_offsets" => offsets != null, _ => false };
            if (repeated)
                throw new FormatException($"tensor '{name}' states {key} twice");
            switch (key)
            {
                case "dtype":
                    Expect(ref reader, JsonTokenType.String);
                    dtype = TypeOf(reader.GetString()!, name);
                    break;
                case "shape":
                    shape = ReadSizes(ref reader, MaxAxes, name, key);
                    break;
                case "data_offsets":
                    offsets = ReadSizes(ref reader, 2, name, key);
                    break;
                default:
                    reader.Skip();
                    break;
            }
        }
        if (dtype is not { } type || shape == null || offsets is not [long begin, long end])
            throw new FormatException($"tensor '{name}' lacks dtype, shape or data_offsets");

        long size = type.Size();
        try
        {
            foreach (long axis in shape)
                size = checked(size * axis);
        }
        catch (OverflowException)
        {
            throw new FormatException($"tensor '{name}' has a shape of more bytes than can be counted");
        }
        if (end < begin || end - begin != size)
            throw new FormatException($"tensor '{name}' of shape [{string.Join(", ", shape)}] needs {size} bytes but its offsets are {begin} to {end}");
        return new SafetensorsEntry(type, shape, begin, size);
    }

    private static List<long> ReadSizes(ref Utf8JsonReader reader, int limit, string name, string key)
    {
        var sizes = new List<long>();
        Expect(ref reader, JsonTokenType.StartArray);
        while (reader.Read() && reader.TokenType != JsonTokenType.EndArray)
        {
            if (reader.TokenType != JsonTokenType.Number || !reader.TryGetInt64(out long size) || size < 0)
                throw new FormatException($"tensor '{name}' has a {key} that is not a list of whole numbers from 0");
            if (sizes.Count == limit)
                throw new FormatException($"tensor '{name}' has a {key} of more than {limit} numbers");
            sizes.Add(size);
        }
        return sizes;
    }

    public static bool TryTypeOf(string name, out ScalarType dtype)
    {
        foreach (var (known, type) in Dtypes)
        {
            dtype = type;
            if (known == name)
                return true;
        }
        dtype = default;
        return false;
    }

    private static ScalarType TypeOf(string name, string tensor) => TryTypeOf(name, out var dtype) ? dtype
        : throw new FormatException($"tensor '{tensor}' has dtype {name}; supported are {Supported}");

    // The format's own rule: no overlap, no hole, nothing before, nothing after.
    private void CheckLayout(long dataBytes)
    {
        long end = 0;
        foreach (var (name, entry) in Entries.OrderBy(e => e.Value.Offset).ThenBy(e => e.Value.Bytes))
        {
            if (entry.Offset != end)
                throw new FormatException($"tensor '{name}' begins at byte {entry.Offset} where {end} is the next free one");
            end = checked(end + entry.Bytes);
        }
        if (end != dataBytes)
            throw new FormatException($"the tensors need {end} bytes but {dataBytes} follow the header; the file is cut short or was appended to");
    }

    private static JsonTokenType Next(ref Utf8JsonReader reader)
    {
        if (!reader.Read() || reader.TokenType is not (JsonTokenType.PropertyName or JsonTokenType.EndObject))
            throw new FormatException("the header is not an object of tensors");
        return reader.TokenType;
    }

    private static void Expect(ref Utf8JsonReader reader, JsonTokenType type)
    {
        if (!reader.Read() || reader.TokenType != type)
            throw new FormatException($"the header has a {reader.TokenType} where {type} belongs");
    }
}
