using System.Diagnostics;
using System.Text.Json;
using Memory.Gen.Runtime.Kernels;
using Memory.Gen.Runtime;
using Memory.Gen.Runtime.Operators;
using Spectre.Console;
using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Bench;

internal sealed record BenchSettings(int Threads, int Repeats, int Steps, string Only)
{
    public bool Wants(string name) => name.Contains(Only, StringComparison.OrdinalIgnoreCase);

    /// <summary>What a run returns that measured nothing; the result of an earlier one stays.</summary>
    public int Nothing()
    {
        Console.Error.WriteLine($"No row's name contains \"{Only}\": nothing was measured or written. The names are the column op of result.json.");
        return Exit.WrongUsage;
    }
}

/// <summary>One run: the machine's peaks, every operator in its unasked form beside eager PyTorch, then whole models and one small call.</summary>
internal sealed class Benchmark(BenchSettings settings, IAnsiConsole console)
{
    // Above this the timed form did something else than the recurrence, and its time says nothing.
    private const double AllowedError = 2e-4;

    private readonly List<Dictionary<string, object?>> rows = [];
    private bool allCorrect = true;

    public int Run(string folder)
    {
        var python = PythonBaseline.Find();
        python?.ChooseEnvironment(settings.Threads);
        var peaks = MachinePeaks.Measure(settings.Threads);
        console.WriteLine(peaks is null
            ? $"{settings.Threads} threads; no shares of the peak: the kernel library's probe is not there. ./build.sh bench builds it."
            : $"{settings.Threads} threads; measured peaks: {peaks.FlopsPerSecond / 1e9:F0} GFLOP/s fused multiply-add, {peaks.BytesPerSecond / 1e9:F1} GB/s copy.");
        console.WriteLine($"OpenBLAS core: {BlasCore.Running ?? "unknown"} here (inherited {BlasCore.Inherited ?? "nothing"}), {Settings(python)} in Python.");
        console.WriteLine(python is null
            ? "No Python here imports torch, so there is nothing to compare with. Set MEMORY_GEN_PYTHON to one that does."
            : $"PyTorch runs in {python.Interpreter}.");
        console.WriteLine($"Freed memory kept: {HostMemory.Kept}.");
        Operators(peaks, python);
        Scaling();
        Models(python);
        Decode(python);
        SmallCall(python);
        if (rows.Count == 0) return settings.Nothing();
        string path = Path.Combine(folder, "result.json");
        File.WriteAllText(path, JsonSerializer.Serialize(rows, new JsonSerializerOptions { WriteIndented = true }));
        console.WriteLine($"Written to {path}.");
        return allCorrect ? 0 : Exit.Failed;
    }

    private void Operators(MachinePeaks? peaks, PythonBaseline? python)
    {
        var cases = OperatorCase.All().Where(c => settings.Wants(c.Op)).ToList();
        if (cases.Count == 0) return;
        var torchRows = python?.Lines("torch_ops.py", "--threads", $"{settings.Threads}", "--repeats", $"{settings.Repeats}", "--only", settings.Only)
            .ToDictionary(TorchKey) ?? [];
        var table = new Table().AddColumns("operator", "shape", "form", "forward ms", "torch ms", "ratio", "roofline", "both ms", "torch ms", "ratio", "roofline", "backward / forward", "error");
        foreach (var one in cases)
        {
            using var scope = NewDisposeScope();
            (double error, Tensor produced, OperatorForm form) = Check(one);
            double forward = Timing.Milliseconds(settings.Repeats, () => Forward(one));
            var ratios = new List<double>();
            double both = Timing.Milliseconds(settings.Repeats, () => ratios.Add(ForwardAndBackward(one)));
            double ratio = Timing.Median(ratios);
            bool correct = error <= AllowedError;
            allCorrect &= correct;
            bool compared = torchRows.TryGetValue(one.Key, out var torch);
            double? torchForward = compared ? torch.GetProperty("forward_ms").GetDouble() : null;
            double? torchBoth = compared ? torch.GetProperty("forward_backward_ms").GetDouble() : null;
            double? forwardShare = 1e3 * peaks?.Roofline(one.ForwardFlops, one.ForwardBytes(produced)) / forward;
            double? bothShare = 1e3 * peaks?.Roofline(one.BothFlops, one.BothBytes(produced)) / both;
            rows.Add(new()
            {
                ["op"] = one.Op,
                ["shape"] = one.Shape.ToDictionary(s => s.Axis, s => s.Size),
                ["threads"] = settings.Threads,
                ["form"] = form.ToString().ToLowerInvariant(),
                ["error"] = error,
                ["forward_ms"] = correct ? forward : null,
                ["forward_backward_ms"] = correct ? both : null,
                ["torch_forward_ms"] = torchForward,
                ["torch_forward_backward_ms"] = torchBoth,
                ["forward_roofline_share"] = correct ? forwardShare : null,
                ["forward_backward_roofline_share"] = correct ? bothShare : null,
                ["backward_over_forward"] = correct ? ratio : null,
                ["blas_core"] = BlasCore.Running, ["torch_environment"] = Settings(python),
            });
            table.AddRow(
                one.Op, string.Join(' ', one.Shape.Select(s => $"{s.Axis}{s.Size}")), form.ToString(),
                $"{forward:F2}", Show(torchForward), Ratio(torchForward, forward, correct), Show(forwardShare, "P0"),
                $"{both:F2}", Show(torchBoth), Ratio(torchBoth, both, correct), Show(bothShare, "P0"), $"{ratio:F1}", $"{error:E1}");
        }
        console.Write(table);
    }

    // One thread and all by turns, so that a machine whose speed drifts slows both.
    private void Scaling()
    {
        if (settings.Threads == 1) return;
        var table = new Table().AddColumns("operator", "shape", "forward, 1 thread", $"{settings.Threads}", "times", "both, 1 thread", $"{settings.Threads}", "times");
        foreach (var one in OperatorCase.All().Where(c => settings.Wants($"threads/{c.Op}")))
        {
            using var scope = NewDisposeScope();
            double[] forward = ByTurns(() => Forward(one)), both = ByTurns(() => ForwardAndBackward(one));
            rows.Add(new()
            {
                ["op"] = $"threads/{one.Op}", ["shape"] = one.Shape.ToDictionary(s => s.Axis, s => s.Size), ["threads"] = settings.Threads,
                ["one_thread_forward_ms"] = forward[0], ["forward_ms"] = forward[1], ["one_thread_forward_backward_ms"] = both[0], ["forward_backward_ms"] = both[1],
            });
            table.AddRow(
                one.Op, string.Join(' ', one.Shape.Select(s => $"{s.Axis}{s.Size}")),
                $"{forward[0]:F2}", $"{forward[1]:F2}", $"{forward[0] / forward[1]:F2}", $"{both[0]:F2}", $"{both[1]:F2}", $"{both[0] / both[1]:F2}");
        }
        if (table.Rows.Count > 0) console.Write(table);

        double[] ByTurns(Action call)
        {
            List<double>[] times = [[], []];
            for (int round = 0; round < settings.Repeats; round++)
            {
                for (int all = 0; all < 2; all++)
                {
                    set_num_threads(all == 1 ? settings.Threads : 1);
                    times[all].Add(Timing.Milliseconds(5, call));
                }
            }
            set_num_threads(settings.Threads);
            return [.. times.Select(Timing.Median)];
        }
    }

    private void Models(PythonBaseline? python)
    {
        var table = new Table().AddColumns("model", "tokens/s", "torch tokens/s", "ratio");
        // Python has only the gated delta rule and attention: the other rows are to be read beside that of one memory.
        foreach (var (name, create, inPython) in new (string, Func<nn.Module<Tensor, Tensor>>, string[]?)[]
            { ("gated_delta", () => new GatedDeltaBench(), ["gated_delta"]), ("gated_delta_bfloat16", () => new GatedDeltaBench(), ["gated_delta", "--autocast"]),
              ("generalized_delta", () => new GeneralizedDeltaBench(), null), ("titans_gate", () => new TitansGateBench(), null), ("selective", () => new SelectiveBench(), null), ("state_space", () => new StateSpaceBench(), null),
              ("mixture", () => new MixtureBench(), null), ("bmojo", () => new BMojoBench(), null), ("sliding", () => new SlidingBench(), ["sliding"]) })
        {
            bool rounds = name.EndsWith("_bfloat16", StringComparison.Ordinal);
            if (!settings.Wants($"model/{name}") || (rounds && !KernelLibrary.MultipliesBFloat16)) continue;
            Projection.MatmulPrecision = rounds ? MatmulPrecision.BFloat16 : MatmulPrecision.Float32;
            using var model = create();
            // Ours, Python's, ours again: a machine whose speed drifts then shows it.
            double before = ModelCase.Train(model, settings.Steps).TokensPerSecond;
            double? torch = inPython is null ? null : python?.Lines("torch_lm.py", ["--mixer", .. inPython, "--steps", $"{settings.Steps}", "--threads", $"{settings.Threads}"])
                .Select(l => (double?)l.GetProperty("tokens_per_second").GetDouble()).FirstOrDefault();
            double after = ModelCase.Train(model, settings.Steps).TokensPerSecond;
            double ours = (before + after) / 2;
            rows.Add(new()
            {
                ["op"] = $"model/{name}", ["threads"] = settings.Threads, ["tokens_per_second"] = ours, ["torch_tokens_per_second"] = torch, ["blas_core"] = BlasCore.Running, ["torch_environment"] = Settings(python),
            });
            table.AddRow(name, $"{before:F0}, {after:F0}", Show(torch, "F0"), torch is { } t ? $"{ours / t:F2}x" : "");
        }
        Projection.MatmulPrecision = MatmulPrecision.Float32;
        if (table.Rows.Count > 0) console.Write(table);
    }

    private void Decode(PythonBaseline? python)
    {
        // Python has only the gated delta rule.
        Decode("gated_delta", new GatedDeltaBench(), python);
        Decode("titans_gate", new TitansGateBench(), null);
    }

    private void Decode<TModel>(string name, TModel created, PythonBaseline? python) where TModel : nn.Module<Tensor, Tensor>, IMemoryModel
    {
        const int StepsEach = 40; // a step takes a few hundred times less than one of training
        using TModel model = created;
        if (!settings.Wants($"decode/{name}")) return;
        int steps = StepsEach * settings.Steps;
        var before = DecodeCase.Run(model, steps);
        double? torch = python?.Lines("torch_decode.py", "--steps", $"{steps}", "--threads", $"{settings.Threads}")
            .Select(l => (double?)l.GetProperty("tokens_per_second").GetDouble()).FirstOrDefault();
        var after = DecodeCase.Run(model, steps);
        double ours = (before.TokensPerSecond + after.TokensPerSecond) / 2, error = Math.Max(before.Error, after.Error);
        bool correct = error <= AllowedError;
        allCorrect &= correct;
        rows.Add(new()
        {
            ["op"] = $"decode/{name}", ["threads"] = settings.Threads, ["error"] = error, ["tokens_per_second"] = correct ? ours : null, ["torch_tokens_per_second"] = torch, ["torch_environment"] = Settings(python),
        });
        console.WriteLine($"Decoding with {name}, batch 1: {before.TokensPerSecond:F0}, {after.TokensPerSecond:F0} tokens/s here, {Show(torch, "F0")} in Python, {(torch is { } theirs ? Ratio(ours, theirs, correct) : "-")}; error {error:E1}.");
    }

    private void SmallCall(PythonBaseline? python)
    {
        const int Calls = 200_000;
        const string Code = "import sys,time,torch; torch.set_num_threads(1); a=torch.randn(16); b=torch.randn(16); n=int(sys.argv[1]); best=1e9\nfor _ in range(5):\n t=time.perf_counter()\n for _ in range(n): a+b\n best=min(best,time.perf_counter()-t)\nprint(1e9*best/n)";
        if (!settings.Wants("small_call")) return;
        using var scope = NewDisposeScope();
        Tensor a = randn(16), b = randn(16);
        double best = double.PositiveInfinity;
        for (int round = 0; round < 5; round++)
            best = Math.Min(best, Timing.Milliseconds(1, () => { for (int i = 0; i < Calls; i++) (a + b).Dispose(); }) * 1e6 / Calls);
        double? torch = double.TryParse(python?.Evaluate(Code, $"{Calls}"), out double t) ? t : null;
        rows.Add(new() { ["op"] = "small_call", ["nanoseconds"] = best, ["torch_nanoseconds"] = torch });
        console.WriteLine($"One addition of 16 numbers: {best:F0} ns here, {Show(torch, "F0")} ns in Python.");
    }

    internal static (double Error, Tensor Output, OperatorForm Form) Check(OperatorCase one)
    {
        using var quiet = no_grad();
        Tensor produced = one.Run(one.Inputs, null);
        OperatorForm form = OperatorForms.LastUsed!.Value.Form;
        var exact = one.Inputs.Select(t => t.to(float64)).ToArray();
        Tensor expected = one.Run(exact, OperatorForm.Reference);
        double scale = Math.Max(1, expected.abs().max().item<double>());
        return ((produced.to(float64) - expected).abs().max().item<double>() / scale, produced, form);
    }

    internal static void Forward(OperatorCase one)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        one.Run(one.Inputs, null);
    }

    /// <summary>A training's call: forward leaves what backward needs. How often the time of forward backward takes, on the CPU.</summary>
    internal static double ForwardAndBackward(OperatorCase one)
    {
        using var scope = NewDisposeScope();
        var leaves = one.Inputs.Select(t => t.detach().requires_grad_(true)).ToArray();
        long start = Stopwatch.GetTimestamp();
        Tensor output = one.Run(leaves, null);
        TimeSpan forward = Stopwatch.GetElapsedTime(start);
        Tensor upstream = ones_like(output); // in a model it comes from whoever read the output
        start = Stopwatch.GetTimestamp();
        autograd.grad([output], leaves, [upstream]);
        return Stopwatch.GetElapsedTime(start) / forward;
    }

    private static string Settings(PythonBaseline? python) =>
        python is null || python.Environment.Count == 0 ? "its own choice" : string.Join(' ', python.Environment.Select(e => $"{e.Key}={e.Value}"));

    internal static string TorchKey(JsonElement row) =>
        $"{row.GetProperty("op").GetString()!.Split('/')[0]} {string.Join(' ', row.GetProperty("shape").EnumerateObject().Select(p => $"{p.Name}={p.Value}"))}";

    private static string Show(double? value, string format = "F2") => value is { } v ? v.ToString(format) : "-";

    private static string Ratio(double? torch, double ours, bool correct) => !correct ? "wrong" : torch is { } t ? $"{t / ours:F1}x" : "-";
}
