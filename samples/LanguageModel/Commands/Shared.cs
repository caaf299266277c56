using System.CommandLine;
using System.Reflection;
using LanguageModel.Models;
using Memory.Gen.Training.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace LanguageModel.Commands;

/// <summary>Options that several commands have.</summary>
internal static class Shared
{
    private const int Named = 3; // of the files that are left out
    private const int MostThreads = 1024; // what the kernel library can be told

    public static Option<string> Model() => new("--model") { Description = $"one of {string.Join(", ", Catalog.Names)}", DefaultValueFactory = _ => Catalog.DefaultName };

    public static Option<string?> Data() => new("--data") { Description = "a text file or a folder of text files; without it, the documentation that the .NET SDK ships" };

    /// <summary>What <see cref="Data"/> names.</summary>
    public const string TextPath = "a text file or a folder of them";

    public static Option<string> Device() => new("--device") { Description = "cpu or cuda", DefaultValueFactory = _ => "cpu" };

    public static Option<int> Threads() => CommandLine.Number("--threads", "threads of the tensor operations", absent: Environment.ProcessorCount);

    public static Option<string> Run() => new("--run") { Description = "folder of a training run", DefaultValueFactory = _ => TrainCommand.DefaultFolder };

    public static Option<long?> Step(string use = "") => CommandLine.Number<long>("--step", use + "the run's checkpoint after this many steps; without it, the newest");

    /// <param name="saved">When.</param>
    public static Option<string?> Memory(string saved) => new("--memory") { Description = "file of a conversation's memory: continued where it exists, " + saved };

    /// <summary>Which package or library provides TorchSharp in this build.</summary>
    public static string Provider => typeof(Shared).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().First(a => a.Key == "TorchProvider").Value!;

    public static Device DeviceOf(string name)
    {
        if (name is not ("cpu" or "cuda")) throw new UserError($"There is no device '{name}'. Choose cpu or cuda.");
        if (name == "cuda" && !cuda.is_available()) throw new UserError("This build of libtorch finds no CUDA GPU. Leave --device out to use the CPU.");
        return new Device(name);
    }

    public static void UseThreads(int threads)
    {
        if (threads is < 1 or > MostThreads) throw new UserError($"--threads is {threads}; it must be at least 1 and at most {MostThreads:N0}.");
        set_num_threads(threads);
    }

    public static Corpus Text(string? path)
    {
        Corpus corpus = Corpus.Load(path);
        Terminal.Say($"Text: {corpus.Name}: {Terminal.Size(corpus.TrainingBytes)} to train on, {Terminal.Size(corpus.ValidationBytes)} held out.");
        string more = corpus.LeftOut.Count > Named ? $"; and {corpus.LeftOut.Count - Named:N0} more" : "";
        if (corpus.LeftOut.Count > 0) Terminal.Say($"Left out: {string.Join("; ", corpus.LeftOut.Take(Named))}{more}.");
        return corpus;
    }
}
