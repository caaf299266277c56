using System.Diagnostics;
using System.Reflection;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;
using TorchSharp;

namespace Memory.Gen.Runtime.Kernels;

/// <summary>Keeps TorchSharp's scalars alive until the native call that was given one has read it.</summary>
/// <remarks>
/// For a number among tensors, that of <c>x * 2.0</c> or the factor 1 of <c>x + y</c>, TorchSharp 0.107 makes a <see cref="Scalar"/>,
/// hands on its address and holds the object no longer. Where another thread's allocation sets off a collection in that moment, the
/// finalizer frees the scalar under the call, which then throws ("Expected false to be true") or computes with whatever lies there.
/// So its function that frees a scalar is looked up in the kernel library, which keeps one for a while first.
/// Nothing is changed without that library, with another version of TorchSharp, which may look up its functions itself, and with
/// <c>MEMORY_GEN_SCALARS=keep</c>.
/// </remarks>
internal static unsafe class ScalarLifetime
{
    private static readonly Version Known = new(0, 107);

    // Longer than a thread waits for a core in the middle of a call. Kept for all of a training instead, small blocks between large
    // ones raised its peak by a third.
    private static readonly TimeSpan Late = TimeSpan.FromMilliseconds(100);
    private static bool asked;

#pragma warning disable CA2255 // To be there before the first scalar is freed.
    [ModuleInitializer]
    public static void Extend()
#pragma warning restore CA2255
    {
        Assembly torch = typeof(Scalar).Assembly;
        bool collected = typeof(Scalar).GetMethod("Finalize", BindingFlags.Instance | BindingFlags.NonPublic | BindingFlags.DeclaredOnly) is not null;
        if (!collected || !OperatingSystem.IsLinux() || Environment.GetEnvironmentVariable("MEMORY_GEN_SCALARS") == "keep"
            || torch.GetName().Version is not { } version || (version.Major, version.Minor) != (Known.Major, Known.Minor))
            return;
        try
        {
            NativeLibrary.SetDllImportResolver(torch, (name, _, _) => !asked && name == "LibTorchSharp" && ScalarIsFreed() ? Keeper() : 0);
        }
        catch (InvalidOperationException)
        {
            // The program looks TorchSharp's functions up itself.
        }
    }

    // A function is looked up when it is first called; which one it is, only the caller tells.
    private static bool ScalarIsFreed() =>
        new StackTrace().GetFrames().Any(frame => frame.GetMethod() is { Name: "Dispose" or "Finalize" } method && method.DeclaringType == typeof(Scalar));

    private static nint Keeper()
    {
        asked = true;
        var keep = (delegate* unmanaged[Cdecl]<nint, long, void>)KernelLibrary.Cpu.Export("memgen_keep_scalars");
        if (keep == null || !NativeLibrary.TryLoad("libLibTorchSharp.so", out nint loaded) || !NativeLibrary.TryGetExport(loaded, "THSTorch_dispose_scalar", out nint dispose)) return 0;
        keep(dispose, (long)Late.TotalNanoseconds);
        return KernelLibrary.Cpu.Handle;
    }
}
