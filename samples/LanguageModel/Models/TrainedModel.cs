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

    /// <summary>Writes <c>model.json</c>. Another model's stays beside it under a new name: its last checkpoint is kept too.</summary>
    /// <exception cref="MemoryFileException">It could not be written.</exception>
    public void Save(string folder)
    {
        Directory.CreateDirectory(folder);
        string path = Path.Combine(folder, FileName);
        if (File.Exists(path) && !IsSame(path))
        {
            int number = 1;
            while (File.Exists(Earlier(number))) number++;
            File.Move(path, Earlier(number));
        }
        AtomicFile.Write(path, stream => JsonSerializer.Serialize(stream, this, new JsonSerializerOptions { WriteIndented = true }));

        string Earlier(int number) => Path.Combine(folder, $"model-earlier-{number}.json");
    }

    private bool IsSame(string path)
    {
        try
        {
            return JsonSerializer.Deserialize<TrainedModel>(File.ReadAllBytes(path)) == this;
        }
        catch (JsonException)
        {
            return false;
        }
    }

    /// <exception cref="UserError">The folder is no run's.</exception>
    public static TrainedModel Read(string folder)
    {
        string path = Path.Combine(folder, FileName);
        if (!File.Exists(path)) throw new UserError($"{folder} holds no trained model. Train one first (./build.sh train), or name the folder of a run with --run.");
        try
        {
            if (new FileInfo(path).Length > LargestFile) throw new JsonException("it is too large");
            return JsonSerializer.Deserialize<TrainedModel>(File.ReadAllBytes(path)) is { Name: not null, Sizes: not null } model ? model : throw new JsonException("it is empty");
        }
        catch (JsonException e)
        {
            throw new UserError($"{path} does not describe a model ({e.Message}). Train again, or name another run with --run.");
        }
    }

    /// <summary>Builds the model and gives it the weights of the run's newest whole checkpoint.</summary>
    public static (IMemoryModel Model, Checkpoint Checkpoint) Load(string folder, Device device)
    {
        var trained = Read(folder);
        var checkpoint = new Checkpoints(CheckpointsOf(folder)).LoadLatest(refused => Terminal.Say($"Left aside: {refused}"));
        var (module, model) = DeclarationCompiler.Create(trained.Name, trained.Sizes, device);
        checkpoint.LoadWeights(model);
        module.eval();
        return (model, checkpoint);
    }
}
