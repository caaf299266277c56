using System.Diagnostics;

namespace Memory.Gen.Bench;

internal static class Timing
{
    private const int UncountedCalls = 6;
    private static readonly TimeSpan Uncounted = TimeSpan.FromMilliseconds(100), Shortest = TimeSpan.FromMilliseconds(300);

    /// <summary>Median milliseconds of at least <paramref name="repeats"/> calls, and at least 0.3 s of them.</summary>
    /// <remarks>
    /// The 0.1 s before are not counted: after a rest, two threads can be no faster than one for tens of milliseconds. Nor are the
    /// first six calls: in so many, memory that is given back and taken again comes to lie where it stays.
    /// </remarks>
    public static double Milliseconds(int repeats, Action call)
    {
        long first = Stopwatch.GetTimestamp();
        for (int calls = 0; calls < UncountedCalls || Stopwatch.GetElapsedTime(first) < Uncounted; calls++) call();
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
