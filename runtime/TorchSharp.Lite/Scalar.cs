using System.Numerics;
using TorchSharp.Native;

namespace TorchSharp;

/// <summary>A number of any element type. Integers become Int64 and reals Float64; the value is held in managed memory.</summary>
public sealed class Scalar : IDisposable
{
    internal readonly Number Value;

    internal Scalar(Number value, torch.ScalarType type)
    {
        Value = value;
        Type = type;
    }

    public torch.ScalarType Type { get; }

    public static implicit operator Scalar(byte value) => value.ToScalar();
    public static implicit operator Scalar(sbyte value) => value.ToScalar();
    public static implicit operator Scalar(short value) => value.ToScalar();
    public static implicit operator Scalar(int value) => value.ToScalar();
    public static implicit operator Scalar(long value) => value.ToScalar();
    public static implicit operator Scalar(float value) => value.ToScalar();
    public static implicit operator Scalar(double value) => value.ToScalar();
    public static implicit operator Scalar(bool value) => value.ToScalar();
    public static implicit operator Scalar(Half value) => value.ToScalar();
    public static implicit operator Scalar(BFloat16 value) => value.ToScalar();
    public static implicit operator Scalar((float, float) value) => value.ToScalar();
    public static implicit operator Scalar(Complex value) => value.ToScalar();

    /// <summary>Nothing to free: the value is held in managed memory.</summary>
    public void Dispose()
    {
    }
}

public static class ScalarExtensionMethods
{
    private static Scalar Integer(long value) => new(value, torch.ScalarType.Int64);
    private static Scalar Real(double value) => new(value, torch.ScalarType.Float64);

    public static Scalar ToScalar(this byte value) => Integer(value);
    public static Scalar ToScalar(this sbyte value) => Integer(value);
    public static Scalar ToScalar(this short value) => Integer(value);
    public static Scalar ToScalar(this int value) => Integer(value);
    public static Scalar ToScalar(this long value) => Integer(value);
    public static Scalar ToScalar(this float value) => Real(value);
    public static Scalar ToScalar(this double value) => Real(value);
    public static Scalar ToScalar(this Half value) => Real((double)value);
    public static Scalar ToScalar(this BFloat16 value) => Real((double)value);
    public static Scalar ToScalar(this bool value) => new(new Number(3, value ? 1 : 0, 0), torch.ScalarType.Bool);
    public static Scalar ToScalar(this (float, float) value) => new Complex(value.Item1, value.Item2).ToScalar();
    public static Scalar ToScalar(this Complex value) =>
        new(new Number(4, BitConverter.DoubleToInt64Bits(value.Real), value.Imaginary), torch.ScalarType.ComplexFloat64);
    public static Scalar ToBFloat16Scalar(this float value) => new BFloat16(value).ToScalar();

    public static double ToDouble(this Scalar value) => value.Value.Kind switch
    {
        1 or 3 => value.Value.I,
        2 => value.Value.D,
        _ => value.ToComplexFloat64() is { Imaginary: 0 } real
            ? real.Real
            : throw new InvalidOperationException("A complex number with an imaginary part is no real number."),
    };

    public static long ToInt64(this Scalar value) => value.Value.Kind is 1 or 3 ? value.Value.I : checked((long)value.ToDouble());
    public static int ToInt32(this Scalar value) => checked((int)value.ToInt64());
    public static short ToInt16(this Scalar value) => checked((short)value.ToInt64());
    public static byte ToByte(this Scalar value) => checked((byte)value.ToInt64());
    public static sbyte ToSByte(this Scalar value) => checked((sbyte)value.ToInt64());
    public static float ToSingle(this Scalar value) => (float)value.ToDouble();
    public static Half ToHalf(this Scalar value) => (Half)value.ToDouble();
    public static BFloat16 ToBFloat16(this Scalar value) => new((float)value.ToDouble());
    public static bool ToBoolean(this Scalar value) => value.ToComplexFloat64() != Complex.Zero;

    public static (float Real, float Imaginary) ToComplexFloat32(this Scalar value)
    {
        Complex c = value.ToComplexFloat64();
        return ((float)c.Real, (float)c.Imaginary);
    }

    public static Complex ToComplexFloat64(this Scalar value) => value.Value.Kind switch
    {
        4 => new Complex(BitConverter.Int64BitsToDouble(value.Value.I), value.Value.D),
        2 => value.Value.D,
        _ => value.Value.I,
    };
}
