using System.CommandLine;
using System.Text.Json;
using LanguageModel.Models;
using Memory.Gen.Runtime;
using Memory.Gen.Runtime.Files;
using Memory.Gen.Training;
using Memory.Gen.Training.Data;
using Memory.Gen.Training.Metrics;
using Memory.Gen.Training.Tokenizers;
using Spectre.Console;
using TorchSharp;

namespace LanguageModel.Commands;

/// <summary>
/// What memories around a stack are for: two documents by turns. Models with the same backbone and segments learn the same text in the
/// same number of steps, and are compared on held-out documents.
/// </summary>
internal static class InterleaveCommand
{
    private static readonly string[] Names = ["hmt", "rmt-one", "segments", "rmt-one-82", "segments-82"];

    private sealed record Row(string Name, long Seed, long Parameters, long StateBytes, double Seconds, double BitsPerByte, IReadOnlyList<ContextBucket> ByContext);

    public static Command Create()
    {
        var data = Shared.Data();
        var sizes = new SizeOptions();
        var stretch = new Option<int>("--stretch") { Description = "tokens of a document at a time", DefaultValueFactory = _ => 100 };
        var steps = new Option<long>("--steps") { Description = "optimizer steps of each model", DefaultValueFactory = _ => 600 };
        var length = new Option<int>("--length") { Description = "tokens of each text in a step", DefaultValueFactory = _ => 256 };
        var models = new Option<string[]>("--model") { Description = $"what is compared; all of {string.Join(", ", Names)} unless told otherwise", AllowMultipleArgumentsPerToken = true, DefaultValueFactory = _ => Names };
        var seed = new Option<long>("--seed") { Description = "of the initial weights and the order of the text", DefaultValueFactory = _ => 1 };
        var seeds = new Option<int>("--seeds") { Description = "trainings of each model, with this seed and those after it", DefaultValueFactory = _ => 1 };
        var output = new Option<string>("--out") { Description = "folder for result.json", DefaultValueFactory = _ => "artifacts/interleave" };
        var device = Shared.Device();
        var threads = Shared.Threads();
        var command = new Command("interleave", $"Compares {string.Join(", ", Names)} on two documents by turns.") { data, models, stretch, steps, length, seed, seeds, output, device, threads };
        sizes.AddTo(command);
        command.SetAction(Failure.Guard(parsed =>
        {
            Shared.UseThreads(parsed.GetValue(threads));
            var options = new TrainingOptions
            {
                Steps = parsed.GetValue(steps), Window = parsed.GetValue(length), InterleaveTokens = parsed.GetValue(stretch), Seed = parsed.GetValue(seed),
                LearningRate = TrainingChoices.DefaultLearningRate,
            };
            options.Check();
            if (parsed.GetValue(seeds) < 1) throw new UserError($"--seeds is {parsed.GetValue(seeds)}; it must be at least 1.");
            var place = Shared.DeviceOf(parsed.GetValue(device)!);
            var corpus = Shared.Text(parsed.GetValue(data));
            var asked = sizes.Of(parsed);
            var tokenizer = BytePairTrainer.Train(corpus.Training.Select(d => d.Text), Catalog.Vocabulary(parsed.GetValue(models)![0], asked));
            var text = TokenizedText.Encode(corpus.Validation, tokenizer).Interleaved(options.InterleaveTokens);
            string folder = parsed.GetValue(output)!;
            Directory.CreateDirectory(folder);
            var rows = new List<Row>();
            for (int i = 0; i < parsed.GetValue(seeds); i++)
            {
                foreach (string name in parsed.GetValue(models)!)
                {
                    rows.Add(Learn(name, asked, corpus, tokenizer, text, options with { Seed = options.Seed + i }, place));
                    // What is done stays when a later training is stopped.
                    AtomicFile.Write(Path.Combine(folder, "result.json"), stream => JsonSerializer.Serialize(stream, rows, new JsonSerializerOptions { WriteIndented = true }));
                }
            }
            Show(rows);
            Terminal.Say($"Saved in {folder}: result.json.");
        }));
        return command;
    }

    private static Row Learn(string name, Sizes sizes, Corpus corpus, ITokenizer tokenizer, TokenizedText text, TrainingOptions options, torch.Device device)
    {
        torch.random.manual_seed(options.Seed);
        var (module, model) = DeclarationCompiler.Create(name, sizes, device);
        using var owned = module;
        using var trainer = new Trainer(model, corpus, tokenizer, options);
        using var interruption = new Interruption();
        Terminal.Progress($"Training {name}", report => trainer.Run(p => report(p.Fraction, $"{p.BitsPerByte:F2} bits per byte, {p.TokensPerSecond:N0} tokens/s"), interruption.Token));
        if (trainer.Fraction < 1) throw new UserError($"Stopped while training {name}; what was done before it is in result.json.");
        var evaluation = EvaluateCommand.Measure(model, text);
        return new Row(name, options.Seed, model.Card.Parameters, model.Card.StateBytes(0, torch.ScalarType.Float32), trainer.Elapsed.TotalSeconds, evaluation.BitsPerByte, evaluation.ByContext);
    }

    private static void Show(IEnumerable<Row> rows)
    {
        var table = new Table().Title("Two held-out documents by turns").AddColumns("", "parameters", "state, bytes", "seeds", "seconds each", "bits per byte", "least", "most");
        foreach (var own in rows.GroupBy(row => row.Name))
        {
            Row any = own.First();
            table.AddRow(
                any.Name, $"{any.Parameters:N0}", $"{any.StateBytes:N0}", $"{own.Count()}", $"{own.Average(row => row.Seconds):F0}",
                $"{own.Average(row => row.BitsPerByte):F3}", $"{own.Min(row => row.BitsPerByte):F3}", $"{own.Max(row => row.BitsPerByte):F3}");
        }
        AnsiConsole.Write(table);
    }
}
