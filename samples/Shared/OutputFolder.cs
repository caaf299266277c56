namespace Samples;

/// <summary>A folder that a command writes to. It is there, takes files and is this command's alone from before the work begins whose results it is for.</summary>
internal sealed class OutputFolder : IDisposable
{
    private readonly List<string> made = [];
    private readonly IDisposable mark;

    /// <summary>Makes the folder where it is missing.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="option">The option that named it.</param>
    /// <exception cref="UserError">It cannot be, or another command writes to it.</exception>
    public OutputFolder(string path, string option = "--out")
    {
        Path = path;
        try
        {
            for (string? folder = System.IO.Path.GetFullPath(path); folder is not null && !Directory.Exists(folder); folder = System.IO.Path.GetDirectoryName(folder)) made.Add(folder);
            Directory.CreateDirectory(path);
            mark = InUse.Begin(System.IO.Path.Combine(path, ".in-use"))
                ?? throw new UserError($"Another command writes to the folder \"{path}\". Wait until it ends, or name another folder with {option}.");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException)
        {
            RemoveEmpty();
            throw new UserError($"{option} names the folder \"{path}\", in which nothing can be written ({error.Message.Split(" (Parameter")[0].TrimEnd('.')}). Choose another one.");
        }
    }

    /// <summary>The folder.</summary>
    public string Path { get; }

    /// <summary>Lets others write to it. Folders that were made for nothing are gone.</summary>
    public void Dispose()
    {
        mark.Dispose();
        RemoveEmpty();
    }

    private void RemoveEmpty()
    {
        try
        {
            foreach (string folder in made.Where(Directory.Exists)) Directory.Delete(folder);
        }
        catch (IOException)
        {
            // It is not empty.
        }
    }
}
