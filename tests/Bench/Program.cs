using System.CommandLine;
using System.Globalization;
using Memory.Gen.Bench;
using Memory.Gen.Runtime.Kernels;
using Memory.Gen.Tests.Shared;
using Spectre.Console;
using TorchSharp;

BlasCore.Prepare();
CultureInfo.CurrentCulture = CultureInfo.DefaultThreadCurrentCulture = CultureInfo.InvariantCulture;

// A file takes wide tables; a terminal says how wide it is.
if (Console.IsOutputRedirected) (AnsiConsole.Profile.Width, AnsiConsole.Profile.Capabilities.Ansi) = (200, false);

var threads = Count("--threads", "threads on both sides", Environment.ProcessorCount);
var repeats = Count("--repeats", "timed calls of each operator; the median counts", 3);
var steps = Count("--steps", "timed training steps of each model; the median counts", 5);
var only = new Option<string>("--only") { Description = "only rows whose name contains this", DefaultValueFactory = _ => "" };
var output = new Option<DirectoryInfo>("--out") { Description = "folder of result.json", DefaultValueFactory = _ => new DirectoryInfo("artifacts/bench") };
var device = new Option<string>("--device") { Description = "cpu, or cuda for the operators on a GPU", DefaultValueFactory = _ => "cpu" };
device.AcceptOnlyFromAmong("cpu", "cuda");
var root = new RootCommand("Times the operators and models against eager PyTorch and against this machine's own peaks.") { threads, repeats, steps, only, output, device };
root.SetAction(parsed =>
{
    torch.set_num_threads(parsed.GetValue(threads));
    torch.random.manual_seed(0);
    var settings = new BenchSettings(parsed.GetValue(threads), parsed.GetValue(repeats), parsed.GetValue(steps), parsed.GetValue(only)!);
    string folder = parsed.GetValue(output)!.FullName;
    try
    {
        // Before it is measured what is to be written there.
        Directory.CreateDirectory(folder);
    }
    catch (Exception error) when (error is IOException or UnauthorizedAccessException)
    {
        Console.Error.WriteLine($"--out names the folder \"{folder}\", in which nothing can be written ({error.Message.TrimEnd('.')}). Choose another one.");
        return Exit.Failed;
    }

    return parsed.GetValue(device) == "cuda" ? new CudaBenchmark(settings, AnsiConsole.Console).Run(folder) : new Benchmark(settings, AnsiConsole.Console).Run(folder);
});
var typing = new Command("typing", "Times the source generator itself while somebody types.");
typing.SetAction(_ => TypingSession.Run(AnsiConsole.Console));
root.Add(typing);
ParseResult usage = root.Parse(args);
int code = usage.Invoke();
return usage.Errors.Count > 0 ? Exit.WrongUsage : code;

static Option<int> Count(string name, string description, int absent) =>
    new Option<int>(name) { Description = description, DefaultValueFactory = _ => absent }.AtLeastOne();
