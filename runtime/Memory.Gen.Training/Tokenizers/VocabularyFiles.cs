using System.Globalization;
using System.Text;
using System.Text.Encodings.Web;
using System.Text.Json;
using Memory.Gen.Runtime.Files;

namespace Memory.Gen.Training.Tokenizers;

/// <summary>
/// A vocabulary as <c>vocab.json</c> (token text to number) and <c>merges.txt</c> (pairs, first learnt first), in GPT-2's form: a byte is
/// written as a printable character, so both files are text.
/// </summary>
public static class VocabularyFiles
{
    private const string VocabName = "vocab.json", MergesName = "merges.txt";
    private const long LargestFile = 64 << 20;

    private static readonly char[] ByteToCharacter = MapBytes();
    private static readonly Dictionary<char, byte> CharacterToByte = ByteToCharacter.Select((c, b) => (c, b)).ToDictionary(p => p.c, p => (byte)p.b);

    /// <summary>Reads the tokenizer that was saved in a folder.</summary>
    /// <param name="folder">A folder with <c>vocab.json</c> and <c>merges.txt</c>.</param>
    /// <exception cref="IOException">A file is missing or cannot be read.</exception>
    /// <exception cref="InvalidDataException">The files are no byte-level vocabulary.</exception>
    public static ITokenizer Read(string folder)
    {
        byte[][] tokens = ReadTokens(Path.Combine(folder, VocabName));
        var merges = ReadMerges(Path.Combine(folder, MergesName), tokens);
        bool bytes = tokens.Length == 256 && merges.Length == 0 && tokens.Select((t, i) => t[0] == i).All(same => same);
        if (bytes) return new ByteTokenizer();
        var tokenizer = new BytePairTokenizer(tokens, merges);
#if TOKENIZERS_PACKAGE
        return new PackageTokenizer(Path.Combine(folder, VocabName), Path.Combine(folder, MergesName), tokenizer);
#else
        return tokenizer;
#endif
    }

    internal static void Write(string folder, byte[][] tokens, (int Left, int Right, int Merged)[] merges)
    {
        Directory.CreateDirectory(folder);
        using var vocab = new MemoryStream();
        using (var json = new Utf8JsonWriter(vocab, new JsonWriterOptions { Indented = true, NewLine = "\n", Encoder = JavaScriptEncoder.UnsafeRelaxedJsonEscaping }))
        {
            json.WriteStartObject();
            for (int token = 0; token < tokens.Length; token++) json.WriteNumber(ToCharacters(tokens[token]), token);
            json.WriteEndObject();
        }
        AtomicFile.Write(Path.Combine(folder, VocabName), vocab.WriteTo);

        var text = new StringBuilder("#version: 0.2\n");
        foreach (var (left, right, _) in merges)
            text.Append(ToCharacters(tokens[left])).Append(' ').Append(ToCharacters(tokens[right])).Append('\n');
        AtomicFile.Write(Path.Combine(folder, MergesName), stream => stream.Write(Encoding.UTF8.GetBytes(text.ToString())));
    }

    private static byte[][] ReadTokens(string path)
    {
        using var json = Parse(path);
        if (json.RootElement.ValueKind != JsonValueKind.Object) throw Bad(path, "is no JSON object of token numbers");
        var entries = json.RootElement.EnumerateObject().ToList();
        var tokens = new byte[entries.Count][];
        foreach (var entry in entries)
        {
            if (entry.Value.ValueKind != JsonValueKind.Number || !entry.Value.TryGetInt32(out int token) || token < 0 || token >= tokens.Length || tokens[token] is not null)
                throw Bad(path, $"gives \"{entry.Name}\" the number {entry.Value}; {tokens.Length} tokens are numbered 0 to {tokens.Length - 1}, each once");
            tokens[token] = ToBytes(entry.Name) ?? throw Bad(path, $"has the token \"{entry.Name}\", which is not in byte-level form");
        }
        int singles = tokens.Where(t => t.Length == 1).Select(t => t[0]).Distinct().Count();
        return singles == 256 ? tokens : throw Bad(path, $"has tokens for {singles} of the 256 bytes");
    }

    private static (int Left, int Right, int Merged)[] ReadMerges(string path, byte[][] tokens)
    {
        var numbers = new Dictionary<string, int>(tokens.Length, StringComparer.Ordinal);
        for (int token = 0; token < tokens.Length; token++) numbers[ToCharacters(tokens[token])] = token;

        var merges = new List<(int, int, int)>();
        int number = 0;
        foreach (string line in Encoding.UTF8.GetString(ReadBounded(path)).Split('\n'))
        {
            number++;
            if (line.Length == 0 || line.StartsWith("#version", StringComparison.Ordinal)) continue;
            string[] parts = line.TrimEnd('\r').Split(' ');
            if (parts.Length != 2 || !numbers.TryGetValue(parts[0], out int left) || !numbers.TryGetValue(parts[1], out int right)
                || !numbers.TryGetValue(parts[0] + parts[1], out int merged))
                throw Bad(path, string.Create(CultureInfo.InvariantCulture, $"has in line {number} \"{line}\"; two tokens that join to a third of {VocabName} were expected"));
            merges.Add((left, right, merged));
        }
        return [.. merges];
    }

    private static JsonDocument Parse(string path)
    {
        try
        {
            return JsonDocument.Parse(ReadBounded(path));
        }
        catch (JsonException e)
        {
            throw Bad(path, "is not JSON (" + e.Message + ")");
        }
    }

    private static byte[] ReadBounded(string path)
    {
        var file = new FileInfo(path);
        if (!file.Exists) throw new FileNotFoundException($"{path} does not exist; a tokenizer is a folder with {VocabName} and {MergesName}.");
        if (file.Length > LargestFile) throw Bad(path, $"has {file.Length} bytes, more than the {LargestFile} a vocabulary may have");
        return File.ReadAllBytes(path);
    }

    private static InvalidDataException Bad(string path, string problem) =>
        new($"{path} {problem}; save the tokenizer again.");

    private static string ToCharacters(byte[] bytes) => string.Create(bytes.Length, bytes, (text, b) =>
    {
        for (int i = 0; i < b.Length; i++) text[i] = ByteToCharacter[b[i]];
    });

    private static byte[]? ToBytes(string characters)
    {
        var bytes = new byte[characters.Length];
        for (int i = 0; i < bytes.Length; i++)
            if (!CharacterToByte.TryGetValue(characters[i], out bytes[i])) return null;
        return bytes.Length == 0 ? null : bytes;
    }

    // Printable bytes stand for themselves, the others for the characters from U+0100 on, in order.
    private static char[] MapBytes()
    {
        var map = new char[256];
        char other = '\u0100';
        for (int b = 0; b < 256; b++)
            map[b] = b is >= '!' and <= '~' or >= 0xA1 and <= 0xAC or >= 0xAE and <= 0xFF ? (char)b : other++;
        return map;
    }
}
