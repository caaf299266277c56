using System.Diagnostics;

namespace Memory.Gen.Bench;

internal static class Timing
{
    private static readonly TimeSpan Uncounted = TimeSpan.FromMilliseconds(100), Shortest = TimeSpan.FromMilliseconds(300);

    /// <summary>Median milliseconds of at least <paramref name="repeats"/> calls, and at least 0.3 s of them.</summary>
    /// <remarks>The 0.1 s before are not counted: after a rest, two threads can be no faster than one for tens of milliseconds.</remarks>
    public static double Milliseconds(int repeats, Action call)
    {
        for (long begin = Stopwatch.GetTimestamp(); Stopwatch.GetElapsedTime(begin) < Uncounted;) call();
        var times = new List<double>();
        for (long begin = Stopwatch.GetTimestamp(); times.Count < repeats || Stopwatch.GetElapsedTime(begin) < Shortest;)
        {
            long start = Stopwatch.GetTimestamp();
            call();
            times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }
        return Median(times);
    }

    public static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        int middle = sorted.Length / 2;
        return sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
}
