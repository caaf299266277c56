using System.IO.Compression;
using Memory.Gen.Tests.Build;
using Memory.Gen.Tests.Shared;

namespace Memory.Gen.Tests.Packages;

/// <summary>The packages of this build in a folder outside the repository, as a feed for projects beside it.</summary>
public sealed class PackedFeed : IDisposable
{
    // A project outside knows nothing of this repository: not its provider, not the build that runs these tests.
    private static readonly Dictionary<string, string?> Outside = new()
    {
        ["TorchProvider"] = null, ["TokenizerProvider"] = null, ["SnapshotProvider"] = null, ["NUGET_PACKAGES"] = null,
        ["MEMORY_GEN_NATIVE"] = null, ["MSBUILDDISABLENODEREUSE"] = "1", ["DOTNET_CLI_TELEMETRY_OPTOUT"] = "1",
    };

    private readonly string folder = Directory.CreateTempSubdirectory("memory-gen-packages-").FullName;

    public PackedFeed()
    {
        Pack("feed");

        // Every package of ours is unpacked anew; those of others are taken from where they were restored before.
        string restored = Environment.GetEnvironmentVariable("NUGET_PACKAGES") is { Length: > 0 } named
            ? named : Path.Combine(Environment.GetFolderPath(Environment.SpecialFolder.UserProfile), ".nuget", "packages");
        File.WriteAllText(Path.Combine(folder, "nuget.config"), $"""
            <configuration>
              <config><add key="globalPackagesFolder" value="restored" /></config>
              <fallbackPackageFolders><add key="before" value="{restored}" /></fallbackPackageFolders>
              <packageSources><add key="packed" value="feed" /></packageSources>
            </configuration>
            """);
    }

    private static string Configuration => AppContext.BaseDirectory.Contains("/Debug/", StringComparison.Ordinal) ? "Debug" : "Release";

    /// <summary>Packs what was built into a folder here, with the same times whenever it is done.</summary>
    public void Pack(string path)
    {
        Command.Result packed = Command.Run(
            "dotnet",
            ["pack", "Memory.Gen.Packages.slnf", "--no-build", "-c", Configuration, "--nologo", "-v", "quiet", "-p:PackageOutputPath=" + InFolder(path)],
            SourceTree.Root, new Dictionary<string, string?> { ["MSBUILDDISABLENODEREUSE"] = "1", ["SOURCE_DATE_EPOCH"] = "1700000000" });
        Assert.True(packed.ExitCode == 0, packed.Output + packed.Errors);
    }

    /// <summary>The packages, by id.</summary>
    public IReadOnlyDictionary<string, string> Packages => Directory.GetFiles(Path.Combine(folder, "feed"), "*.nupkg")
        .ToDictionary(f => Path.GetFileName(f).Replace(".0.1.0.nupkg", ""));

    /// <summary>The symbol packages, by id.</summary>
    public IReadOnlyDictionary<string, string> Symbols => Directory.GetFiles(Path.Combine(folder, "feed"), "*.snupkg")
        .ToDictionary(f => Path.GetFileName(f).Replace(".0.1.0.snupkg", ""));

    /// <summary>The files of a package, without those that only the package format needs.</summary>
    public IReadOnlyList<string> Files(string id) => Entries(Packages[id]);

    /// <summary>The files of a package or symbol package by its path.</summary>
    public static IReadOnlyList<string> Entries(string package)
    {
        using ZipArchive archive = ZipFile.OpenRead(package);
        return [.. archive.Entries.Select(e => e.FullName)
            .Where(n => !n.StartsWith("_rels/", StringComparison.Ordinal) && !n.StartsWith("package/", StringComparison.Ordinal) && n != "[Content_Types].xml")
            .Order(StringComparer.Ordinal)];
    }

    /// <summary>A file of a package.</summary>
    public string Text(string id, string file)
    {
        using ZipArchive archive = ZipFile.OpenRead(Packages[id]);
        using var reader = new StreamReader(archive.GetEntry(file)!.Open());
        return reader.ReadToEnd();
    }

    /// <summary>A path in the folder that holds the feed.</summary>
    public string InFolder(string path) => Path.Combine(folder, path);

    /// <summary>Runs the SDK in a folder beside the feed.</summary>
    internal Command.Result Dotnet(string path, params string[] arguments)
    {
        Directory.CreateDirectory(InFolder(path));
        return Command.Run("dotnet", arguments, InFolder(path), Outside);
    }

    public void Dispose() => Directory.Delete(folder, recursive: true);
}
