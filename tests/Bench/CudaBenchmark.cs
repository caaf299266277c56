using System.Text.Json;
using Memory.Gen.Runtime.Kernels;
using Memory.Gen.Runtime.Operators;
using Spectre.Console;
using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Bench;

/// <summary>The operators on a GPU beside its own copy and matrix peaks, taken in the same run, and beside fla's Triton kernels where Python has them.</summary>
internal sealed class CudaBenchmark(BenchSettings settings, IAnsiConsole console)
{
    // Of bfloat16, in which inputs and outputs are.
    private const double AllowedError = 2e-2;

    // Steps of decoding, each shorter than it takes to wait for one.
    private const int Queued = 100;

    private readonly List<Dictionary<string, object?>> rows = [];

    public int Run(string folder)
    {
        if (!cuda.is_available())
        {
            console.WriteLine("This libtorch finds no CUDA GPU. Set LIBTORCH to one that was built for it, or leave --device out.");
            return Exit.WrongUsage;
        }

        var peaks = Measure();
        console.WriteLine($"Measured peaks: {peaks.FlopsPerSecond / 1e12:F0} TFLOP/s bfloat16 matrix product, {peaks.BytesPerSecond / 1e12:F2} TB/s copy. Kernels: {KernelLibrary.CudaDescription}.");
        var fla = PythonBaseline.Find()?.Lines("fla_ops.py", "--only", settings.Only).ToDictionary(Benchmark.TorchKey) ?? [];
        if (fla.Count == 0) console.WriteLine("No Python here runs fla's kernels, so there is nothing to compare with.");
        var table = new Table().AddColumns("operator", "shape", "form", "forward ms", "fla ms", "share", "both ms", "fla ms", "share", "error");
        bool allCorrect = true;
        foreach (var one in CudaCase.All().Where(each => settings.Wants(each.Op)))
        {
            using var scope = NewDisposeScope();
            (double error, Tensor produced, OperatorForm ran) = Benchmark.Check(one);
            string form = ran.ToString();
            bool correct = error <= AllowedError, decodes = one.Shape.Contains(("T", 1L));
            allCorrect &= correct;
            double? forward = correct ? Milliseconds(() => Benchmark.Forward(one), decodes ? Queued : 1) : null;
            double? both = correct && !decodes ? Milliseconds(() => Benchmark.ForwardAndBackward(one)) : null;
            double? forwardShare = 1e3 * peaks.Roofline(one.ForwardFlops, one.ForwardBytes(produced)) / forward, bothShare = 1e3 * peaks.Roofline(one.BothFlops, one.BothBytes(produced)) / both;
            double? flaForward = Of(fla, one, "forward_ms"), flaBoth = Of(fla, one, "forward_backward_ms");
            rows.Add(new()
            {
                ["op"] = one.Op, ["shape"] = one.Shape.ToDictionary(s => s.Axis, s => s.Size), ["device"] = "cuda", ["dtype"] = "bf16", ["form"] = form.ToLowerInvariant(), ["error"] = error,
                ["forward_ms"] = forward, ["forward_backward_ms"] = both, ["fla_forward_ms"] = flaForward, ["fla_forward_backward_ms"] = flaBoth,
                ["forward_roofline_share"] = forwardShare, ["forward_backward_roofline_share"] = bothShare,
                ["peak_flops"] = peaks.FlopsPerSecond, ["peak_bytes"] = peaks.BytesPerSecond,
            });
            table.AddRow(one.Op, string.Join(' ', one.Shape.Select(s => $"{s.Axis}{s.Size}")), form, Show(forward), Show(flaForward), Show(forwardShare, "P0"), Show(both), Show(flaBoth), Show(bothShare, "P0"), $"{error:E1}");
        }

        console.Write(table);
        if (rows.Count == 0) return settings.Nothing();
        string path = Path.Combine(folder, "result-cuda.json");
        File.WriteAllText(path, JsonSerializer.Serialize(rows, new JsonSerializerOptions { WriteIndented = true }));
        console.WriteLine($"Written to {path}.");
        return allCorrect ? 0 : Exit.Failed;
    }

    private MachinePeaks Measure()
    {
        const long Side = 8192, Elements = 1L << 29;
        using var scope = NewDisposeScope();
        Tensor from = zeros(Elements, dtype: ScalarType.BFloat16, device: CUDA), to = empty_like(from);
        double copy = Milliseconds(() => to.copy_(from));
        Tensor square = randn(Side, Side, dtype: ScalarType.BFloat16, device: CUDA);
        double product = Milliseconds(() => square.mm(square).Dispose());
        return new(2.0 * Side * Side * Side / (1e-3 * product), 2.0 * sizeof(short) * Elements / (1e-3 * copy));
    }

    // Whole calls, the host's part included, until the device has done them; of calls that are queued one behind the other, one.
    private double Milliseconds(Action call, int queued = 1) => Timing.Milliseconds(settings.Repeats, () =>
    {
        for (int i = 0; i < queued; i++) call();
        cuda.synchronize();
    }) / queued;

    private static double? Of(Dictionary<string, JsonElement> fla, OperatorCase one, string name) => fla.TryGetValue(one.Key, out JsonElement row) ? row.GetProperty(name).GetDouble() : null;

    private static string Show(double? value, string format = "F3") => value is { } v ? v.ToString(format) : "-";
}
