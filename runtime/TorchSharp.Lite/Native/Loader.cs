using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using Memory.Gen.Native;

namespace TorchSharp.Native;

internal static unsafe partial class LibTorch
{
    internal const string Library = "LibTorchSharp";

    private const string FileName = "libLibTorchSharp.so";
    private static readonly Lock Gate = new();
    private static nint loaded;

    /// <summary>Why the CUDA part that this libtorch has could not be loaded; null where it was, or where there is none.</summary>
    internal static string? CudaProblem { get; private set; }

#pragma warning disable CA2255 // A resolver must be in place before the first import, whichever that is.
    [ModuleInitializer]
    internal static void Register() => NativeLibrary.SetDllImportResolver(typeof(LibTorch).Assembly, Resolve);
#pragma warning restore CA2255

    private static nint Resolve(string name, Assembly assembly, DllImportSearchPath? path)
    {
        if (name != Library)
            return 0;
        lock (Gate)
            return loaded != 0 ? loaded : loaded = Load();
    }

    /// <summary>
    /// Loads the shim from MEMORY_GEN_NATIVE, the application's folder, or runtimes/&lt;rid&gt;/native; before it, where
    /// LIBTORCH names a libtorch, that one, so that the shim's dependencies resolve to it.
    /// </summary>
    private static nint Load()
    {
        BlasChoice.Choose();
        var tried = new List<string>();
        LoadTorch(tried);
        foreach (string folder in Folders())
        {
            string file = Path.Combine(folder, FileName);
            if (!File.Exists(file))
            {
                tried.Add($"{file}: not there");
                continue;
            }
            try
            {
                nint library = NativeLibrary.Load(file);
                LoadCuda();
                return library;
            }
            catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
            {
                tried.Add($"{file}: {e.Message.ReplaceLineEndings(" ")}");
            }
        }
        throw new DllNotFoundException(
            $"{FileName}, the library between TorchSharp.Lite and libtorch, could not be loaded.\n  "
            + string.Join("\n  ", tried)
            + "\nRun ./build.sh train or ./build.sh test once: each builds the library against the libtorch on this machine. Where libtorch is missing, "
            + "install libtorch-dev or set LIBTORCH to a folder with include/ and lib/ (a downloaded libtorch or a Python wheel's torch folder). "
            + "MEMORY_GEN_NATIVE names another folder for the library itself.");
    }

    /// <summary>Where the shim may be, each folder once: that of the application ends with a separator, and this assembly's, mostly the same, does not.</summary>
    internal static IEnumerable<string> Folders() => Candidates().Select(Path.TrimEndingDirectorySeparator).Distinct();

    private static IEnumerable<string> Candidates()
    {
        if (Environment.GetEnvironmentVariable("MEMORY_GEN_NATIVE") is { Length: > 0 } named)
            yield return named;
        string rid = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? "linux-arm64" : "linux-x64";
        yield return AppContext.BaseDirectory;
        yield return Path.Combine(AppContext.BaseDirectory, "runtimes", rid, "native");
        if (Path.GetDirectoryName(typeof(LibTorch).Assembly.Location) is { Length: > 0 } beside)
        {
            yield return beside;
            yield return Path.Combine(beside, "runtimes", rid, "native");
        }
    }

    private static void LoadTorch(List<string> tried)
    {
        if (Environment.GetEnvironmentVariable("LIBTORCH") is not { Length: > 0 } folder)
            return;
        foreach (string name in (ReadOnlySpan<string>)["libc10.so", "libtorch_cpu.so", "libtorch.so"])
        {
            string file = Path.Combine(folder, "lib", name);
            if (!File.Exists(file))
                continue;
            try
            {
                NativeLibrary.Load(file);
            }
            catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
            {
                tried.Add($"{file}: {e.Message.ReplaceLineEndings(" ")}");
            }
        }
    }

    /// <summary>Nothing links to libtorch_cuda; it stands beside libtorch_cpu, and unless it is loaded its kernels are never registered.</summary>
    private static void LoadCuda()
    {
        const string Cpu = "libtorch_cpu.so", Cuda = "libtorch_cuda.so";
        string? loadedCpu = File.ReadLines("/proc/self/maps").FirstOrDefault(line => line.Contains(Cpu, StringComparison.Ordinal));
        if (loadedCpu is null)
            return;
        string file = Path.Combine(Path.GetDirectoryName(loadedCpu[loadedCpu.IndexOf('/')..])!, Cuda);
        if (!File.Exists(file))
            return;
        try
        {
            NativeLibrary.Load(file);
        }
        catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
        {
            CudaProblem = e.Message.ReplaceLineEndings(" ");
        }
    }
}
