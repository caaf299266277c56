using System.Runtime.InteropServices;
using System.Runtime.Intrinsics.X86;

namespace Memory.Gen.Native;

/// <summary>
/// Which kernels OpenBLAS takes. It decides once, when it is loaded, from the process's native environment; a core without
/// AVX-512, inherited from a shell, halves matrix products on a CPU that has it. So this runs before libtorch is loaded.
/// </summary>
/// <remarks>Compiled into each assembly that may be the first to load libtorch; what the first one found is left in the environment.</remarks>
internal static unsafe class BlasChoice
{
    private const string Core = "OPENBLAS_CORETYPE", Switch = "MEMORY_GEN_BLAS_CORE", WaitSwitch = "MEMORY_GEN_THREAD_WAIT", Record = "MEMORY_GEN_BLAS_INHERITED", WideCore = "SKYLAKEX";
    private static readonly string[] WideCores = [WideCore, "COOPERLAKE", "SAPPHIRERAPIDS"];

    /// <summary>The value of OPENBLAS_CORETYPE that the process was started with; null when there was none.</summary>
    internal static string? Inherited => Get(Record) is { } recorded ? recorded.Length == 0 ? null : recorded : Get(Core);

    /// <summary>The value that OpenBLAS finds.</summary>
    internal static string? Chosen => Get(Core);

    /// <summary>The kernels that run, by OpenBLAS's own account; null before libtorch is loaded and where it uses another library.</summary>
    internal static string? Running =>
        IsLoaded() && NativeLibrary.TryLoad("libopenblas.so.0", out nint library) && NativeLibrary.TryGetExport(library, "openblas_get_corename", out nint name)
            ? Marshal.PtrToStringUTF8((nint)((delegate* unmanaged[Cdecl]<byte*>)name)())
            : null;

    /// <summary>Sets the core type where that helps, and how long idle threads spin; MEMORY_GEN_BLAS_CORE=keep and
    /// MEMORY_GEN_THREAD_WAIT=keep leave the one or the other alone. Later calls do nothing.</summary>
    internal static void Choose()
    {
        if (!OperatingSystem.IsLinux() || Get(Record) is not null || IsLoaded())
            return;
        string? inherited = Get(Core);
        Set(Record, inherited ?? "");
        bool wide = Avx512F.IsSupported && Avx512BW.IsSupported && Avx512DQ.IsSupported && Avx512CD.IsSupported && Avx512F.VL.IsSupported;
        if (wide && Get(Switch) != "keep" && !WideCores.Contains(inherited, StringComparer.OrdinalIgnoreCase))
            Set(Core, WideCore);
        LetIdleThreadsSleep();
    }

    // libtorch has two pools of threads, libgomp's and OpenBLAS's, and each spins for milliseconds when its part is done: on cores that
    // the other pool needs. Short waits serve both (measured on 2 cores: 2.4 times the training speed). What the user sets stands.
    private static void LetIdleThreadsSleep()
    {
        if (Get(WaitSwitch) == "keep") return;
        if (Get("OMP_WAIT_POLICY") is null && Get("GOMP_SPINCOUNT") is null) Set("GOMP_SPINCOUNT", "2000");
        if (Get("OPENBLAS_THREAD_TIMEOUT") is null) Set("OPENBLAS_THREAD_TIMEOUT", "14"); // two to this power, in clock ticks
    }

    private static bool IsLoaded()
    {
        try
        {
            return File.ReadLines("/proc/self/maps").Any(line => line.Contains("libopenblas", StringComparison.Ordinal));
        }
        catch (IOException)
        {
            return false;
        }
    }

    // The environment that .NET shows is a copy: native libraries read libc's.
    private static string? Get(string name)
    {
        fixed (byte* key = Utf8(name))
            return Marshal.PtrToStringUTF8((nint)getenv(key));
    }

    private static void Set(string name, string value)
    {
        fixed (byte* key = Utf8(name), text = Utf8(value))
            setenv(key, text, 1);
    }

    private static byte[] Utf8(string text) => System.Text.Encoding.UTF8.GetBytes(text + "\0");

    [DllImport("libc")]
    private static extern byte* getenv(byte* name);

    [DllImport("libc")]
    private static extern int setenv(byte* name, byte* value, int overwrite);
}
