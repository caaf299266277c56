namespace Samples;

/// <summary>A folder that a command writes to.</summary>
internal static class OutputFolder
{
    /// <summary>Makes the folder where it is missing, and sees that it takes files, before the work begins whose results it is for.</summary>
    /// <param name="path">The folder.</param>
    /// <param name="option">The option that named it.</param>
    /// <exception cref="UserError">It cannot be.</exception>
    public static string Make(string path, string option = "--out")
    {
        try
        {
            Directory.CreateDirectory(path);
            new FileStream(Path.Combine(path, ".writable.tmp"), FileMode.Create, FileAccess.Write, FileShare.None, 1, FileOptions.DeleteOnClose).Dispose();
            return path;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or ArgumentException)
        {
            throw new UserError($"{option} names the folder \"{path}\", in which nothing can be written ({error.Message.Split(" (Parameter")[0].TrimEnd('.')}). Choose another one.");
        }
    }
}
