using System.Reflection;

namespace LanguageModel.Models;

/// <summary>Parts of commands that a person copies from what this program says, so that they work where that person stands.</summary>
internal static class Copied
{
    private const string Script = "build.sh", Project = "samples/LanguageModel";

    private static readonly string Here = Environment.CurrentDirectory;

    // build.sh runs programs in its own folder and says where it was called; it is there that a command is typed.
    private static readonly string Caller = Environment.GetEnvironmentVariable("MEMORY_GEN_CALLER") is { Length: > 0 } caller ? caller : Here;

    private static readonly string? Root = FindRoot();

    // Only there does everything mean the same, build.sh's paths and the program's.
    private static readonly bool AtRoot = Caller == Root && Here == Root;

    /// <summary>The command that trains.</summary>
    public static string Train => Root is null ? $"{Program} train" : $"{(AtRoot ? "./" + Script : Terminal.Word(Path.Combine(Root, Script)))} train";

    /// <summary>What the other commands begin with.</summary>
    public static string Program => Root is null
        ? $"dotnet {Terminal.Word(Assembly.GetExecutingAssembly().Location)}"
        : $"dotnet run -c Release --project {(AtRoot ? Project : Terminal.Word(Path.Combine(Root, Project)))} --";

    /// <summary>The path of a file or a folder as one word.</summary>
    public static string Word(string path) => Terminal.Word(AtRoot ? path : Path.GetFullPath(path));

    // Null where the program was taken out of the repository.
    private static string? FindRoot()
    {
        for (DirectoryInfo? folder = new(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (File.Exists(Path.Combine(folder.FullName, Script)) && Directory.Exists(Path.Combine(folder.FullName, Project))) return folder.FullName;
        return null;
    }
}
