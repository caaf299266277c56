using System.Text.Json;
using Memory.Gen.Runtime;
using Memory.Gen.Runtime.Files;
using Memory.Gen.Training;
using static TorchSharp.torch;

namespace LanguageModel.Models;

/// <summary>Which model a run's folder belongs to: <c>model.json</c> holds its name and sizes, from which it is built again.</summary>
/// <param name="Name">Name in the catalog.</param>
/// <param name="Sizes">The sizes that were asked for.</param>
public sealed record TrainedModel(string Name, Sizes Sizes)
{
    private const string FileName = "model.json";
    private const long LargestFile = 1 << 16;

    /// <summary>Where a run's checkpoints are.</summary>
    public static string CheckpointsOf(string folder) => Path.Combine(folder, "checkpoints");

    /// <summary>Where a run's numbers are.</summary>
    public static string ResultOf(string folder) => Path.Combine(folder, "result.json");

    /// <summary>Where a run's loss curve is.</summary>
    public static string LossChartOf(string folder) => Path.Combine(folder, "loss.svg");

    /// <summary>Begins a run: writes <c>model.json</c>, after all of a run that was in the folder has moved to <c>earlier-N</c>, a run like any other.</summary>
    /// <param name="folder">The run's folder, which is there.</param>
    /// <returns>Where the earlier run is now, or null where there was none.</returns>
    /// <exception cref="UserError">The earlier run cannot be moved.</exception>
    /// <exception cref="MemoryFileException"><c>model.json</c> could not be written.</exception>
    public string? Begin(string folder)
    {
        string? earlier = SetAside(folder);
        Write(folder);
        return earlier;
    }

    /// <summary>
    /// Goes back to a checkpoint of the run: those after it, and the result that the run came to with them, move to <c>earlier-N</c>, a run
    /// like any other that goes on from there.
    /// </summary>
    /// <param name="folder">The run's folder.</param>
    /// <param name="checkpoint">The checkpoint's folder.</param>
    /// <returns>Where they are now, or null where there were none.</returns>
    /// <exception cref="UserError">They cannot be moved.</exception>
    public string? GoBack(string folder, string checkpoint)
    {
        string[] later = [.. new Checkpoints(CheckpointsOf(folder)).Paths.TakeWhile(path => path != checkpoint)];
        if (later.Length == 0) return null;
        string target = NextEarlier(folder);
        try
        {
            // What is there belongs to a run from the first moment on, and newest first: cut short, both parts are runs without a gap.
            Directory.CreateDirectory(CheckpointsOf(target));
            Write(target);
            foreach (string path in new[] { ResultOf(folder), LossChartOf(folder) }.Where(File.Exists)) File.Move(path, Path.Combine(target, Path.GetFileName(path)));
            foreach (string path in later) Directory.Move(path, Path.Combine(CheckpointsOf(target), Path.GetFileName(path)));
            return target;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"The checkpoints in {folder} after {Path.GetFileName(checkpoint)} cannot be moved to {target} ({error.Message.TrimEnd('.')}). Free some space, or copy the run to another folder.");
        }
    }

    private void Write(string folder) => JsonFile.Save(Path.Combine(folder, FileName), this);

    private static string NextEarlier(string folder)
    {
        int number = 1;
        while (File.Exists(Path.Combine(Earlier(number), FileName))) number++;
        return Earlier(number);

        string Earlier(int number) => Path.Combine(folder, $"earlier-{number}");
    }

    // Only what this program writes: the folder may hold other things. model.json goes last, so that a move which was cut short is
    // ended by the next one.
    private static string? SetAside(string folder)
    {
        if (new Checkpoints(CheckpointsOf(folder)).Paths.Count == 0 && !File.Exists(ResultOf(folder))) return null;
        string target = NextEarlier(folder);
        try
        {
            Directory.CreateDirectory(target);
            foreach (string path in new[] { CheckpointsOf(folder), LossChartOf(folder), ResultOf(folder), Path.Combine(folder, FileName) })
                if (Path.Exists(path)) Directory.Move(path, Path.Combine(target, Path.GetFileName(path)));
            return target;
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException)
        {
            throw new UserError($"{folder} holds a run that cannot be moved to {target} ({error.Message.TrimEnd('.')}). Choose another folder with --out.");
        }
    }

    /// <param name="folder">A run's folder.</param>
    /// <param name="option">The option that named it.</param>
    /// <exception cref="UserError">The folder is no run's.</exception>
    public static TrainedModel Read(string folder, string option = "--run")
    {
        string path = Path.Combine(folder, FileName);
        if (!File.Exists(path)) throw new UserError($"{folder} holds no trained model. Train one first ({Copied.Train}), or name the folder of a run with {option}.");
        try
        {
            if (new FileInfo(path).Length > LargestFile) throw new JsonException("it is too large");
            return JsonFile.Read<TrainedModel>(path) is { Name: not null, Sizes: not null } model ? model : throw new JsonException("it is empty");
        }
        catch (JsonException e)
        {
            throw new UserError($"{path} does not describe a model ({e.Message.TrimEnd('.')}). Train again, or name another run with {option}.");
        }
    }

    /// <summary>A checkpoint of a run: the newest that is whole, or the one after so many steps.</summary>
    public static Checkpoint CheckpointOf(string folder, long? step = null)
    {
        var checkpoints = new Checkpoints(CheckpointsOf(folder));
        return step is { } asked ? checkpoints.Load(asked) : checkpoints.LoadLatest(refused => Terminal.Warn($"Left aside: {refused}"));
    }

    /// <summary>Builds the model and gives it the weights of a checkpoint of the run.</summary>
    public static (IMemoryModel Model, Checkpoint Checkpoint) Load(string folder, Device device, long? step = null)
    {
        var trained = Read(folder);
        var checkpoint = CheckpointOf(folder, step);
        var (module, model) = DeclarationCompiler.Create(trained.Name, trained.Sizes, device);
        checkpoint.LoadWeights(model);
        module.eval();
        return (model, checkpoint);
    }
}
