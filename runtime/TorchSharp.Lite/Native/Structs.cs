using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

[assembly: DisableRuntimeMarshalling]

namespace TorchSharp.Native;

/// <summary>A number by value. Kind: 0 none, 1 integer, 2 real, 3 boolean, 4 complex (real part in the bits of <see cref="I"/>).</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct Number(long kind, long i, double d)
{
    internal readonly long Kind = kind;
    internal readonly long I = i;
    internal readonly double D = d;

    internal static readonly Number One = new(1, 1, 0);

    public static implicit operator Number(long value) => new(1, value, 0);
    public static implicit operator Number(double value) => new(2, 0, value);
    public static implicit operator Number(Scalar? value) => value is null ? default : value.Value;
}

/// <summary>What a new tensor shall be; -1 means libtorch's default.</summary>
[StructLayout(LayoutKind.Sequential)]
internal readonly struct Options(torch.ScalarType? dtype, torch.Device? device, bool requiresGrad)
{
    internal readonly int DType = dtype is { } type ? (int)type : -1;
    internal readonly int DeviceType = device is null ? -1 : (int)device.type;
    internal readonly int DeviceIndex = device is null ? -1 : device.index;
    internal readonly int RequiresGrad = requiresGrad ? 1 : 0;
}

/// <summary>One argument of a boxed call, see boxed.cpp.</summary>
[StructLayout(LayoutKind.Sequential)]
internal unsafe struct Argument
{
    internal long Kind;
    internal long I;
    internal double D;
    internal void* P;
}

/// <summary>One entry of a subscript, see indexing.cpp.</summary>
[StructLayout(LayoutKind.Sequential)]
internal struct Subscript
{
    internal long Kind, A, B, C;
    internal nint Tensor;
}
