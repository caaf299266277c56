using System.CommandLine;
using LanguageModel.Models;
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
        var stretch = CommandLine.Number<int>("--stretch", "tokens of a document at a time", absent: 100);
        var trainings = new Trainings(Names);
        var length = CommandLine.Number<int>("--length", "tokens of each text in a step", absent: 256);
        var output = new Option<string>("--out") { Description = "folder for result.json", DefaultValueFactory = _ => "artifacts/interleave" };
        var device = Shared.Device();
        var threads = Shared.Threads();
        var command = new Command("interleave", $"Compares {string.Join(", ", Names)} on two documents by turns.") { data, stretch, length, output, device, threads };
        trainings.AddTo(command);
        sizes.AddTo(command);
        command.SetAction(Failure.Guard(parsed =>
        {
            Shared.UseThreads(parsed.GetValue(threads));
            var path = parsed.Path(data, Shared.TextPath);
            using var interruption = new Interruption();
            using var folder = new OutputFolder(parsed.Path(output)!);
            CommandLine.RequirePositive("--length", parsed.GetValue(length));
            if (parsed.GetValue(stretch) < 0) throw new UserError($"--stretch is {parsed.GetValue(stretch)}; it must be 0 (one document after the other) or more.");
            var asked = sizes.Of(parsed);
            var options = trainings.Options(parsed, asked, new TrainingOptions { Window = parsed.GetValue(length), InterleaveTokens = parsed.GetValue(stretch) });
            var place = Shared.DeviceOf(parsed.GetValue(device)!);
            var (corpus, tokenizer) = trainings.Read(parsed, asked, path, interruption);
            var text = interruption.Wait(() => TokenizedText.Encode(corpus.Validation, tokenizer).Interleaved(options.InterleaveTokens));
            var rows = trainings.Run(parsed, asked, corpus, tokenizer, options, place, folder.Path, trained => Measure(trained, text, interruption.Token), interruption.Token);
            if (rows.Count > 0) Show(rows);
            Trainings.End(folder.Path, "result.json", rows, interruption.Token);
        }));
        return command;
    }

    private static Row? Measure(Trained trained, TokenizedText text, CancellationToken cancellation)
    {
        try
        {
            var evaluation = EvaluateCommand.Measure(trained.Model, text, cancellation);
            return new Row(
                trained.Name, trained.Seed, trained.Model.Card.Parameters, trained.Model.Card.StateBytes(0, torch.ScalarType.Float32), trained.Seconds,
                evaluation.BitsPerByte, evaluation.ByContext);
        }
        catch (OperationCanceledException)
        {
            return null;
        }
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
