using System.CommandLine;
using LanguageModel.Models;
using Memory.Gen.Runtime;
using Memory.Gen.Training.Data;
using Memory.Gen.Training.Metrics;
using Spectre.Console;

namespace LanguageModel.Commands;

/// <summary>Bits a byte of held-out text, by the length of the context that was read before.</summary>
internal static class EvaluateCommand
{
    public static Command Create()
    {
        var run = Shared.Run();
        var step = Shared.Step();
        var data = Shared.Data();
        var tokens = CommandLine.Number<long>("--tokens", "read about this many tokens, the beginning of every document; without it, everything");
        var device = Shared.Device();
        var threads = Shared.Threads();
        var command = new Command("evaluate", "Measures bits a byte by context length on text that was held out.") { run, step, data, tokens, device, threads };
        command.SetAction(Failure.Guard(parsed =>
        {
            Shared.UseThreads(parsed.GetValue(threads));
            CommandLine.RequirePositive("--tokens", parsed.GetValue(tokens));
            var (folder, path) = (parsed.Path(run)!, parsed.Path(data, Shared.TextPath));
            var (model, checkpoint) = TrainedModel.Load(folder, Shared.DeviceOf(parsed.GetValue(device)!), parsed.GetValue(step));
            var corpus = Shared.Text(path);
            var text = TokenizedText.Encode(corpus.Validation, checkpoint.LoadTokenizer());
            Show(Measure(model, parsed.GetValue(tokens) is { } most ? text.Excerpt(most) : text));
        }));
        return command;
    }

    public static Evaluation Measure(IMemoryModel model, TokenizedText text, CancellationToken cancellation = default)
    {
        Evaluation? result = null;
        Terminal.Progress("Reading held-out text", report => result = Evaluation.Measure(model, text, new EvaluationOptions
        {
            Progress = share =>
            {
                cancellation.ThrowIfCancellationRequested();
                report(share, "");
            },
        }));
        return result!;
    }

    public static void Show(Evaluation evaluation)
    {
        var table = new Table().Title("Held-out text by context").AddColumns("tokens read before", "bits per byte", "bytes");
        foreach (var bucket in evaluation.ByContext) table.AddRow($"{bucket.From:N0} to {bucket.To:N0}", $"{bucket.BitsPerByte:F3}", $"{bucket.Bytes:N0}");
        table.AddRow("[bold]all[/]", $"[bold]{evaluation.BitsPerByte:F3}[/]", $"{evaluation.Bytes:N0}");
        AnsiConsole.Write(table);
    }
}
