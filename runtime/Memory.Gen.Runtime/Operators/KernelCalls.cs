using System.Runtime.InteropServices;
using Memory.Gen.Runtime.Kernels;
using TorchSharp;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>What the kernel library is told of an operator's call.</summary>
internal static unsafe class KernelCalls
{
    /// <summary>Why the tensors at the front door cannot be given to a kernel; null when they can.</summary>
    public static string? Refusal<TArgs>(this Kernel kernel, FrontDoor door, in TArgs args) where TArgs : unmanaged =>
        kernel.Refusal(door.Dtype, door.Device, args);

    /// <summary>Segments; absent when null: every row is one sequence. Whoever asks keeps the layout alive until the call returns.</summary>
    /// <param name="layout">The segments.</param>
    /// <param name="on">A tensor on the device that reads them.</param>
    public static KernelSegments Segments(SegmentLayout? layout, Tensor on)
    {
        if (layout is null) return default;
        long* runs = on.device_type == DeviceType.CPU
            ? (long*)Marshal.UnsafeAddrOfPinnedArrayElement(layout.Pinned, 0)
            : (long*)KernelLibrary.Data(layout.On(on.device));
        return new() { Count = layout.Lengths.Length, Starts = runs, Lengths = runs + layout.Lengths.Length };
    }
}
