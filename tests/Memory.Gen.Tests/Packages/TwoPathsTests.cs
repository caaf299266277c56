using System.IO.Compression;
using System.Reflection.Metadata;
using System.Text;
using Memory.Gen.Tests.Build;
using Memory.Gen.Tests.Shared;

namespace Memory.Gen.Tests.Packages;

/// <summary>One commit makes the same packages wherever it is built, and their symbols say where the sources are.</summary>
public sealed class TwoPathsTests : IDisposable
{
    private static readonly Guid SourceLink = new("CC110556-A091-4D38-9FEC-25AB9A351A6A");

    private readonly string folder = Directory.CreateTempSubdirectory("memory-gen-paths-").FullName;

    [Fact]
    [Trait("Category", "Soak")]
    public void TheSameBytesFromTwoFolders()
    {
        string[] first = Build("a"), second = Build("another/place");
        Assert.Equal(first.Select(Path.GetFileName), second.Select(Path.GetFileName));
        Assert.All(first.Zip(second), p => Assert.True(File.ReadAllBytes(p.First).SequenceEqual(File.ReadAllBytes(p.Second)), Path.GetFileName(p.First)));

        string commit = Run("git", ["rev-parse", "HEAD"], "a").TrimEnd();
        string[] symbols = [.. first.Where(p => p.EndsWith(".snupkg", StringComparison.Ordinal))];
        Assert.Equal(2, symbols.Length);
        Assert.All(symbols, p => Assert.Contains($"https://raw.githubusercontent.com/memory-gen/memory-gen/{commit}/*", SourceLinkOf(p)));
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);

    // As `./build.sh pack` does, from a clone of the commit that is being tested and the native libraries beside it.
    private string[] Build(string clone)
    {
        string path = Path.Combine(folder, clone);
        Run("git", ["clone", "--quiet", SourceTree.Root, path], ".");
        Run("git", ["remote", "set-url", "origin", "https://github.com/memory-gen/memory-gen.git"], clone);
        Run("cp", ["-r", "--parents", "artifacts/native", path], SourceTree.Root);
        if (File.Exists(SourceTree.Path("torch.props")))
            File.Copy(SourceTree.Path("torch.props"), Path.Combine(path, "torch.props"));
        Run("dotnet", ["pack", "Memory.Gen.Packages.slnf", "-c", "Release", "--nologo", "-v", "quiet", "-p:ContinuousIntegrationBuild=true", "-p:PackageOutputPath=" + Path.Combine(path, "packed")], clone);
        return [.. Directory.GetFiles(Path.Combine(path, "packed")).Order(StringComparer.Ordinal)];
    }

    private string Run(string program, string[] arguments, string path)
    {
        Command.Result result = Command.Run(
            program, arguments, Path.Combine(folder, path), new Dictionary<string, string?> { ["MSBUILDDISABLENODEREUSE"] = "1", ["SOURCE_DATE_EPOCH"] = "1700000000" });
        Assert.True(result.ExitCode == 0, $"{program} {string.Join(' ', arguments)}\n{result.Output}{result.Errors}");
        return result.Output;
    }

    private static string SourceLinkOf(string symbolPackage)
    {
        using ZipArchive archive = ZipFile.OpenRead(symbolPackage);
        var pdb = new MemoryStream();
        using (Stream packed = archive.Entries.Single(e => e.FullName.EndsWith(".pdb", StringComparison.Ordinal)).Open())
            packed.CopyTo(pdb);
        pdb.Position = 0;
        using var provider = MetadataReaderProvider.FromPortablePdbStream(pdb);
        MetadataReader reader = provider.GetMetadataReader();
        return Encoding.UTF8.GetString(reader.GetBlobBytes(reader.CustomDebugInformation.Select(reader.GetCustomDebugInformation)
            .Single(i => reader.GetGuid(i.Kind) == SourceLink).Value));
    }
}
