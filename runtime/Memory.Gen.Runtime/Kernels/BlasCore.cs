using System.Runtime.CompilerServices;
using Memory.Gen.Native;

namespace Memory.Gen.Runtime.Kernels;

/// <summary>Which kernels OpenBLAS takes for matrix products: chosen before libtorch is loaded, shown by <c>info</c> and <c>bench</c>.</summary>
public static class BlasCore
{
    /// <summary>The value of OPENBLAS_CORETYPE that the process was started with; null when there was none.</summary>
    public static string? Inherited => BlasChoice.Inherited;

    /// <summary>The value that OpenBLAS finds: SKYLAKEX on a CPU with AVX-512, unless MEMORY_GEN_BLAS_CORE is "keep".</summary>
    public static string? Chosen => BlasChoice.Chosen;

    /// <summary>The kernels that run, by OpenBLAS's own account; null before libtorch is loaded and where it uses another library.</summary>
    public static string? Running => BlasChoice.Running;

    /// <summary>
    /// Chooses them, and how long idle threads of libtorch spin, where libtorch is not loaded yet. It runs by itself before any code of an
    /// assembly with a declared model, and when anything of this library first runs; with TorchSharp's package a program that touches
    /// <c>torch</c> before that begins with it.
    /// </summary>
#pragma warning disable CA2255 // With the package provider this is the last moment before libtorch loads.
    [ModuleInitializer]
    public static void Prepare() => BlasChoice.Choose();
#pragma warning restore CA2255
}
