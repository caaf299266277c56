using System.Numerics;
using System.Runtime.InteropServices;
using TorchSharp.Native;

namespace TorchSharp;

public static partial class torch
{
    public static Tensor tensor(Complex scalar, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        FromScalar(scalar, dtype ?? ScalarType.ComplexFloat64, device, requires_grad);
    public static Tensor tensor((double, double) scalar, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        FromScalar(new Complex(scalar.Item1, scalar.Item2), dtype ?? ScalarType.ComplexFloat64, device, requires_grad);
    public static Tensor tensor((float, float) scalar, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        FromScalar(new Complex(scalar.Item1, scalar.Item2), dtype ?? ScalarType.ComplexFloat32, device, requires_grad);
    public static Tensor tensor(BFloat16 scalar, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        FromScalar(scalar, dtype ?? ScalarType.BFloat16, device, requires_grad);
    public static Tensor tensor(bool scalar, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        FromScalar(scalar, dtype ?? ScalarType.Bool, device, requires_grad);
    public static Tensor tensor(byte scalar, Device? device = null, bool requires_grad = false) => FromScalar(scalar, ScalarType.Byte, device, requires_grad);
    public static Tensor tensor(double real, double imaginary, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        tensor(new Complex(real, imaginary), dtype ?? ScalarType.ComplexFloat64, device, requires_grad);
    public static Tensor tensor(double scalar, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        FromScalar(scalar, dtype ?? ScalarType.Float64, device, requires_grad);
    public static Tensor tensor(float real, float imaginary, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        tensor(new Complex(real, imaginary), dtype ?? ScalarType.ComplexFloat32, device, requires_grad);
    public static Tensor tensor(float scalar, Device? device = null, bool requires_grad = false) => FromScalar(scalar, ScalarType.Float32, device, requires_grad);
    public static Tensor tensor(int scalar, Device? device = null, bool requires_grad = false) => FromScalar(scalar, ScalarType.Int32, device, requires_grad);
    public static Tensor tensor(long scalar, ScalarType? dtype = null, Device? device = null, bool requires_grad = false) =>
        FromScalar(scalar, dtype ?? ScalarType.Int64, device, requires_grad);
    public static Tensor tensor(sbyte scalar, Device? device = null, bool requires_grad = false) => FromScalar(scalar, ScalarType.Int8, device, requires_grad);
    public static Tensor tensor(short scalar, Device? device = null, bool requires_grad = false) => FromScalar(scalar, ScalarType.Int16, device, requires_grad);

    internal static Tensor FromScalar(Scalar value, ScalarType dtype, Device? device, bool requires_grad) =>
        Tensor.Made(LibTorch.lt_scalar(value, new Options(dtype, InitializeDevice(device), requires_grad)));

    private static long[] Lengths(Array array)
    {
        var lengths = new long[array.Rank];
        for (int axis = 0; axis < lengths.Length; axis++)
            lengths[axis] = array.GetLongLength(axis);
        return lengths;
    }

    /// <summary>A tensor with the elements of an array, in row-major order, converted to dtype where one is given.</summary>
    private static unsafe Tensor FromArray(Array elements, ScalarType stored, ReadOnlySpan<long> size, ScalarType? dtype, Device? device, bool requires_grad, string[]? names)
    {
        RefuseNames(names);
        long count = 1;
        foreach (long length in size)
            count *= length;
        if (count != elements.LongLength)
            throw new ArgumentException($"{elements.LongLength} elements do not fill a tensor of shape [{string.Join(", ", size.ToArray())}], which has {count}.", nameof(size));
        fixed (byte* data = &MemoryMarshal.GetArrayDataReference(elements))
        fixed (long* p = size)
            return Tensor.Made(LibTorch.lt_from_memory(data, (int)stored, p, size.Length, new Options(dtype ?? stored, InitializeDevice(device), requires_grad)));
    }

    private static ScalarType StoredType(Array array) =>
        ElementTypes.Of(array.GetType().GetElementType()!)
        ?? throw new ArgumentException($"Elements of type {array.GetType().GetElementType()!.Name} have no tensor type.", nameof(array));

    public static Tensor from_array(Array rawArray, ScalarType? dtype, Device? device = null, bool requires_grad = false, string[]? names = null) =>
        FromArray(rawArray, StoredType(rawArray), Lengths(rawArray), dtype, device, requires_grad, names);

    public static Tensor from_array(Array rawArray, Device? device = null) => from_array(rawArray, null, device);

    /// <summary>
    /// A one-dimensional tensor of dtype with count elements (-1: as many as there are) from the bytes of an array, offset
    /// bytes in. The elements are copied.
    /// </summary>
    public static unsafe Tensor frombuffer(Array rawArray, ScalarType dtype, long count = -1, long offset = 0, bool requires_grad = false)
    {
        long available = rawArray.LongLength * StoredType(rawArray).ElementSize() - offset;
        long size = dtype.ElementSize();
        long taken = count < 0 ? available / size : count;
        if (offset < 0 || available < 0 || taken * size > available)
            throw new ArgumentException($"{taken} elements of {dtype} from byte {offset} on do not fit in the array.", nameof(count));
        fixed (byte* data = &MemoryMarshal.GetArrayDataReference(rawArray))
            return Tensor.Made(LibTorch.lt_from_memory(data + offset, (int)dtype, &taken, 1, new Options(dtype, null, requires_grad)));
    }
}
