using System.Globalization;
using Memory.Gen.Runtime.Files;
using Memory.Gen.Training.Data;

namespace Memory.Gen.Training;

/// <summary>
/// The checkpoints of a run: <c>checkpoint-000042</c> is the one after 42 steps. A checkpoint is written under another name and renamed
/// when all of it is on the disk, so whatever carries this name is whole, whenever the process or the machine stopped.
/// </summary>
/// <param name="folder">The run's folder.</param>
/// <param name="keep">Checkpoints to keep, at least 1; older ones are removed after a new one is safe.</param>
public sealed class Checkpoints(string folder, int keep = 3)
{
    private const string Prefix = "checkpoint-", Unfinished = ".unfinished-", Earlier = "earlier-";
    private const string NoCheckpoint = "holds no checkpoint. Train first, or name the folder of a run.";

    /// <summary>The run's folder.</summary>
    public string Folder { get; } = folder;

    /// <summary>Folders of the checkpoints, newest first.</summary>
    public IReadOnlyList<string> Paths => !Directory.Exists(Folder) ? []
        : [.. Directory.GetDirectories(Folder, Prefix + "*")
            .Where(d => StepOf(d) is not null)
            .OrderByDescending(d => StepOf(d))];

    /// <summary>Opens the newest checkpoint that is whole.</summary>
    /// <param name="refused">Told why a newer one was refused, in a sentence.</param>
    /// <exception cref="MemoryFileException">There is none.</exception>
    public Checkpoint LoadLatest(Action<string>? refused = null)
    {
        foreach (string path in Paths)
        {
            try
            {
                return Checkpoint.Open(path);
            }
            catch (MemoryFileException error)
            {
                refused?.Invoke(error.Message);
            }
        }
        throw new MemoryFileException(Folder, Paths.Count == 0
            ? NoCheckpoint
            : $"holds {Paths.Count} checkpoints and none of them is whole. Train again.");
    }

    /// <summary>Opens the checkpoint after so many steps.</summary>
    /// <param name="step">Its steps.</param>
    /// <exception cref="MemoryFileException">There is none, or it is not whole; the message names those that are there.</exception>
    public Checkpoint Load(long step) => Paths.FirstOrDefault(path => StepOf(path) == step) is { } found ? Checkpoint.Open(found)
        : throw new MemoryFileException(Folder, Paths.Count == 0 ? NoCheckpoint
            : FormattableString.Invariant($"holds no checkpoint after {step} steps; there are those after {string.Join(", ", Paths.Reverse().Select(StepOf))}. Choose one of these."));

    /// <summary>Sees that a checkpoint of so many bytes can be saved, before the work begins that it shall keep. Leaves nothing behind.</summary>
    /// <param name="bytes">What it will take.</param>
    /// <exception cref="MemoryFileException">There is no room for it, or the folder takes no files.</exception>
    internal void RequireRoom(long bytes)
    {
        string place = Path.GetFullPath(Folder);
        while (!Path.Exists(place) && Path.GetDirectoryName(place) is { } parent) place = parent;
        try
        {
            if (File.Exists(place)) throw new IOException($"{place} is a file");
            RemoveUnfinished();
            new FileStream(Path.Combine(place, Unfinished + "room"), new FileStreamOptions
            {
                Mode = FileMode.Create,
                Access = FileAccess.Write,
                PreallocationSize = bytes,
                Options = FileOptions.DeleteOnClose,
            }).Dispose();
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            long free = new DriveInfo(place).AvailableFreeSpace;
            string cause = free < bytes ? FormattableString.Invariant($"a checkpoint takes about {bytes:N0} bytes, and {free:N0} are free") : error.Message.TrimEnd('.');
            throw new MemoryFileException(Folder, $"can take no checkpoint ({cause}). Free some space or choose another folder.", error);
        }
    }

    /// <summary>Saves a checkpoint; one of this step that is whole stays as it is.</summary>
    /// <param name="step">Steps done.</param>
    /// <param name="write">Writes the files into the folder it is given.</param>
    /// <exception cref="MemoryFileException">It could not be written; the checkpoints before are as they were.</exception>
    internal string Save(long step, Action<string> write)
    {
        string path = Path.Combine(Folder, Prefix + step.ToString("D6", CultureInfo.InvariantCulture));
        string temporary = Path.Combine(Folder, Unfinished + Path.GetFileName(path));
        if (Directory.Exists(path) && IsWhole(path)) return path;
        try
        {
            Directory.CreateDirectory(Folder);
            RemoveUnfinished();
            Directory.CreateDirectory(temporary);
            write(temporary);
            FolderFlush.Flush(temporary);
            if (Directory.Exists(path)) Directory.Delete(path, recursive: true);
            Directory.Move(temporary, path);
            FolderFlush.Flush(Folder);
            foreach (string old in Paths.Skip(Math.Max(1, keep))) Directory.Delete(old, recursive: true);
            return path;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            Discard(temporary);
            string cause = (error is MemoryFileException ? error.InnerException ?? error : error).Message.TrimEnd('.');
            throw new MemoryFileException(path, $"could not be saved ({cause}). Checkpoints saved before are as they were; free some space or choose another folder.", error);
        }
    }

    /// <summary>Moves checkpoints to <c>earlier-N</c>, so that a run can go on without them.</summary>
    /// <param name="after">Moves those after so many steps; 0: all, for a new run.</param>
    /// <returns>Where they are now, or null where there were none.</returns>
    internal string? SetAside(long after)
    {
        string[] paths = [.. Paths.Where(path => StepOf(path) > after)];
        if (paths.Length == 0) return null;
        try
        {
            int number = 1;
            while (Directory.Exists(Path.Combine(Folder, Earlier + number.ToString(CultureInfo.InvariantCulture)))) number++;
            string target = Path.Combine(Folder, Earlier + number.ToString(CultureInfo.InvariantCulture));
            Directory.CreateDirectory(target);
            foreach (string path in paths) Directory.Move(path, Path.Combine(target, Path.GetFileName(path)));
            return target;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new MemoryFileException(Folder, $"holds checkpoints of an earlier run that cannot be moved away ({error.Message.TrimEnd('.')}); choose another folder.", error);
        }
    }

    private void RemoveUnfinished()
    {
        if (!Directory.Exists(Folder)) return;
        foreach (string leftover in Directory.GetDirectories(Folder, Unfinished + "*")) Directory.Delete(leftover, recursive: true);
    }

    private static bool IsWhole(string path)
    {
        try
        {
            Checkpoint.Open(path);
            return true;
        }
        catch (MemoryFileException)
        {
            return false;
        }
    }

    private static void Discard(string temporary)
    {
        try
        {
            if (Directory.Exists(temporary)) Directory.Delete(temporary, recursive: true);
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            // The error that led here is the one to report; the next save removes what is left.
        }
    }

    private static long? StepOf(string path) =>
        long.TryParse(Path.GetFileName(path)[Prefix.Length..], NumberStyles.None, CultureInfo.InvariantCulture, out long step) ? step : null;
}
