using Memory.Gen.Runtime;
using Memory.Gen.Runtime.Files;
using Memory.Gen.Training;

namespace LanguageModel.Models;

/// <summary>The memory of a conversation in a file, from one command to the next.</summary>
internal sealed class Conversation : IDisposable
{
    private const string Weights = "weights", Step = "step";

    private readonly string path, run;
    private readonly Dictionary<string, string> madeBy = [];
    private readonly IDisposable mark;

    /// <summary>Makes sure, before anything is generated, that the memory can be saved, and that nobody else goes on with it until then.</summary>
    /// <param name="path">Its file; folders that are missing are made.</param>
    /// <param name="run">The run's folder.</param>
    /// <exception cref="UserError">There can be no such file.</exception>
    public Conversation(string path, string run)
    {
        (this.path, this.run) = (path, run);
        if (Directory.Exists(path) || Path.GetFileName(path).Length == 0)
            throw new UserError($"--memory names a folder, \"{path}\". Give the name of a file, for example {Path.Combine(path, "talk.safetensors")}.");
        if (File.Exists(path) && !IsRegular(path))
            throw new UserError($"--memory names \"{path}\", which is a pipe or a device and can keep nothing. Give the name of a file, for example {path}.safetensors.");
        try
        {
            Directory.CreateDirectory(Path.GetDirectoryName(Path.GetFullPath(path))!);
            mark = InUse.Begin(path + ".in-use") ?? throw new UserError($"Another command goes on with the memory {path}. Wait until it ends, or begin another conversation with another --memory.");
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"The memory cannot be saved as {path} ({error.Message.TrimEnd('.')}). Choose another file with --memory.");
        }
    }

    /// <summary>Lets others go on with the memory.</summary>
    public void Dispose() => mark.Dispose();

    /// <summary>What the file remembers, or a state that has read nothing where there is no file yet.</summary>
    /// <param name="model">The model.</param>
    /// <param name="checkpoint">Where its weights are from. A memory means something to them alone.</param>
    /// <exception cref="UserError">The memory is not of one text, or of other weights.</exception>
    public MemoryState Begin(IMemoryModel model, Checkpoint checkpoint)
    {
        (madeBy[Weights], madeBy[Step]) = (checkpoint.ModelDigest, $"{checkpoint.Snapshot.Step}");
        if (!File.Exists(path)) return model.NewState(1);
        RequireWeights();
        MemoryState state = model.LoadState(path);
        if (state.Batch == 1) return state;
        using (state) throw new UserError($"{path} holds the memories of {state.Batch} texts; a conversation has one. Name another file.");
    }

    // To open a pipe for reading alone would wait for somebody who writes. What cannot be opened is told where it is read.
    private static bool IsRegular(string path)
    {
        try
        {
            using var file = new FileStream(path, FileMode.Open, FileAccess.ReadWrite, FileShare.ReadWrite | FileShare.Delete);
            return file.CanSeek;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            return true;
        }
    }

    private void RequireWeights()
    {
        using var file = SafetensorsFile.Open(path);
        if (!file.Metadata.TryGetValue(Weights, out string? weights))
            Terminal.Warn($"{path} does not say which weights made it; it is read as a memory of {run}.");
        else if (weights != madeBy[Weights])
            throw new UserError(
                $"{path} is the memory of other weights, after {file.Metadata.GetValueOrDefault(Step)} steps, than those in {run}, after {madeBy[Step]}: it is of another run, or this one was "
                + "trained on since. A memory means something to the weights that made it alone. Name its run with --run and its checkpoint with --step, or begin another conversation with another --memory.");
    }

    /// <summary>Saves the memory; where its file cannot be written after all, in the run's folder or the one for temporary files.</summary>
    /// <exception cref="UserError">It is in another file; the message says in which.</exception>
    /// <exception cref="MemoryFileException">It could be saved nowhere.</exception>
    public void Save(MemoryState state)
    {
        try
        {
            state.Save(path, madeBy);
        }
        catch (MemoryFileException error)
        {
            if (SaveElsewhere(state) is not { } elsewhere) throw;
            throw new UserError($"{error.Message} The memory is saved as {elsewhere} instead; go on with --memory {Copied.Word(elsewhere)}.");
        }
    }

    private string? SaveElsewhere(MemoryState state)
    {
        foreach (string folder in new[] { run, Path.GetTempPath() })
        {
            try
            {
                int number = 1;
                while (File.Exists(Name(folder, number))) number++;
                state.Save(Name(folder, number), madeBy);
                return Name(folder, number);
            }
            catch (MemoryFileException)
            {
                // The next folder may take it.
            }
        }

        return null;

        string Name(string folder, int number) => Path.Combine(folder, $"{Path.GetFileNameWithoutExtension(path)}-{number}.safetensors");
    }
}
