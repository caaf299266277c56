using System.Text.Json;
using Memory.Gen.Runtime.Files;

namespace Samples;

/// <summary>What commands leave for others to read; names are in snake case.</summary>
internal static class JsonFile
{
    // Files of earlier versions, in which a name begins with a capital letter, are read too.
    private static readonly JsonSerializerOptions Json = new()
    {
        PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, PropertyNameCaseInsensitive = true, WriteIndented = true, NewLine = "\n",
    };

    /// <summary>Writes a file; it is whole or not there.</summary>
    /// <exception cref="MemoryFileException">It could not be written.</exception>
    public static void Save<T>(string path, T value) => AtomicFile.Write(path, stream => JsonSerializer.Serialize(stream, value, Json));

    /// <summary>Reads a file.</summary>
    /// <exception cref="JsonException">It says something else.</exception>
    public static T? Read<T>(string path) => JsonSerializer.Deserialize<T>(File.ReadAllBytes(path), Json);
}
