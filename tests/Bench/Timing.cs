using System.Diagnostics;

namespace Memory.Gen.Bench;

internal static class Timing
{
    /// <summary>Median milliseconds of <paramref name="repeats"/> calls after one that is not counted.</summary>
    public static double Milliseconds(int repeats, Action call)
    {
        call();
        var times = new List<double>();
        for (int i = 0; i < repeats; i++)
        {
            long start = Stopwatch.GetTimestamp();
            call();
            times.Add(Stopwatch.GetElapsedTime(start).TotalMilliseconds);
        }
        return Median(times);
    }

    /// <summary>Calls for some time that is not counted.</summary>
    public static void WarmUp(TimeSpan time, Action call)
    {
        long start = Stopwatch.GetTimestamp();
        while (Stopwatch.GetElapsedTime(start) < time) call();
    }

    public static double Median(IEnumerable<double> values)
    {
        double[] sorted = [.. values.Order()];
        int middle = sorted.Length / 2;
        return sorted.Length % 2 == 1 ? sorted[middle] : (sorted[middle - 1] + sorted[middle]) / 2;
    }
}
