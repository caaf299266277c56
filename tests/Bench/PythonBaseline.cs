using System.Diagnostics;
using System.Text.Json;

namespace Memory.Gen.Bench;

/// <summary>
/// The same work in eager PyTorch, run by the first Python on this machine that imports torch
/// (MEMORY_GEN_PYTHON, python3, /usr/bin/python3). Both sides get the same threads; Python gets the OpenBLAS kernels that serve it best.
/// </summary>
internal sealed class PythonBaseline(string interpreter)
{
    private static readonly string[] BlasCores = ["SKYLAKEX", "HASWELL"];

    /// <summary>The OpenBLAS core that Python runs with; null = OpenBLAS chooses.</summary>
    public string? BlasCore { get; private set; }

    public string Interpreter => interpreter;

    public static PythonBaseline? Find()
    {
        foreach (string? candidate in new[] { Environment.GetEnvironmentVariable("MEMORY_GEN_PYTHON"), "python3", "/usr/bin/python3" })
            if (!string.IsNullOrEmpty(candidate) && Run(candidate, ["-c", "import torch"], null, TimeSpan.FromSeconds(60)) is not null)
                return new PythonBaseline(candidate);
        return null;
    }

    /// <summary>Tries the OpenBLAS cores on one matrix product and keeps the fastest.</summary>
    public void ChooseBlasCore(int threads)
    {
        const string Probe = "import sys,time,torch; torch.set_num_threads(int(sys.argv[1])); a=torch.randn(1024,1024); [a@a for _ in range(3)]; t=time.perf_counter(); [a@a for _ in range(10)]; print(time.perf_counter()-t)";
        double best = double.PositiveInfinity;
        foreach (string? core in BlasCores.Prepend(null))
        {
            string? printed = Run(interpreter, ["-c", Probe, $"{threads}"], core, TimeSpan.FromSeconds(60));
            if (printed is null || !double.TryParse(printed.Trim(), out double seconds) || seconds >= best) continue;
            (best, BlasCore) = (seconds, core);
        }
    }

    /// <summary>Runs one of the scripts beside this program and reads the JSON lines that it prints.</summary>
    public IReadOnlyList<JsonElement> Lines(string script, params string[] arguments)
    {
        string path = Path.Combine(AppContext.BaseDirectory, "python", script);
        string printed = Run(interpreter, [path, .. arguments], BlasCore, TimeSpan.FromMinutes(20)) ?? "";
        return [.. printed.Split('\n').Where(l => l.StartsWith('{')).Select(l => JsonDocument.Parse(l).RootElement)];
    }

    /// <summary>Runs Python code with one argument a string and returns what it printed, or null where it failed.</summary>
    public string? Evaluate(string code, params string[] arguments) => Run(interpreter, ["-c", code, .. arguments], BlasCore, TimeSpan.FromMinutes(2));

    private static string? Run(string interpreter, IEnumerable<string> arguments, string? blasCore, TimeSpan limit)
    {
        var start = new ProcessStartInfo(interpreter, arguments) { RedirectStandardOutput = true, RedirectStandardError = true };
        if (blasCore is not null) start.Environment["OPENBLAS_CORETYPE"] = blasCore;
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
