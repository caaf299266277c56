using Memory.Gen.Runtime.Kernels;
using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Operators;

/// <summary>Cosines and sines of rotary positions, <c>[(B,) T, D/2]</c> in a row: those of a call's queries and keys, and of all its layers, are the same.</summary>
internal sealed record RotaryAngles(float[] Cosines, float[] Sines)
{
    [ThreadStatic]
    private static Last? last;

    /// <summary>Those of the latest call of this thread where its positions were the same, else new ones; null for positions that do not lie on the CPU.</summary>
    public static RotaryAngles? Known(Tensor positions, long half, double theta)
    {
        if (positions.dtype != ScalarType.Int64 || positions.device_type != DeviceType.CPU || !positions.is_contiguous()) return null;
        ReadOnlySpan<long> at = Numbers<long>(positions);
        if (last is not { } known || known.Half != half || known.Theta != theta || !at.SequenceEqual(known.Positions))
        {
            using var scope = NewDisposeScope();
            (Tensor cosines, Tensor sines) = Table(positions, half, theta, ScalarType.Float32);
            last = known = new(at.ToArray(), half, theta, new(Numbers<float>(cosines).ToArray(), Numbers<float>(sines).ToArray()));
        }

        GC.KeepAlive(positions);
        return known.Angles;
    }

    /// <summary>The same as tensors of a dtype, beside the positions.</summary>
    public static (Tensor Cosines, Tensor Sines) Tensors(Tensor positions, long half, double theta, ScalarType dtype)
    {
        if (dtype != ScalarType.Float32 || Known(positions, half, theta) is not { } angles) return Table(positions, half, theta, dtype);
        long[] shape = [.. positions.shape, half];
        return (tensor(angles.Cosines, shape), tensor(angles.Sines, shape));
    }

    private static unsafe ReadOnlySpan<T> Numbers<T>(Tensor contiguous) where T : unmanaged => new(KernelLibrary.Data(contiguous), (int)contiguous.numel());

    // Whole turns are dropped in float64: in float32 the angle of token one million would be wrong by several degrees.
    private static (Tensor Cosines, Tensor Sines) Table(Tensor positions, long half, double theta, ScalarType dtype)
    {
        Tensor frequencies = (arange(half, dtype: ScalarType.Float64, device: positions.device) * (-Math.Log(theta) / half)).exp() / (2 * Math.PI);
        Tensor turns = positions.to(ScalarType.Float64).unsqueeze(-1) * frequencies; // [(B,) T, D/2]
        Tensor angle = ((turns - turns.floor()) * (2 * Math.PI)).to(dtype);
        return (angle.cos(), angle.sin());
    }

    private sealed record Last(long[] Positions, long Half, double Theta, RotaryAngles Angles);
}
