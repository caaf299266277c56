using System.Runtime.InteropServices;

namespace Memory.Gen.Training.Data;

/// <summary>Finds the reference packs that come with a .NET SDK.</summary>
internal static class DotnetRoot
{
    /// <summary>
    /// The documentation files of every reference pack, <c>packs/*.Ref/VERSION/ref/net*/*.xml</c>, from the first .NET installation
    /// that has any: <c>DOTNET_ROOT</c>, the one that runs this process, the one on <c>PATH</c>. Of each pack the newest version.
    /// </summary>
    /// <exception cref="FileNotFoundException">No installation has any.</exception>
    public static IReadOnlyList<string> DocumentationFiles()
    {
        var candidates = Candidates().Distinct(StringComparer.Ordinal).ToList();
        return candidates.Select(DocumentationFiles).FirstOrDefault(files => files.Count > 0)
            ?? throw new FileNotFoundException(
                $"No documentation of the .NET SDK under {string.Join(", ", candidates.Select(c => Path.Combine(c, "packs")))}; install the .NET SDK or name a text with --data.");
    }

    private static IReadOnlyList<string> DocumentationFiles(string root)
    {
        string packs = Path.Combine(root, "packs");
        if (!Directory.Exists(packs)) return [];
        return Directory.GetDirectories(packs, "*.Ref").Order(StringComparer.Ordinal)
            .Select(pack => Newest(pack, "*"))
            .Select(version => version is null ? null : Newest(Path.Combine(version, "ref"), "net*"))
            .OfType<string>()
            .SelectMany(folder => Directory.GetFiles(folder, "*.xml").Order(StringComparer.Ordinal))
            .ToList();
    }

    private static string? Newest(string folder, string pattern) => !Directory.Exists(folder) ? null
        : Directory.GetDirectories(folder, pattern)
            .OrderBy(d => Number(Path.GetFileName(d))).ThenBy(d => d, StringComparer.Ordinal)
            .LastOrDefault();

    private static Version Number(string name) =>
        Version.TryParse(name.Split('-')[0].Replace("netstandard", "").Replace("net", ""), out var version) ? version : new Version(0, 0);

    private static IEnumerable<string> Candidates()
    {
        if (Environment.GetEnvironmentVariable("DOTNET_ROOT") is { Length: > 0 } named) yield return named;

        // <root>/shared/Microsoft.NETCore.App/<version>/
        if (Path.GetFullPath(Path.Combine(RuntimeEnvironment.GetRuntimeDirectory(), "..", "..", "..")) is { } running)
            yield return running.TrimEnd(Path.DirectorySeparatorChar);

        string host = OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet";
        foreach (string folder in (Environment.GetEnvironmentVariable("PATH") ?? "").Split(Path.PathSeparator, StringSplitOptions.RemoveEmptyEntries))
        {
            var file = new FileInfo(Path.Combine(folder, host));
            if (!file.Exists) continue;
            yield return Path.GetDirectoryName(file.ResolveLinkTarget(returnFinalTarget: true)?.FullName ?? file.FullName)!;
        }
    }
}
