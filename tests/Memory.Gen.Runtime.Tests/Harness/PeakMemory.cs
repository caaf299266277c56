using System.Globalization;

namespace Memory.Gen.Runtime.Tests.Harness;

/// <summary>The most memory that a process has had, told by a child to the test that started it.</summary>
internal static class PeakMemory
{
    /// <summary>Writes a line: megabytes until now.</summary>
    public static void Write()
    {
        string peak = File.ReadLines("/proc/self/status").First(line => line.StartsWith("VmHWM:", StringComparison.Ordinal));
        Console.WriteLine((long.Parse(peak.Split(' ', StringSplitOptions.RemoveEmptyEntries)[^2], CultureInfo.InvariantCulture) / 1000.0).ToString(CultureInfo.InvariantCulture));
    }

    /// <summary>The megabytes that a child wrote.</summary>
    public static double[] Read(string output) =>
        [.. output.Split('\n', StringSplitOptions.RemoveEmptyEntries).Select(line => double.Parse(line, CultureInfo.InvariantCulture))];
}
