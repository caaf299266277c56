namespace Memory.Gen.Runtime.Tests.Torch;

/// <summary>The sources these tests were built from.</summary>
internal static class SourceTree
{
    internal static string Root { get; } = Find();

    internal static string Path(params string[] parts) => System.IO.Path.Combine([Root, .. parts]);

    private static string Find()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(System.IO.Path.Combine(folder.FullName, "Memory.Gen.sln"))) return folder.FullName;
        throw new DirectoryNotFoundException($"No folder above {AppContext.BaseDirectory} holds Memory.Gen.sln: these tests read the sources they were built from.");
    }
}
