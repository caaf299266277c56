using System.CommandLine;
using LanguageModel.Models;
using Memory.Gen.Runtime;
using Memory.Gen.Runtime.Files;
using Memory.Gen.Training;
using Memory.Gen.Training.Data;
using Memory.Gen.Training.Tokenizers;
using TorchSharp;

namespace LanguageModel.Commands;

/// <summary>A model that was trained for a comparison.</summary>
internal sealed record Trained(string Name, long Seed, IMemoryModel Model, double Seconds);

/// <summary>Which models a comparison trains and with which seeds, on the command line and in fact.</summary>
internal sealed class Trainings(params string[] names)
{
    private readonly Option<string[]> models = new("--model")
        { Description = $"what is compared; {string.Join(", ", names)} unless told otherwise", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => names };

    private readonly Option<long> steps = CommandLine.Number<long>("--steps", "optimizer steps of each model", absent: 600);
    private readonly Option<long> seed = CommandLine.Number<long>("--seed", "of the initial weights and the order of the text", absent: 1);
    private readonly Option<int> seeds = CommandLine.Number<int>("--seeds", "trainings of each model, with this seed and those after it", absent: 1);

    public void AddTo(Command command)
    {
        command.Add(models);
        command.Add(steps);
        command.Add(seed);
        command.Add(seeds);
    }

    /// <summary>A vocabulary that all of them know.</summary>
    private int Vocabulary(ParseResult parsed, Sizes sizes) => parsed.GetValue(models)!.Min(name => Catalog.Vocabulary(name, sizes));

    /// <summary>The text that all of them learn, and the tokens that it is read as.</summary>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public (Corpus Corpus, ITokenizer Tokenizer) Read(ParseResult parsed, Sizes sizes, string? path, Interruption interruption)
    {
        var corpus = interruption.Wait(() => Shared.Text(path));
        return (corpus, interruption.Wait(() => BytePairTrainer.Train(corpus.Training.Select(d => d.Text), Vocabulary(parsed, sizes))));
    }

    /// <summary>The options of the first seed. The models and their sizes are found to make sense before there is any training, which may take long.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="sizes">The models' sizes.</param>
    /// <param name="own">What the comparison sets.</param>
    /// <exception cref="UserError">One of them makes no sense.</exception>
    public TrainingOptions Options(ParseResult parsed, Sizes sizes, TrainingOptions own)
    {
        if (parsed.GetValue(models)!.CountBy(name => name).FirstOrDefault(each => each.Value > 1).Key is { } twice)
            throw new UserError($"--model names {twice} more than once. Name each model once; --seeds trains each of them several times.");
        foreach (string name in parsed.GetValue(models)!) DeclarationCompiler.Create(name, sizes, new torch.Device("meta")).Module.Dispose();
        CommandLine.RequirePositive("--steps", parsed.GetValue(steps));
        CommandLine.RequirePositive("--seeds", parsed.GetValue(seeds));
        return own with { Steps = parsed.GetValue(steps), Seed = parsed.GetValue(seed), LearningRate = TrainingChoices.DefaultLearningRate };
    }

    /// <summary>
    /// Trains every model with every seed and measures it. What is measured is in result.json at once, and stays there when it is stopped; it is
    /// what is returned then.
    /// </summary>
    /// <param name="measure">Makes a row of a trained model; null where it was stopped before there was anything to say.</param>
    public IReadOnlyList<TRow> Run<TRow>(
        ParseResult parsed, Sizes sizes, Corpus corpus, ITokenizer tokenizer, TrainingOptions options, torch.Device device, string folder, Func<Trained, TRow?> measure,
        CancellationToken cancellation)
        where TRow : class
    {
        var rows = new List<TRow>();
        var trainings = from i in Enumerable.Range(0, parsed.GetValue(seeds)) from name in parsed.GetValue(models)! select (Name: name, Seed: options.Seed + i);
        foreach (var (name, seed) in trainings.TakeWhile(_ => !cancellation.IsCancellationRequested))
        {
            if (Learn(name, sizes, corpus, tokenizer, options with { Seed = seed }, device, measure, cancellation) is not { } row) break;
            rows.Add(row);
            try
            {
                Save(folder, rows);
            }
            catch (MemoryFileException error)
            {
                // Those that follow, and the table, do not need the file; it is tried again at the end.
                Terminal.Warn(error.Message);
            }
        }

        return rows;
    }

    /// <summary>Sees that what was measured is in the folder, and says so.</summary>
    /// <exception cref="MemoryFileException">It could not be written.</exception>
    /// <exception cref="OperationCanceledException">It was stopped.</exception>
    public static void End<TRow>(string folder, string files, IReadOnlyList<TRow> rows, CancellationToken cancellation)
    {
        if (rows.Count > 0) Save(folder, rows);
        if (!cancellation.IsCancellationRequested) Terminal.Say($"Saved in {folder}: {files}.");
        else throw new OperationCanceledException(rows.Count == 0 ? "Stopped before anything was measured." : $"Stopped. What was measured before is in {folder}: {files}.");
    }

    private static void Save<TRow>(string folder, IReadOnlyList<TRow> rows) => JsonFile.Save(Path.Combine(folder, "result.json"), rows);

    private static TRow? Learn<TRow>(
        string name, Sizes sizes, Corpus corpus, ITokenizer tokenizer, TrainingOptions options, torch.Device device, Func<Trained, TRow?> measure, CancellationToken cancellation)
        where TRow : class
    {
        torch.random.manual_seed(options.Seed);
        var (module, model) = DeclarationCompiler.Create(name, sizes, device, trains: true);
        using var owned = module;
        using var trainer = new Trainer(model, corpus, tokenizer, options);
        Terminal.Progress(
            $"Training {name}, seed {options.Seed}",
            report => trainer.Run(p => report(p.Fraction, $"{p.BitsPerByte:F2} bits per byte, {p.TokensPerSecond:N0} tokens/s"), cancellation));
        return cancellation.IsCancellationRequested ? null : measure(new Trained(name, options.Seed, model, trainer.Elapsed.TotalSeconds));
    }
}
