using System.Runtime.InteropServices;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Kernels;

/// <summary>The kernel libraries: libMemoryGenKernels.so for tensors on the CPU, libMemoryGenKernelsCuda.so for those on CUDA.</summary>
/// <remarks>
/// They are looked for in the folder that <c>MEMORY_GEN_NATIVE</c> names and only there, else beside the application and in its
/// <c>runtimes/&lt;rid&gt;/native</c>. <c>MEMORY_GEN_ISA</c> (<c>baseline</c>, <c>avx2</c>, <c>avx512</c>, <c>amx</c>) forces one of the CPU's builds.
/// </remarks>
public static unsafe class KernelLibrary
{
    /// <summary>The version of the C interface that this assembly speaks.</summary>
    internal const int AbiVersion = 9;

    /// <summary>The files of the two libraries.</summary>
    internal const string CpuFile = "libMemoryGenKernels.so", CudaFile = "libMemoryGenKernelsCuda.so";

    private static readonly bool FollowsTorch = string.IsNullOrEmpty(Environment.GetEnvironmentVariable("MEMORY_GEN_THREADS"));

    /// <summary>Whether the library for the CPU is loaded and has a build for it.</summary>
    public static bool IsLoaded => Cpu.Problem is null;

    /// <summary>Why operators on the CPU do without the library, with what to do; null when it is loaded.</summary>
    public static string? Problem => Cpu.Problem;

    /// <summary>The file that was loaded for the CPU; null when none was.</summary>
    public static string? Path => Cpu.Path;

    /// <summary>The build that runs on this CPU: <c>baseline</c>, <c>avx2</c>, <c>avx512</c> or <c>amx</c>, which is that for AVX-512 with linear maps in tiles; null without the library.</summary>
    public static string? Isa => Cpu.Isa;

    /// <summary>Whether this CPU multiplies bfloat16 numbers, as linear maps do with <see cref="Operators.MatmulPrecision.BFloat16"/>; false without the library.</summary>
    public static bool MultipliesBFloat16 => ((delegate* unmanaged[Cdecl]<int>)Cpu.Export("memgen_multiplies_bfloat16")) is var ask && ask != null && ask() != 0;

    /// <summary>One line for people: the build and file that run on the CPU, or why none does.</summary>
    public static string Description => Problem ?? $"{Isa}{(MultipliesBFloat16 ? " with bfloat16" : "")} from {Path}";

    /// <summary>The same for the CUDA device.</summary>
    public static string CudaDescription => Cuda.Problem ?? $"{Cuda.Isa} from {Cuda.Path}";

    /// <summary>The library for tensors on the CPU. Tests of the CUDA kernels without a device put the emulated ones in its place, before any operator runs.</summary>
    internal static DeviceLibrary Cpu { get; set; } = new("cpu", CpuFile, Folders);

    /// <summary>The library for tensors on CUDA.</summary>
    internal static DeviceLibrary Cuda { get; } = new("cuda", CudaFile, Folders);

    /// <summary>The library for tensors on <paramref name="device"/>; null where there is none.</summary>
    internal static DeviceLibrary? For(DeviceType device) => device switch
    {
        DeviceType.CPU => Cpu,
        DeviceType.CUDA => Cuda,
        _ => null,
    };

    /// <summary>Why a call on such tensors cannot run here; null when it can.</summary>
    internal static string? Refusal(ScalarType dtype, Device device) =>
        For(device.type) is not { } library ? $"the kernels run on the CPU and on CUDA, and the tensors are on {device.type}"
        : library.Refusal(dtype) ?? (device is { type: DeviceType.CUDA, index: > 0 } ? library.Refusal(device.index) : null);

    /// <summary>Whether kernels for the CPU can work on these as they are, with nothing to record for a gradient: there, contiguous, in float32.</summary>
    internal static bool TakesDirectly(params ReadOnlySpan<Tensor?> tensors)
    {
        if (is_grad_enabled() || !IsLoaded) return false;
        foreach (Tensor? tensor in tensors)
        {
            if (tensor is null || tensor.IsInvalid || tensor.dtype != ScalarType.Float32 || tensor.device_type != DeviceType.CPU || !tensor.is_contiguous()) return false;
        }

        return true;
    }

    /// <summary>Lets the library for the CPU use as many threads as torch does now, unless MEMORY_GEN_THREADS decides.</summary>
    internal static void FollowThreads()
    {
        if (FollowsTorch) Cpu.UseThreads(get_num_threads());
    }

    /// <summary>The address of a tensor's first element.</summary>
    internal static void* Data(Tensor tensor) => ResolveTorch.THSTensor_data(tensor.Handle);

    private static IEnumerable<string> Folders()
    {
        ResolveTorch.Once();
        if (Environment.GetEnvironmentVariable("MEMORY_GEN_NATIVE") is { Length: > 0 } named) return [named];
        string rid = RuntimeInformation.ProcessArchitecture == Architecture.Arm64 ? "linux-arm64" : "linux-x64";
        return [AppContext.BaseDirectory, System.IO.Path.Combine(AppContext.BaseDirectory, "runtimes", rid, "native")];
    }

    private static class ResolveTorch
    {
        // Tensors exist by now, so the library under TorchSharp is loaded, from wherever: its name finds that one.
        static ResolveTorch() => NativeLibrary.SetDllImportResolver(typeof(KernelLibrary).Assembly, (name, _, _) =>
            name == "LibTorchSharp" && NativeLibrary.TryLoad("libLibTorchSharp.so", out nint loaded) ? loaded : 0);

        public static void Once()
        {
        }

        [DllImport("LibTorchSharp"), SuppressGCTransition]
        public static extern void* THSTensor_data(nint tensor);
    }
}
