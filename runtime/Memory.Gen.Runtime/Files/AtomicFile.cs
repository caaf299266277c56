namespace Memory.Gen.Runtime.Files;

/// <summary>Writes a file so that its name always stands for a whole one: the old content or the new, never a part.</summary>
public static class AtomicFile
{
    /// <summary>Writes to <c>path.tmp</c> beside the file, flushes to the disk, then renames over <paramref name="path"/>.</summary>
    /// <param name="path">The file to create or replace; its folder must exist.</param>
    /// <param name="write">Writes the content; may seek.</param>
    /// <param name="size">Bytes to reserve before writing, so that a full disk is noticed at once; 0 when unknown.</param>
    /// <exception cref="ArgumentException">The path is null or empty.</exception>
    /// <exception cref="MemoryFileException">The file could not be written; what was there before is untouched.</exception>
    public static void Write(string path, Action<FileStream> write, long size = 0)
    {
        ArgumentException.ThrowIfNullOrEmpty(path);
        string temporary = path + ".tmp";
        bool created = false;
        try
        {
            // The name is fixed, so a process that was killed here leaves one leftover, and the next write replaces it.
            using (var stream = new FileStream(temporary, new FileStreamOptions
            {
                Mode = FileMode.Create,
                Access = FileAccess.ReadWrite,
                Share = FileShare.None,
                PreallocationSize = size,
            }))
            {
                created = true;
                write(stream);
                stream.Flush(flushToDisk: true);
            }
            File.Move(temporary, path, overwrite: true);
        }
        catch (Exception error)
        {
            if (created)
                Remove(temporary);
            if (error is IOException and not MemoryFileException or UnauthorizedAccessException)
                throw new MemoryFileException(path, $"could not be written ({error.Message.TrimEnd('.')}). "
                    + "What was saved there before is unchanged; free some space or choose another place.", error);
            throw;
        }
    }

    private static void Remove(string temporary)
    {
        try
        {
            File.Delete(temporary);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // The error that led here is the one to report.
        }
    }
}
