using System.CommandLine;
using System.Text.Json;
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

    private readonly Option<long> steps = new("--steps") { Description = "optimizer steps of each model", DefaultValueFactory = _ => 600 };
    private readonly Option<long> seed = new("--seed") { Description = "of the initial weights and the order of the text", DefaultValueFactory = _ => 1 };
    private readonly Option<int> seeds = new("--seeds") { Description = "trainings of each model, with this seed and those after it", DefaultValueFactory = _ => 1 };

    public void AddTo(Command command)
    {
        command.Add(models);
        command.Add(steps);
        command.Add(seed);
        command.Add(seeds);
    }

    /// <summary>A vocabulary that all of them know.</summary>
    public int Vocabulary(ParseResult parsed, Sizes sizes) => parsed.GetValue(models)!.Min(name => Catalog.Vocabulary(name, sizes));

    /// <summary>The options of the first seed.</summary>
    /// <param name="parsed">The command line.</param>
    /// <param name="own">What the comparison sets.</param>
    /// <exception cref="UserError">One of them makes no sense.</exception>
    public TrainingOptions Options(ParseResult parsed, TrainingOptions own)
    {
        var options = own with { Steps = parsed.GetValue(steps), Seed = parsed.GetValue(seed), LearningRate = TrainingChoices.DefaultLearningRate };
        options.Check();
        return parsed.GetValue(seeds) >= 1 ? options : throw new UserError($"--seeds is {parsed.GetValue(seeds)}; it must be at least 1.");
    }

    /// <summary>Trains every model with every seed and measures it; what is done stays in result.json when a later training is stopped.</summary>
    public IReadOnlyList<TRow> Run<TRow>(
        ParseResult parsed, Sizes sizes, Corpus corpus, ITokenizer tokenizer, TrainingOptions options, torch.Device device, string folder, Func<Trained, TRow> measure)
    {
        var rows = new List<TRow>();
        for (int i = 0; i < parsed.GetValue(seeds); i++)
        {
            foreach (string name in parsed.GetValue(models)!)
            {
                rows.Add(Learn(name, sizes, corpus, tokenizer, options with { Seed = options.Seed + i }, device, measure));
                AtomicFile.Write(Path.Combine(folder, "result.json"), stream => JsonSerializer.Serialize(stream, rows, new JsonSerializerOptions { WriteIndented = true }));
            }
        }

        return rows;
    }

    private static TRow Learn<TRow>(
        string name, Sizes sizes, Corpus corpus, ITokenizer tokenizer, TrainingOptions options, torch.Device device, Func<Trained, TRow> measure)
    {
        torch.random.manual_seed(options.Seed);
        var (module, model) = DeclarationCompiler.Create(name, sizes, device, trains: true);
        using var owned = module;
        using var trainer = new Trainer(model, corpus, tokenizer, options);
        using var interruption = new Interruption();
        Terminal.Progress(
            $"Training {name}, seed {options.Seed}",
            report => trainer.Run(p => report(p.Fraction, $"{p.BitsPerByte:F2} bits per byte, {p.TokensPerSecond:N0} tokens/s"), interruption.Token));
        if (trainer.Fraction < 1) throw new UserError($"Stopped while training {name}; what was done before it is in result.json.");
        return measure(new Trained(name, options.Seed, model, trainer.Elapsed.TotalSeconds));
    }
}
