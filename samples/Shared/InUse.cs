namespace Samples;

/// <summary>What one command alone may write to, for as long as it does: a file beside it that is held open. Left behind by a process that was killed, it holds nobody up.</summary>
internal static class InUse
{
    /// <summary>Begins; disposing ends it and removes the file.</summary>
    /// <param name="mark">The file.</param>
    /// <returns>Null where another command holds it.</returns>
    /// <exception cref="IOException">There can be no such file.</exception>
    /// <exception cref="UnauthorizedAccessException">There can be no such file.</exception>
    public static IDisposable? Begin(string mark)
    {
        try
        {
            return new FileStream(mark, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None, 1, FileOptions.DeleteOnClose);
        }
        catch (IOException) when (File.Exists(mark))
        {
            return null;
        }
    }
}
