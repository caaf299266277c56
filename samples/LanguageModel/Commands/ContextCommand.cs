using System.CommandLine;
using LanguageModel.Models;
using Memory.Gen.Training;
using Memory.Gen.Training.Data;
using Memory.Gen.Training.Reports;
using Memory.Gen.Training.Tokenizers;
using Spectre.Console;
using TorchSharp;

namespace LanguageModel.Commands;

/// <summary>
/// What a longer context is worth: models learn the same text, cut into short ones, and are then asked the same held-out tokens after ever
/// more of what stands before them.
/// </summary>
internal static class ContextCommand
{
    private static readonly string[] Names = ["bmojo", "sliding-equal"];
    private static readonly string[] Colors = ["#3b6fb6", "#7b8794", "#c4722b", "#3d8f5f", "#8a4fa3", "#b59b1f"];

    private sealed record Row(string Name, long Seed, long Parameters, long StateBytes, double Seconds, int TrainedAt, long AskedTokens, IReadOnlyList<ContextCost> ByContext);

    public static Command Create()
    {
        var data = Shared.Data();
        var sizes = new SizeOptions();
        var trainings = new Trainings(Names);
        var length = CommandLine.Number<int>("--length", "tokens of each text in training, and of the shortest context", absent: 512);
        var longest = CommandLine.Number<int>("--longest", "tokens of the longest context, --length doubled a few times", absent: 8192);
        var pieces = CommandLine.Number<int>("--pieces", "places of the held-out text where --length tokens are asked", absent: 16);
        var output = new Option<string>("--out") { Description = "folder for result.json and a chart", DefaultValueFactory = _ => "artifacts/context" };
        var device = Shared.Device();
        var threads = Shared.Threads();
        var command = new Command("context", "Compares what the same held-out tokens cost after short and long contexts.") { data, length, longest, pieces, output, device, threads };
        trainings.AddTo(command);
        sizes.AddTo(command);
        command.SetAction(Failure.Guard(parsed =>
        {
            Shared.UseThreads(parsed.GetValue(threads));
            var path = parsed.Path(data, Shared.TextPath);
            using var interruption = new Interruption();
            using var folder = new OutputFolder(parsed.Path(output)!);
            var asked = sizes.Of(parsed);
            var options = trainings.Options(parsed, asked, new TrainingOptions { Window = parsed.GetValue(length), SectionTokens = parsed.GetValue(length) });
            CommandLine.RequirePositive("--length", parsed.GetValue(length));
            CommandLine.RequirePositive("--pieces", parsed.GetValue(pieces));
            int[] contexts = [.. Contexts(options.Window, parsed.GetValue(longest))];
            var place = Shared.DeviceOf(parsed.GetValue(device)!);
            var (corpus, tokenizer) = trainings.Read(parsed, asked, path, interruption);
            var text = interruption.Wait(() => TokenizedText.Encode(corpus.Validation, tokenizer));
            long tokens = (long)contexts[^1] + options.Window;
            IReadOnlyList<int[]> held = tokens > int.MaxValue ? [] : ContextCost.Pieces(text, (int)tokens, parsed.GetValue(pieces));
            if (held.Count == 0) throw new UserError($"No held-out document has {tokens:N0} tokens. Choose a smaller --longest, or longer texts with --data.");
            var rows = trainings.Run(parsed, asked, corpus, tokenizer, options, place, folder.Path, trained => Ask(trained, held, contexts, text.ByteLengths, options.Window, interruption.Token), interruption.Token);
            if (rows.Count > 0)
            {
                Show(rows, contexts);
                Chart(rows).Save(Path.Combine(folder.Path, "context.svg"));
            }

            Trainings.End(folder.Path, "result.json and context.svg", rows, interruption.Token);
        }));
        return command;
    }

    private static IEnumerable<int> Contexts(int first, int longest)
    {
        if (longest < first) throw new UserError($"--longest is {longest}; it must be at least --length, {first}.");
        for (long context = first; context <= longest; context *= 2) yield return (int)context;
    }

    private static Row? Ask(Trained trained, IReadOnlyList<int[]> pieces, int[] contexts, IReadOnlyList<int> byteLengths, int trainedAt, CancellationToken cancellation)
    {
        var model = trained.Model;
        IReadOnlyList<ContextCost> costs = [];
        Terminal.Progress($"Asking {trained.Name}", report => costs = ContextCost.Measure(model, pieces, contexts, byteLengths, share => report(share, ""), cancellation));
        if (costs.Count == 0) return null;
        return new Row(
            trained.Name, trained.Seed, model.Card.Parameters, model.Card.StateBytes(contexts[^1], torch.ScalarType.Float32), trained.Seconds,
            trainedAt, (long)pieces.Count * (pieces[0].Length - contexts[^1]), costs);
    }

    private static void Show(IReadOnlyList<Row> rows, int[] contexts)
    {
        var table = new Table().Title($"Perplexity of the same {rows[0].AskedTokens:N0} held-out tokens, after so many before them (trained on texts of {rows[0].TrainedAt:N0})")
            .AddColumns("", "parameters", "state, bytes", "seconds each");
        foreach (int context in contexts) table.AddColumn(new TableColumn($"{context:N0}").RightAligned());
        foreach (var own in rows.GroupBy(row => row.Name))
        {
            Row any = own.First();
            string[] costs = [.. contexts.Select((_, i) => own.Where(row => row.ByContext.Count > i).Select(row => row.ByContext[i].Perplexity).ToArray())
                .Select(each => each.Length == 0 ? "" : each.Length == 1 ? $"{each[0]:F2}" : $"{each.Average():F2} ({each.Min():F2}-{each.Max():F2})")];
            table.AddRow([any.Name, $"{any.Parameters:N0}", $"{any.StateBytes:N0}", $"{own.Average(row => row.Seconds):F0}", .. costs]);
        }

        AnsiConsole.Write(table);
    }

    private static LineChart Chart(IReadOnlyList<Row> rows) => new()
    {
        Title = "What a longer context is worth",
        Subtitle = $"the same {rows[0].AskedTokens:N0} held-out tokens for every context; trained on texts of {rows[0].TrainedAt:N0} tokens; {(rows.GroupBy(row => row.Name).Max(own => own.Count()) is > 1 and var seeds ? $"mean of {seeds} seeds" : "one seed")}",
        XLabel = "tokens read before",
        YLabel = "perplexity",
        Series = [.. rows.GroupBy(row => row.Name).Select((own, index) => new Series(
            own.Key, [.. own.MaxBy(row => row.ByContext.Count)!.ByContext.Select((_, i) => ((double)i, own.Where(row => row.ByContext.Count > i).Average(row => row.ByContext[i].Perplexity)))], SeriesStyle.Dots, Colors[index % Colors.Length]))],
        Categories = [.. rows.MaxBy(row => row.ByContext.Count)!.ByContext.Select((cost, i) => ((double)i, $"{cost.Context:N0}"))],
        LegendBeside = true,
    };
}
