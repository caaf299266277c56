using System.Diagnostics;
using System.Text.Json;

namespace Memory.Gen.Bench;

/// <summary>What this machine can do at most, measured now: the ceiling that every share is taken of.</summary>
/// <param name="FlopsPerSecond">Float32 fused multiply-adds on all threads together, two operations each.</param>
/// <param name="BytesPerSecond">Bytes read plus bytes written by a copy between arrays larger than the caches.</param>
internal sealed record MachinePeaks(double FlopsPerSecond, double BytesPerSecond)
{
    // Where ./build.sh and a build by hand leave the kernel library's probe.
    private static readonly string[] Probes = ["artifacts/cmake/kernels/bench/kernel_bench", "artifacts/build/kernels/bench/kernel_bench"];

    /// <summary>Runs the kernel library's probe; null where it was not built, and then no share of a peak can be told.</summary>
    public static MachinePeaks? Measure(int threads)
    {
        if (Probes.FirstOrDefault(File.Exists) is not { } path) return null;
        var start = new ProcessStartInfo(Path.GetFullPath(path), ["peak"]) { RedirectStandardOutput = true };
        start.Environment["MEMORY_GEN_THREADS"] = $"{threads}";
        using var process = Process.Start(start)!;
        string printed = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0) return null;
        var json = JsonDocument.Parse(printed).RootElement;
        return new(1e9 * json.GetProperty("fma_gflops").GetDouble(), 1e9 * json.GetProperty("copy_gbytes").GetDouble());
    }

    /// <summary>Seconds that <paramref name="flops"/> operations on <paramref name="bytes"/> of traffic take at least.</summary>
    public double Roofline(double flops, double bytes) => Math.Max(flops / FlopsPerSecond, bytes / BytesPerSecond);
}
