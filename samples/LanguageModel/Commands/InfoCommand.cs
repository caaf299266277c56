using System.CommandLine;
using LanguageModel.Models;
using Memory.Gen.Runtime.Kernels;
using Memory.Gen.Training;
using Spectre.Console;
using TorchSharp;
using static TorchSharp.torch;

namespace LanguageModel.Commands;

/// <summary>Shows what a model is and costs, without building it, how far a run has trained it, and what it would run on.</summary>
internal static class InfoCommand
{
    private static readonly long[] Lengths = [0, 1_024, 16_384, 1_048_576];

    public static Command Create()
    {
        var model = Shared.Model();
        var sizes = new SizeOptions();
        var run = new Option<string?>("--run") { Description = "folder of a training run: shows its model, and how far it was trained" };
        var step = Shared.Step();
        var threads = Shared.Threads();
        var command = new Command("info", "Shows a model's declaration, sizes and cost, and what it runs on.") { model, run, step, threads };
        sizes.AddTo(command);
        command.SetAction(Failure.Guard(parsed =>
        {
            Shared.UseThreads(parsed.GetValue(threads));
            var asked = sizes.Of(parsed);
            if (parsed.Path(run) is not { } folder)
            {
                if (parsed.GetValue(step) is not null) throw new UserError("--step chooses a checkpoint of a run; name the run with --run.");
                Show(parsed.GetValue(model)!, asked);
            }
            else
            {
                if (parsed.GetResult(model) is { Implicit: false } || !asked.AsDeclared)
                    throw new UserError("--run has its own model and sizes; leave out --model, --dim, --layers, --heads, --pattern and --vocab.");
                var trained = TrainedModel.Read(folder);
                var checkpoint = TrainedModel.CheckpointOf(folder, parsed.GetValue(step));
                Show(trained.Name, trained.Sizes);
                ShowRun(checkpoint);
            }

            ShowMachine();
        }));
        return command;
    }

    private static void Show(string name, Sizes sizes)
    {
        // On the meta device a model has shapes and no memory.
        var (module, model) = DeclarationCompiler.Create(name, sizes, new Device("meta"));
        using var built = module;
        AnsiConsole.Write(new Panel(Markup.Escape(Catalog.Declaration(Catalog.Find(name), sizes))).Header(Markup.Escape(name)));
        AnsiConsole.WriteLine(model.Card.ToString());

        var table = new Table().Title("State of one text, in bytes").AddColumns("tokens read", "float32", "bfloat16");
        foreach (long length in Lengths)
            table.AddRow($"{length:N0}", $"{model.Card.StateBytes(length, ScalarType.Float32):N0}", $"{model.Card.StateBytes(length, ScalarType.BFloat16):N0}");
        AnsiConsole.Write(table);
    }

    private static void ShowRun(Checkpoint checkpoint)
    {
        var run = checkpoint.Snapshot;
        var options = run.Options;
        Terminal.Say($"Run: {checkpoint.Path}, {run.Step:N0} steps in {run.Seconds:F0} s, {run.Fraction:P0} of what was asked; {run.Tokens:N0} tokens ({Terminal.Size(run.Bytes)} of text).");
        Terminal.Say($"Trained with: {options.Batch} texts of {options.Window:N0} tokens a step, learning rate up to {options.LearningRate}, seed {options.Seed}; a vocabulary of {checkpoint.LoadTokenizer().VocabSize:N0} tokens.");
        if (run.History.Points is [.., var last]) Terminal.Say($"Bits a byte: {last.BitsPerByte:F3} in training after step {last.Step:N0}{(run.Validations is [.., var held] ? $", {held.BitsPerByte:F3} on an excerpt of the held-out text after step {held.Step:N0}" : "")}.");
    }

    private static void ShowMachine()
    {
        Terminal.Say($"Operators: {KernelLibrary.Description}");
        if (cuda.is_available()) Terminal.Say($"Operators on CUDA: {KernelLibrary.CudaDescription}");
        Terminal.Say($"Matrix products: OPENBLAS_CORETYPE was {BlasCore.Inherited ?? "not set"}; OpenBLAS runs its {BlasCore.Running ?? "own choice of"} kernels.");
        Terminal.Say($"TorchSharp: {Shared.Provider} provider, {typeof(torch).Assembly.GetName().Version}; {get_num_threads()} threads; CUDA {(cuda.is_available() ? "available" : "not available")}.");
    }
}
