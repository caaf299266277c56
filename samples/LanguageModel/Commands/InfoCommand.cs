using System.CommandLine;
using LanguageModel.Models;
using Memory.Gen.Runtime.Kernels;
using Spectre.Console;
using TorchSharp;
using static TorchSharp.torch;

namespace LanguageModel.Commands;

/// <summary>Shows what a model is and costs, without building it, and what it would run on.</summary>
internal static class InfoCommand
{
    private static readonly long[] Lengths = [0, 1_024, 16_384, 1_048_576];

    public static Command Create()
    {
        var model = Shared.Model();
        var sizes = new SizeOptions();
        var threads = Shared.Threads();
        var command = new Command("info", "Shows a model's declaration, sizes and cost, and what it runs on.") { model, threads };
        sizes.AddTo(command);
        command.SetAction(Failure.Guard(parsed =>
        {
            Shared.UseThreads(parsed.GetValue(threads));
            Show(parsed.GetValue(model)!, sizes.Of(parsed));
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

        Terminal.Say($"Operators: {KernelLibrary.Description}");
        if (cuda.is_available()) Terminal.Say($"Operators on CUDA: {KernelLibrary.CudaDescription}");
        Terminal.Say($"Matrix products: OPENBLAS_CORETYPE was {BlasCore.Inherited ?? "not set"}; OpenBLAS runs its {BlasCore.Running ?? "own choice of"} kernels.");
        Terminal.Say($"TorchSharp: {Shared.Provider} provider, {typeof(torch).Assembly.GetName().Version}; {get_num_threads()} threads; CUDA {(cuda.is_available() ? "available" : "not available")}.");
    }
}
