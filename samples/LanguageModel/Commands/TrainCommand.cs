using System.CommandLine;
using System.CommandLine.Parsing;
using LanguageModel.Models;
using Memory.Gen.Runtime;
using Memory.Gen.Runtime.Kernels;
using Memory.Gen.Runtime.Operators;
using Memory.Gen.Training;
using Memory.Gen.Training.Data;
using Memory.Gen.Training.Metrics;
using Memory.Gen.Training.Reports;
using Memory.Gen.Training.Tokenizers;
using Spectre.Console;
using TorchSharp;

namespace LanguageModel.Commands;

/// <summary>Trains a model on text, compares it with count models and compressors on held-out text, and lets it write.</summary>
internal static class TrainCommand
{
    public const string DefaultFolder = "artifacts/train";

    private const int Paragraphs = 3, ParagraphTokens = 40; // one alone may happen to be a list of names

    public static Command Create()
    {
        var model = Shared.Model();
        var data = Shared.Data();
        var minutes = CommandLine.Number<double>("--minutes", $"minutes of training by the clock, with --resume those before it too; {TrainingChoices.DefaultMinutes} without --steps");
        var steps = CommandLine.Number<long>("--steps", "optimizer steps, instead of --minutes; with --resume those before it too");
        var sizes = new SizeOptions();
        var tokenizer = new Option<string>("--tokenizer") { Description = "bpe or bytes", DefaultValueFactory = _ => "bpe" };
        var batch = CommandLine.Number<int>("--batch", $"texts read side by side; {TrainingChoices.DefaultBatch} unless told otherwise");
        var length = CommandLine.Number<int>("--length", $"tokens of each text in a step; {TrainingChoices.DefaultLength} unless told otherwise");
        var rate = CommandLine.Number<double>("--lr", $"largest learning rate; {TrainingChoices.DefaultLearningRate} unless told otherwise");
        var precision = new Option<MatmulPrecision?>("--matmul-precision")
        {
            Description = "float32, or bfloat16: linear maps round what they multiply where the CPU multiplies such numbers",
            CustomParser = result => PrecisionOf(result),
        };
        var seed = CommandLine.Number<long>("--seed", "of the initial weights and the order of the text", absent: 1);
        var output = new Option<string>("--out") { Description = "folder of the run", DefaultValueFactory = _ => DefaultFolder };
        var firstStage = new Option<string?>("--first-stage") { Description = "folder of a run of hmt-first, whose weights and tokens hmt begins with" };
        var resume = new Option<bool>("--resume") { Description = "go on where the run in --out stopped" };
        var step = Shared.Step("with --resume, where to go on (what came after moves to earlier-N): ");
        var device = Shared.Device();
        var threads = Shared.Threads();
        var command = new Command("train", "Trains a model, three minutes on the .NET documentation unless told otherwise.")
        {
            model, data, minutes, steps, tokenizer, batch, length, rate, precision, seed, output, firstStage, resume, step, device, threads,
        };
        sizes.AddTo(command);
        Option[] ofTheRun = [model, tokenizer, batch, length, rate, seed, firstStage, .. sizes.All];
        command.SetAction(Failure.Guard(parsed =>
        {
            Shared.UseThreads(parsed.GetValue(threads));
            string folder = parsed.Path(output)!;
            var (text, stage) = (parsed.Path(data, Shared.TextPath), parsed.Path(firstStage));
            var asked = sizes.Of(parsed);
            var choices = new TrainingChoices(
                parsed.GetValue(tokenizer)!, asked.Vocabulary, parsed.GetValue(minutes), parsed.GetValue(steps),
                parsed.GetValue(batch), parsed.GetValue(length), parsed.GetValue(rate), parsed.GetValue(precision), parsed.GetValue(seed));
            var place = Shared.DeviceOf(parsed.GetValue(device)!);
            using var interruption = new Interruption();
            try
            {
                // With the machine's options too: another number of threads gives other last bits.
                string goOn = $"{Copied.Train} --resume --out {Copied.Word(folder)}{(text is null ? "" : $" {data.Name} {Copied.Word(text)}")}"
                    + string.Concat(new Option[] { device, threads }.Where(Given).Select(option => $" {option.Name} {parsed.GetResult(option)!.Tokens[0].Value}"));
                if (parsed.GetValue(resume))
                {
                    if (ofTheRun.Where(Given).ToList() is { Count: > 0 } others)
                        throw new UserError($"--resume goes on with the run's own model and options; leave out {string.Join(" and ", others.Select(option => option.Name))}.");
                    Resume(folder, parsed.GetValue(step), choices, text, goOn, place, interruption);
                }
                else if (Given(step))
                {
                    throw new UserError("--step chooses the checkpoint that --resume goes on from. Give --resume too; how long to train says --steps.");
                }
                else
                {
                    Begin(folder, new TrainedModel(parsed.GetValue(model)!, choices.Fit(asked)), choices, text, stage, goOn, place, interruption);
                }
            }
            catch (OperationCanceledException)
            {
                Terminal.Say($"Stopped before the first step; nothing has changed in {folder}.");
            }

            bool Given(Option option) => parsed.GetResult(option) is { Implicit: false };
        }));
        return command;
    }

    private static MatmulPrecision? PrecisionOf(ArgumentResult result)
    {
        string text = result.Tokens[0].Value;
        if (text.Equals("float32", StringComparison.OrdinalIgnoreCase)) return MatmulPrecision.Float32;
        if (text.Equals("bfloat16", StringComparison.OrdinalIgnoreCase)) return MatmulPrecision.BFloat16;
        result.AddError($"--matmul-precision is \"{text}\"; it must be float32 or bfloat16.");
        return null;
    }

    private static void Begin(
        string folder, TrainedModel trained, TrainingChoices choices, string? data, string? firstStage, string goOn, torch.Device device, Interruption interruption)
    {
        // Before the text is read: a size that does not fit should not cost a minute, nor a folder that cannot be.
        var model = Build();
        var options = choices.Options();
        var first = firstStage is null ? null : FirstStage(firstStage, trained);
        using var output = new OutputFolder(folder);
        var corpus = interruption.Wait(() => Shared.Text(data));
        int vocabulary = Catalog.Vocabulary(trained.Name, trained.Sizes);
        var tokenizer = first?.LoadTokenizer() ?? interruption.Wait(() => choices.Tokenizer(corpus, vocabulary));
        if (tokenizer.VocabSize < vocabulary)
        {
            // Otherwise it could make tokens that stand for nothing.
            Terminal.Say($"There are {tokenizer.VocabSize:N0} tokens; the model is made with as many instead of {vocabulary:N0}.");
            trained = trained with { Sizes = trained.Sizes with { Vocabulary = tokenizer.VocabSize } };
            model = Build();
        }

        first?.LoadFirstStage(model);
        using var trainer = new Trainer(model, corpus, tokenizer, options, TrainedModel.CheckpointsOf(folder));
        interruption.Token.ThrowIfCancellationRequested();
        // Last: a run that does not begin leaves the one that was here in its place.
        if (trained.Begin(folder) is { } earlier) Terminal.Say($"The run that was here is now in {earlier}; use it with --run {Copied.Word(earlier)}.");
        Run(folder, goOn, trained, model, device, tokenizer, corpus, trainer, interruption);

        IMemoryModel Build()
        {
            torch.random.manual_seed(choices.Seed);
            return DeclarationCompiler.Create(trained.Name, trained.Sizes, device, trains: true).Model;
        }
    }

    // Its weights are of its tokens, so these are taken over too.
    private static Checkpoint FirstStage(string folder, TrainedModel trained)
    {
        var stage = TrainedModel.Read(folder, "--first-stage");
        if ((Catalog.Find(trained.Name), Catalog.Find(stage.Name)) != (typeof(HierarchicalLM), typeof(FirstStageLM)))
            throw new UserError($"--first-stage is for --model hmt, which begins with a run of hmt-first; {folder} is one of {stage.Name}, and the model is {trained.Name}.");
        // Another number of heads has the same weights, and means something else by them.
        if (Declaration(stage.Sizes) != Declaration(trained.Sizes))
        {
            string[] given = [.. new[] { ("--dim", stage.Sizes.Dim), ("--layers", stage.Sizes.Layers), ("--heads", stage.Sizes.Heads) }.Where(size => size.Item2 is not null).Select(size => $"{size.Item1} {size.Item2}")];
            throw new UserError($"{folder} was trained {(given.Length > 0 ? "with " + string.Join(" ", given) : "in the declared sizes")}, and the second stage begins with its weights. Give it the same sizes.");
        }

        return TrainedModel.CheckpointOf(folder);

        static string Declaration(Sizes sizes) => Catalog.Declaration(typeof(HierarchicalLM), sizes with { Vocabulary = null });
    }

    private static void Resume(string folder, long? step, TrainingChoices choices, string? data, string goOn, torch.Device device, Interruption interruption)
    {
        var trained = TrainedModel.Read(folder, "--out");
        using var output = new OutputFolder(folder);
        var (model, checkpoint) = TrainedModel.Load(folder, device, step);
        var corpus = interruption.Wait(() => Shared.Text(data));
        using var trainer = Trainer.Resume(model, corpus, checkpoint, TrainedModel.CheckpointsOf(folder), choices.Extend(checkpoint.Snapshot.Options));
        interruption.Token.ThrowIfCancellationRequested();
        if (choices.Steps < trainer.Step)
            throw new UserError($"--steps is {choices.Steps:N0}, and the run has {trainer.Step:N0} behind it. Give more, or go on from an older checkpoint with --step.");
        if (step is not null && trained.GoBack(folder, checkpoint.Path) is { } later)
            Terminal.Say($"What the run did after step {step:N0} is now in {later}; use it with --run {Copied.Word(later)}.");
        Terminal.Say(trainer.Fraction < 1
            ? $"Going on after step {trainer.Step:N0}."
            : $"The run is done, after {trainer.Step:N0} {(trainer.Step == 1 ? "step" : "steps")} in {Terminal.Time(trainer.Elapsed)}: what follows is its report. To train on, give more --steps or --minutes than that.");
        Run(folder, goOn, trained, model, device, checkpoint.LoadTokenizer(), corpus, trainer, interruption);
    }

    private static void Run(
        string folder, string goOn, TrainedModel trained, IMemoryModel model, torch.Device device, ITokenizer tokenizer, Corpus corpus, Trainer trainer, Interruption interruption)
    {
        Terminal.Say($"Model: {trained.Name}, {model.Card.Parameters:N0} parameters; state {model.Card.StateBytes(0, torch.ScalarType.Float32):N0} bytes a text.");
        if (device.type == DeviceType.CPU && KernelLibrary.Problem is { } problem) Terminal.Warn($"Operators run as tensor operations, which takes several times as long: {problem}.");
        if (trainer.Options.MatmulPrecision == MatmulPrecision.BFloat16 && device.type == DeviceType.CPU)
        {
            Terminal.Say(KernelLibrary.MultipliesBFloat16
                ? "Linear maps round what they multiply to bfloat16."
                : "This CPU does not multiply bfloat16 numbers: linear maps multiply in float32.");
        }

        TrainingOutcome outcome = default;
        Terminal.Progress("Training", report => outcome = trainer.Run(
            p => report(p.Fraction, $"step {p.Step:N0}, {p.BitsPerByte:F2} bits per byte, {p.TokensPerSecond:N0} tokens/s, {Terminal.Time(p.Left)} left"),
            interruption.Token));
        if (outcome == TrainingOutcome.Stopped)
        {
            Terminal.Say(trainer.LastCheckpoint is { } saved
                ? $"Stopped after step {trainer.Step:N0}. Saved in {saved}. Go on with: {goOn}"
                : "Stopped before the first step; nothing was trained.");
            return;
        }

        try
        {
            Report(folder, trained, model, tokenizer, corpus, trainer, interruption);
        }
        catch (OperationCanceledException)
        {
            Terminal.Say($"Stopped before the report was written. All {trainer.Step:N0} steps are done and saved in {trainer.LastCheckpoint}. The report is written by: {goOn}");
            return;
        }

        for (int seed = 1; seed <= Paragraphs && !interruption.Token.IsCancellationRequested; seed++)
        {
            Terminal.Say("");
            using var state = model.NewState(1);
            var options = new GenerationOptions { MaxTokens = ParagraphTokens, Temperature = 0.7, TopP = 0.95, Seed = seed };
            Continuation.Write(model, tokenizer, "\n", "", options, state, interruption.Token);
        }

        Terminal.Say("");
        Terminal.Say($"Saved in {folder}: checkpoints, loss.svg, result.json. Talk to it: {Copied.Program} talk --run {Copied.Word(folder)} --memory talk.safetensors");
    }

    private static void Report(
        string folder, TrainedModel trained, IMemoryModel model, ITokenizer tokenizer, Corpus corpus, Trainer trainer, Interruption interruption)
    {
        var evaluation = EvaluateCommand.Measure(model, TokenizedText.Encode(corpus.Validation, tokenizer), interruption.Token);
        Terminal.Say("Counting bytes for comparison.");
        var baselines = interruption.Wait(() => Baselines.Measure(corpus));
        var report = TrainingReport.Create(trained.Name, model.Card.Parameters, Shared.Provider, trainer, corpus, tokenizer.VocabSize, evaluation, baselines);
        report.Save(TrainedModel.ResultOf(folder));
        LossChart.Create(trained.Name, trainer.History, trainer.Validations, baselines, evaluation.BitsPerByte).Save(TrainedModel.LossChartOf(folder));

        var rows = new (string Name, double Bits)[]
        {
            ($"{trained.Name} after {trainer.Elapsed.TotalSeconds:F0} s", evaluation.BitsPerByte),
            ("counts, order 3 (Witten-Bell)", baselines.Order3), ("counts, order 4", baselines.Order4), ("counts, order 5", baselines.Order5),
            ("gzip", baselines.Gzip), ("brotli", baselines.Brotli),
        };
        var table = new Table().Title($"The same {evaluation.Bytes:N0} bytes of held-out text").AddColumns("", "bits per byte");
        foreach (var (name, bits) in rows.OrderByDescending(r => r.Bits))
            table.AddRow(bits == evaluation.BitsPerByte ? $"[bold]{name}[/]" : name, bits == evaluation.BitsPerByte ? $"[bold]{bits:F3}[/]" : $"{bits:F3}");
        AnsiConsole.Write(table);
        Terminal.Say($"{trainer.Tokens:N0} tokens ({Terminal.Size(trainer.Bytes)} of text) in {trainer.Elapsed.TotalSeconds:F0} s: {report.TokensPerSecond:N0} tokens/s.");
    }
}
