using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Memory.Gen.Runtime.Kernels;

/// <summary>
/// Keeps the C library from giving memory back to the system between two steps. A training step frees and takes the same hundreds of
/// megabytes again; with glibc's own limits every step pays for fresh pages (measured: a quarter of the tokens per second).
/// </summary>
public static class HostMemory
{
    private const string Variable = "MEMORY_GEN_MALLOC";

    // glibc's names for what mallopt sets, and the largest threshold that it takes.
    private const int TrimThreshold = -1, TopPad = -2, MapThreshold = -3;
    private const int LargestMapThreshold = 32 << 20;
    private const int KeptBytes = 512 << 20, GrowthBytes = 64 << 20;

    private static readonly string[] UserSettings = ["MALLOC_TRIM_THRESHOLD_", "MALLOC_TOP_PAD_", "MALLOC_MMAP_THRESHOLD_", "GLIBC_TUNABLES"];

    /// <summary>Whether up to 512 MB of freed memory stay with the process. Not on another C library than glibc, where the environment
    /// sets malloc's limits itself, or with <c>MEMORY_GEN_MALLOC=keep</c>.</summary>
    public static bool Kept { get; private set; }

#pragma warning disable CA2255 // Before the first tensor is the right moment, whoever makes it.
    [ModuleInitializer]
    internal static void Choose()
    {
        bool decided = Environment.GetEnvironmentVariable(Variable) == "keep" || UserSettings.Any(s => Environment.GetEnvironmentVariable(s) is not null);
        if (decided || !OperatingSystem.IsLinux()) return;
        try
        {
            Kept = mallopt(MapThreshold, LargestMapThreshold) != 0 && mallopt(TrimThreshold, KeptBytes) != 0 && mallopt(TopPad, GrowthBytes) != 0;
        }
        catch (Exception missing) when (missing is EntryPointNotFoundException or DllNotFoundException)
        {
            Kept = false;
        }
    }
#pragma warning restore CA2255

    [DllImport("libc.so.6")]
    private static extern int mallopt(int parameter, int value);
}
