using System.Diagnostics;
using System.Text.Json;

namespace Memory.Gen.Bench;

/// <summary>
/// The same work in eager PyTorch, run by the first Python on this machine that imports torch
/// (MEMORY_GEN_PYTHON, python3, /usr/bin/python3). Both sides get the same threads; Python gets the OpenBLAS kernels and thread waits that serve it best.
/// </summary>
internal sealed class PythonBaseline(string interpreter)
{
    private static readonly string?[] BlasCores = [null, "SKYLAKEX", "HASWELL"];

    // How long idle threads spin: libgomp's and OpenBLAS's own way, and the short waits that this library sets for itself.
    private static readonly Dictionary<string, string>[] Waits = [new(), new() { ["GOMP_SPINCOUNT"] = "2000", ["OPENBLAS_THREAD_TIMEOUT"] = "14" }];

    /// <summary>The environment that Python runs with: the fastest that was tried.</summary>
    public IReadOnlyDictionary<string, string> Environment { get; private set; } = new Dictionary<string, string>();

    private static readonly Dictionary<string, string> Nothing = [];

    public string Interpreter => interpreter;

    public static PythonBaseline? Find()
    {
        foreach (string? candidate in new[] { System.Environment.GetEnvironmentVariable("MEMORY_GEN_PYTHON"), "python3", "/usr/bin/python3" })
            if (!string.IsNullOrEmpty(candidate) && Run(candidate, ["-c", "import torch"], Nothing, TimeSpan.FromSeconds(60)) is not null)
                return new PythonBaseline(candidate);
        return null;
    }

    /// <summary>Tries OpenBLAS cores and thread waits on products with elementwise work between them, and keeps the fastest.</summary>
    public void ChooseEnvironment(int threads)
    {
        const string Probe = "import sys,time,torch; torch.set_num_threads(int(sys.argv[1])); a=torch.randn(1024,256); w=torch.randn(256,256)/16\ndef f():\n for _ in range(100): x=torch.sigmoid(a@w)*a+a\nf(); best=9e9\nfor _ in range(5):\n t=time.perf_counter(); f(); best=min(best,time.perf_counter()-t)\nprint(best)";
        double best = double.PositiveInfinity;
        foreach (string? core in BlasCores)
        {
            foreach (var wait in Waits)
            {
                var environment = new Dictionary<string, string>(wait);
                if (core is not null) environment["OPENBLAS_CORETYPE"] = core;
                string? printed = Run(interpreter, ["-c", Probe, $"{threads}"], environment, TimeSpan.FromSeconds(60));
                if (printed is null || !double.TryParse(printed.Trim(), out double seconds) || seconds >= best) continue;
                (best, Environment) = (seconds, environment);
            }
        }
    }

    /// <summary>Runs one of the scripts beside this program and reads the JSON lines that it prints.</summary>
    public IReadOnlyList<JsonElement> Lines(string script, params string[] arguments)
    {
        string path = Path.Combine(AppContext.BaseDirectory, "python", script);
        string printed = Run(interpreter, [path, .. arguments], Environment, TimeSpan.FromMinutes(20)) ?? "";
        return [.. printed.Split('\n').Where(l => l.StartsWith('{')).Select(l => JsonDocument.Parse(l).RootElement)];
    }

    /// <summary>Runs Python code with one argument a string and returns what it printed, or null where it failed.</summary>
    public string? Evaluate(string code, params string[] arguments) => Run(interpreter, ["-c", code, .. arguments], Environment, TimeSpan.FromMinutes(2));

    private static string? Run(string interpreter, IEnumerable<string> arguments, IReadOnlyDictionary<string, string> environment, TimeSpan limit)
    {
        var start = new ProcessStartInfo(interpreter, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        foreach (var (name, value) in environment) start.Environment[name] = value;
        try
        {
            using var process = Process.Start(start)!;
            var errors = process.StandardError.ReadToEndAsync();
            var output = process.StandardOutput.ReadToEndAsync();
            if (!process.WaitForExit(limit))
            {
                process.Kill(entireProcessTree: true);
                return null;
            }
            return process.ExitCode == 0 ? output.Result : null;
        }
        catch (System.ComponentModel.Win32Exception)
        {
            return null;
        }
    }
}
