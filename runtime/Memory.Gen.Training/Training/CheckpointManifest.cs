using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Memory.Gen.Runtime.Files;

namespace Memory.Gen.Training;

/// <summary>
/// <c>checkpoint.json</c>: the run beside its tensors, the digest of every other file, and a digest of itself (taken with its own 64
/// characters as zeros). Only the file names known here are ever opened.
/// </summary>
internal static class CheckpointManifest
{
    private const string Name = "checkpoint.json", Format = "memory-gen-checkpoint";
    private const int Version = 1;
    private const long LargestFile = 64 << 20;

    private static readonly string[] ModelFiles = [Checkpoint.Weights, "vocab.json", "merges.txt"];
    private static readonly string[] FileNames = [.. ModelFiles, Checkpoint.Optimizer, Checkpoint.Memory];
    private static readonly string NoDigest = new('0', 64);
    private static readonly JsonSerializerOptions Json = new() { PropertyNamingPolicy = JsonNamingPolicy.SnakeCaseLower, WriteIndented = true, NewLine = "\n" };

    private sealed record Manifest(string Format, int Version, string Sha256, Dictionary<string, string> Files, TrainingSnapshot Snapshot);

    /// <summary>Writes the manifest of a folder in which the other files are.</summary>
    public static void Write(string folder, TrainingSnapshot snapshot)
    {
        var files = FileNames.ToDictionary(f => f, f => Digest(Path.Combine(folder, f)));
        byte[] json = JsonSerializer.SerializeToUtf8Bytes(new Manifest(Format, Version, NoDigest, files, snapshot), Json);
        string digest = Convert.ToHexStringLower(SHA256.HashData(json));
        Encoding.ASCII.GetBytes(digest).CopyTo(json, json.AsSpan().IndexOf(Encoding.ASCII.GetBytes(NoDigest)));
        AtomicFile.Write(Path.Combine(folder, Name), stream => stream.Write(json));
    }

    /// <summary>Reads and checks a folder.</summary>
    /// <exception cref="MemoryFileException">It is no checkpoint, not whole, or was altered.</exception>
    public static (TrainingSnapshot Snapshot, string ModelDigest) Read(string folder)
    {
        string path = Path.Combine(folder, Name);
        try
        {
            var manifest = Parse(path);
            foreach (string name in FileNames)
                if (!manifest.Files.TryGetValue(name, out string? digest) || Digest(Path.Combine(folder, name)) != digest)
                    throw new MemoryFileException(Path.Combine(folder, name), "was altered or damaged after the checkpoint was written. Use another checkpoint.");
            return (manifest.Snapshot, ModelDigest(manifest.Files));
        }
        catch (Exception error) when (error is FileNotFoundException or DirectoryNotFoundException)
        {
            throw new MemoryFileException(folder, $"is no whole checkpoint ({error.Message.TrimEnd('.')}). Use another checkpoint.", error);
        }
        catch (Exception error) when (error is (IOException and not MemoryFileException) or UnauthorizedAccessException)
        {
            throw new MemoryFileException(folder, $"cannot be read: {error.Message}", error);
        }
    }

    private static Manifest Parse(string path)
    {
        long length = new FileInfo(path).Length;
        if (length > LargestFile) throw new MemoryFileException(path, $"has {length} bytes, more than the {LargestFile} a checkpoint's description may have.");
        byte[] json = File.ReadAllBytes(path);
        Manifest? manifest;
        try
        {
            manifest = JsonSerializer.Deserialize<Manifest>(json, Json);
        }
        catch (JsonException error)
        {
            throw new MemoryFileException(path, $"is not a checkpoint's description ({error.Message.TrimEnd('.')}). Use another checkpoint.", error);
        }
        if (manifest?.Format != Format || manifest is not { Files: not null, Snapshot: not null })
            throw new MemoryFileException(path, $"is not a checkpoint's description: format \"{manifest?.Format}\", expected \"{Format}\". Use another checkpoint.");
        if (manifest.Version != Version)
            throw new MemoryFileException(path, $"is a checkpoint of version {manifest.Version}; this program reads version {Version}.");

        int at = manifest.Sha256 is { Length: 64 } digest ? json.AsSpan().IndexOf(Encoding.ASCII.GetBytes(digest)) : -1;
        if (at >= 0) json.AsSpan(at, NoDigest.Length).Fill((byte)'0');
        if (at < 0 || Convert.ToHexStringLower(SHA256.HashData(json)) != manifest.Sha256)
            throw new MemoryFileException(path, "was altered or damaged after the checkpoint was written. Use another checkpoint.");
        return manifest;
    }

    private static string ModelDigest(Dictionary<string, string> files) =>
        Convert.ToHexStringLower(SHA256.HashData(Encoding.ASCII.GetBytes(string.Join('\n', ModelFiles.Select(name => files[name])))));

    private static string Digest(string path)
    {
        using var stream = File.OpenRead(path);
        return Convert.ToHexStringLower(SHA256.HashData(stream));
    }
}
