namespace Memory.Gen.Runtime.Tests.Files;

/// <summary>A folder of its own for one test.</summary>
public sealed class TemporaryFolder : IDisposable
{
    private readonly string root = Directory.CreateTempSubdirectory("memory-gen-").FullName;

    public string Root => root;

    public string File(string name) => Path.Combine(root, name);

    public string[] Names => [.. Directory.GetFileSystemEntries(root).Select(p => Path.GetFileName(p)!).Order(StringComparer.Ordinal)];

    public void Dispose() => Directory.Delete(root, recursive: true);
}
