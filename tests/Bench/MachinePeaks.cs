using System.Diagnostics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;

namespace Memory.Gen.Bench;

/// <summary>What this machine can do at most, measured now: the ceiling that every share is taken of.</summary>
/// <param name="FlopsPerSecond">Float32 fused multiply-adds on all threads together, two operations each.</param>
/// <param name="BytesPerSecond">Bytes read plus bytes written by a copy between arrays larger than the caches.</param>
internal sealed record MachinePeaks(double FlopsPerSecond, double BytesPerSecond)
{
    private const int Rounds = 5;

    // Where ./build.sh and a build by hand leave the kernel library's own probe.
    private static readonly string[] Probes = ["artifacts/cmake/kernels/bench/kernel_bench", "artifacts/build/kernels/bench/kernel_bench"];

    /// <summary>
    /// Measures with the kernel library's probe and this class's own loops, and takes the larger of each: what one of them reached can be
    /// reached. (The loops here come to a third of the probe's arithmetic on AVX-512.)
    /// </summary>
    public static MachinePeaks Measure(int threads)
    {
        var here = new MachinePeaks(Best(() => OnThreads(threads, FusedMultiplyAdds)), Best(() => CopyRate(threads)));
        return Probe(threads) is { } probe
            ? new(Math.Max(here.FlopsPerSecond, probe.FlopsPerSecond), Math.Max(here.BytesPerSecond, probe.BytesPerSecond))
            : here;
    }

    private static MachinePeaks? Probe(int threads)
    {
        if (Probes.FirstOrDefault(File.Exists) is not { } path) return null;
        var start = new ProcessStartInfo(Path.GetFullPath(path), ["peak"]) { RedirectStandardOutput = true };
        start.Environment["MEMORY_GEN_THREADS"] = $"{threads}";
        using var process = Process.Start(start)!;
        string printed = process.StandardOutput.ReadToEnd();
        process.WaitForExit();
        if (process.ExitCode != 0) return null;
        var json = System.Text.Json.JsonDocument.Parse(printed).RootElement;
        return new(1e9 * json.GetProperty("fma_gflops").GetDouble(), 1e9 * json.GetProperty("copy_gbytes").GetDouble());
    }

    /// <summary>Seconds that <paramref name="flops"/> operations on <paramref name="bytes"/> of traffic take at least.</summary>
    public double Roofline(double flops, double bytes) => Math.Max(flops / FlopsPerSecond, bytes / BytesPerSecond);

    private static double Best(Func<double> measure)
    {
        double best = 0;
        for (int i = 0; i < Rounds; i++) best = Math.Max(best, measure());
        return best;
    }

    private static double OnThreads(int threads, Func<double> work)
    {
        double[] rates = new double[threads];
        var running = Enumerable.Range(0, threads).Select(i => new Thread(() => rates[i] = work())).ToArray();
        foreach (var thread in running) thread.Start();
        foreach (var thread in running) thread.Join();
        return rates.Sum();
    }

    private static double FusedMultiplyAdds() => Vector512.IsHardwareAccelerated ? FusedMultiplyAdds512() : FusedMultiplyAdds256();

    // Twelve independent chains cover the latency of two multiply-add ports. Optimised at once: a loop that starts in the first tier
    // keeps its vectors in memory and shows a third of the peak.
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double FusedMultiplyAdds512()
    {
        const int Iterations = 4_000_000;
        Vector512<float> m = Vector512.Create(0.999999f), a = Vector512.Create(1e-6f);
        Vector512<float> x0 = a, x1 = a, x2 = a, x3 = a, x4 = a, x5 = a, x6 = a, x7 = a, x8 = a, x9 = a, x10 = a, x11 = a;
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < Iterations; i++)
        {
            x0 = Vector512.FusedMultiplyAdd(x0, m, a); x1 = Vector512.FusedMultiplyAdd(x1, m, a);
            x2 = Vector512.FusedMultiplyAdd(x2, m, a); x3 = Vector512.FusedMultiplyAdd(x3, m, a);
            x4 = Vector512.FusedMultiplyAdd(x4, m, a); x5 = Vector512.FusedMultiplyAdd(x5, m, a);
            x6 = Vector512.FusedMultiplyAdd(x6, m, a); x7 = Vector512.FusedMultiplyAdd(x7, m, a);
            x8 = Vector512.FusedMultiplyAdd(x8, m, a); x9 = Vector512.FusedMultiplyAdd(x9, m, a);
            x10 = Vector512.FusedMultiplyAdd(x10, m, a); x11 = Vector512.FusedMultiplyAdd(x11, m, a);
        }
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        Keep(Vector512.Sum(x0 + x1 + x2 + x3 + x4 + x5 + x6 + x7 + x8 + x9 + x10 + x11));
        return Iterations * 12.0 * Vector512<float>.Count * 2 / seconds;
    }

    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private static double FusedMultiplyAdds256()
    {
        const int Iterations = 4_000_000;
        Vector256<float> m = Vector256.Create(0.999999f), a = Vector256.Create(1e-6f);
        Vector256<float> x0 = a, x1 = a, x2 = a, x3 = a, x4 = a, x5 = a, x6 = a, x7 = a, x8 = a, x9 = a, x10 = a, x11 = a;
        long start = Stopwatch.GetTimestamp();
        for (int i = 0; i < Iterations; i++)
        {
            x0 = Vector256.FusedMultiplyAdd(x0, m, a); x1 = Vector256.FusedMultiplyAdd(x1, m, a);
            x2 = Vector256.FusedMultiplyAdd(x2, m, a); x3 = Vector256.FusedMultiplyAdd(x3, m, a);
            x4 = Vector256.FusedMultiplyAdd(x4, m, a); x5 = Vector256.FusedMultiplyAdd(x5, m, a);
            x6 = Vector256.FusedMultiplyAdd(x6, m, a); x7 = Vector256.FusedMultiplyAdd(x7, m, a);
            x8 = Vector256.FusedMultiplyAdd(x8, m, a); x9 = Vector256.FusedMultiplyAdd(x9, m, a);
            x10 = Vector256.FusedMultiplyAdd(x10, m, a); x11 = Vector256.FusedMultiplyAdd(x11, m, a);
        }
        double seconds = Stopwatch.GetElapsedTime(start).TotalSeconds;
        Keep(Vector256.Sum(x0 + x1 + x2 + x3 + x4 + x5 + x6 + x7 + x8 + x9 + x10 + x11));
        return Iterations * 12.0 * Vector256<float>.Count * 2 / seconds;
    }

    private static double CopyRate(int threads)
    {
        const int Floats = 32 << 20;
        return OnThreads(threads, () =>
        {
            float[] source = new float[Floats], target = new float[Floats];
            source.AsSpan().Fill(1);
            source.CopyTo(target, 0);
            long start = Stopwatch.GetTimestamp();
            source.AsSpan().CopyTo(target);
            return 2.0 * sizeof(float) * Floats / Stopwatch.GetElapsedTime(start).TotalSeconds;
        });
    }

    private static volatile float sink;

    // The result must be used, or the loop is dead code.
    private static void Keep(float value) => sink = value;
}
