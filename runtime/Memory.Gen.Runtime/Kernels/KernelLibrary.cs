using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Kernels;

/// <summary>The kernel library, libMemoryGenKernels.so: loaded when an operator first asks, or not there and then said why.</summary>
/// <remarks>
/// It is looked for in the folder that <c>MEMORY_GEN_NATIVE</c> names and only there, else beside the application and in its
/// <c>runtimes/&lt;rid&gt;/native</c>. <c>MEMORY_GEN_ISA</c> (<c>baseline</c>, <c>avx2</c>, <c>avx512</c>) forces one of its builds.
/// </remarks>
public static unsafe class KernelLibrary
{
    /// <summary>The version of the C interface that this assembly speaks.</summary>
    internal const int AbiVersion = 3;

    private const string FileName = "libMemoryGenKernels.so";
    private static readonly Lazy<Opened> Library = new(() => Open(Folders(), AbiVersion));
    private static readonly bool FollowsTorch = string.IsNullOrEmpty(Environment.GetEnvironmentVariable("MEMORY_GEN_THREADS"));
    private static int threads;

    /// <summary>Whether the library is loaded and has a build for this CPU.</summary>
    public static bool IsLoaded => Library.Value.Problem is null;

    /// <summary>Why operators do without the library, with what to do; null when it is loaded.</summary>
    public static string? Problem => Library.Value.Problem;

    /// <summary>The file that was loaded; null when none was.</summary>
    public static string? Path => Library.Value.Path;

    /// <summary>The build that runs on this CPU: <c>baseline</c>, <c>avx2</c> or <c>avx512</c>; null without the library.</summary>
    public static string? Isa => Library.Value.Isa;

    /// <summary>One line for people: the build and file that run, or why none does.</summary>
    public static string Description => Problem ?? $"{Isa} from {Path}";

    /// <summary>Why a call on such tensors cannot run here; null when it can.</summary>
    internal static string? Refusal(ScalarType dtype, DeviceType device) =>
        Problem
        ?? (device != DeviceType.CPU ? $"the kernels run on the CPU, and the tensors are on {device}"
            : dtype != ScalarType.Float32 ? $"the kernels compute in Float32, and the tensors are {dtype}"
            : null);

    /// <summary>An exported function; 0 when the library is not loaded or has no such function.</summary>
    internal static nint Export(string name) =>
        IsLoaded && NativeLibrary.TryGetExport(Library.Value.Handle, name, out nint address) ? address : 0;

    /// <summary>What was wrong in the last failing call of this thread.</summary>
    internal static string LastError() => Text(Library.Value.Handle, "memgen_last_error") ?? "";

    /// <summary>Lets the library use as many threads as torch does now, unless MEMORY_GEN_THREADS decides.</summary>
    internal static void FollowThreads()
    {
        if (!FollowsTorch) return;
        int wanted = get_num_threads();
        if (wanted == threads) return;
        ((delegate* unmanaged[Cdecl]<int, int>)Export("memgen_set_threads"))(Math.Clamp(wanted, 1, 1024));
        threads = wanted;
    }

    /// <summary>The address of a tensor's first element.</summary>
    internal static void* Data(Tensor tensor) => THSTensor_data(tensor.Handle);

    /// <summary>Loads the library from the first folder that has it and checks that it can be used.</summary>
    internal static Opened Open(IEnumerable<string> folders, int version)
    {
        var tried = new List<string>();
        foreach (string folder in folders)
        {
            string file = System.IO.Path.Combine(folder, FileName);
            if (!File.Exists(file))
            {
                tried.Add($"{file} is not there");
                continue;
            }

            try
            {
                return Check(file, NativeLibrary.Load(file), version);
            }
            catch (Exception e) when (e is DllNotFoundException or BadImageFormatException)
            {
                tried.Add($"{file} cannot be loaded: {e.Message.ReplaceLineEndings(" ")}");
            }
        }

        return new(0, null, null, $"the kernel library is missing ({string.Join("; ", tried)}). Run ./build.sh once to build it, or set MEMORY_GEN_NATIVE to its folder");
    }

    private static Opened Check(string file, nint library, int version)
    {
        if (!NativeLibrary.TryGetExport(library, "memgen_abi_version", out nint function))
        {
            return new(0, file, null, $"{file} is no kernel library: it has no memgen_abi_version. Run ./build.sh once to build it");
        }

        int found = ((delegate* unmanaged[Cdecl]<int>)function)();
        if (found != version)
        {
            return new(0, file, null, $"{file} speaks version {found} of the kernel interface, expected {version}. Run ./build.sh once to build the one that belongs here");
        }

        string isa = Text(library, "memgen_isa") ?? "none";
        string asked = Environment.GetEnvironmentVariable("MEMORY_GEN_ISA") ?? "";
        return isa == "none"
            ? new(library, file, null, $"{file} has no build '{asked}' for this CPU. Set MEMORY_GEN_ISA to baseline, avx2 or avx512 as the CPU allows, or unset it")
            : new(library, file, isa, null);
    }

    private static string? Text(nint library, string function) =>
        NativeLibrary.TryGetExport(library, function, out nint address)
            ? Marshal.PtrToStringUTF8((nint)((delegate* unmanaged[Cdecl]<byte*>)address)())
            : null;

    private static IEnumerable<string> Folders()
    {
        // Tensors exist by now, so the library under TorchSharp is loaded, from wherever: its name finds that one.
        NativeLibrary.SetDllImportResolver(typeof(KernelLibrary).Assembly, (name, _, _) =>
            name == "LibTorchSharp" && NativeLibrary.TryLoad("libLibTorchSharp.so", out nint loaded) ? loaded : 0);
        if (Environment.GetEnvironmentVariable("MEMORY_GEN_NATIVE") is { Length: > 0 } named) return [named];
        string rid = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? "linux-arm64" : "linux-x64";
        return [AppContext.BaseDirectory, System.IO.Path.Combine(AppContext.BaseDirectory, "runtimes", rid, "native")];
    }

    [DllImport("LibTorchSharp")]
    private static extern void* THSTensor_data(nint tensor);

    /// <summary>What came of opening the library: <paramref name="Problem"/> is null when it can be used.</summary>
    internal sealed record Opened(nint Handle, string? Path, string? Isa, string? Problem);
}
