using System.Numerics;
using TorchSharp.Native;

namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        internal unsafe Scalar item()
        {
            if (numel() != 1)
                throw new ArgumentException($"A tensor of shape [{string.Join(", ", shape)}] is no single number; exactly one element is needed.");
            Number number;
            Errors.Check(LibTorch.lt_item(Handle, &number));
            GC.KeepAlive(this);
            ScalarType type = number.Kind switch { 1 => ScalarType.Int64, 2 => ScalarType.Float64, 3 => ScalarType.Bool, _ => ScalarType.ComplexFloat64 };
            return new Scalar(number, type);
        }

        /// <summary>The number in a tensor with one element.</summary>
        public Scalar ToScalar() => item();

        /// <summary>The number in a tensor with one element; T must be the tensor's own element type.</summary>
        public T item<T>() where T : unmanaged
        {
            if (numel() != 1)
                throw new ArgumentException($"A tensor of shape [{string.Join(", ", shape)}] is no single number; exactly one element is needed.");
            using Utils.TensorAccessor<T> elements = data<T>();
            return elements[0];
        }

        /// <summary>The elements, on the CPU; T must be the tensor's own element type. A tensor elsewhere is copied.</summary>
        public Utils.TensorAccessor<T> data<T>() where T : unmanaged
        {
            ElementTypes.Require<T>(dtype);
            return is_cpu()
                ? new Utils.TensorAccessor<T>(this, owned: false)
                : new Utils.TensorAccessor<T>(cpu().DetachFromDisposeScope(), owned: true);
        }

        /// <summary>The raw memory of a contiguous CPU tensor, or what to copy into it.</summary>
        public unsafe Span<byte> bytes
        {
            get
            {
                RequireFlatMemory();
                return new Span<byte>((void*)Pointer(), checked((int)(numel() * element_size())));
            }
            set
            {
                Span<byte> own = bytes;
                if (value.Length != own.Length)
                    throw new ArgumentException($"{value.Length} bytes were given for a tensor of {own.Length}.", nameof(value));
                value.CopyTo(own);
            }
        }

        private void RequireFlatMemory()
        {
            if (!is_cpu())
                throw new InvalidOperationException($"The memory of a tensor on {device} cannot be read from here; call cpu() first.");
            if (!is_contiguous())
                throw new InvalidOperationException("The tensor's memory is not contiguous; call contiguous() first.");
        }

        internal nint Pointer()
        {
            nint data = LibTorch.THSTensor_data(Handle);
            GC.KeepAlive(this);
            if (data == 0 && Errors.Last() is { } error)
                throw error;
            return data;
        }

        private unsafe T ReadCpu<T>(long i) where T : unmanaged
        {
            ElementTypes.Require<T>(dtype);
            RequireFlatMemory();
            if ((ulong)i >= (ulong)numel())
                throw new IndexOutOfRangeException($"Element {i} of {numel()} does not exist.");
            T value = ((T*)Pointer())[i];
            GC.KeepAlive(this);
            return value;
        }

        public T ReadCpuValue<T>(long i) where T : unmanaged => ReadCpu<T>(i);
        public byte ReadCpuByte(long i) => ReadCpu<byte>(i);
        public sbyte ReadCpuSByte(long i) => ReadCpu<sbyte>(i);
        public short ReadCpuInt16(long i) => ReadCpu<short>(i);
        public int ReadCpuInt32(long i) => ReadCpu<int>(i);
        public long ReadCpuInt64(long i) => ReadCpu<long>(i);
        public float ReadCpuSingle(long i) => ReadCpu<float>(i);
        public double ReadCpuDouble(long i) => ReadCpu<double>(i);
        public bool ReadCpuBool(long i) => ReadCpu<bool>(i);
        public float ReadCpuFloat16(long i) => (float)ReadCpu<Half>(i);
        public float ReadCpuBFloat16(long i) => (float)ReadCpu<BFloat16>(i);

        public unsafe void WriteBytesToStream(Stream stream, int bufferSize = 1024)
        {
            RequireFlatMemory();
            byte* start = (byte*)Pointer();
            long left = numel() * element_size();
            for (long done = 0; left > 0;)
            {
                int part = (int)Math.Min(left, 1 << 20);
                stream.Write(new ReadOnlySpan<byte>(start + done, part));
                done += part;
                left -= part;
            }
            GC.KeepAlive(this);
        }

        public unsafe void ReadBytesFromStream(Stream stream, int bufferSize = 1024)
        {
            RequireFlatMemory();
            byte* start = (byte*)Pointer();
            long left = numel() * element_size();
            for (long done = 0; left > 0;)
            {
                int part = (int)Math.Min(left, 1 << 20);
                stream.ReadExactly(new Span<byte>(start + done, part));
                done += part;
                left -= part;
            }
            GC.KeepAlive(this);
        }
    }
}

/// <summary>Which managed type holds which element type.</summary>
internal static class ElementTypes
{
    internal static torch.ScalarType? Of(Type type) =>
        type == typeof(float) ? torch.ScalarType.Float32
        : type == typeof(double) ? torch.ScalarType.Float64
        : type == typeof(long) ? torch.ScalarType.Int64
        : type == typeof(int) ? torch.ScalarType.Int32
        : type == typeof(byte) ? torch.ScalarType.Byte
        : type == typeof(bool) ? torch.ScalarType.Bool
        : type == typeof(short) ? torch.ScalarType.Int16
        : type == typeof(sbyte) ? torch.ScalarType.Int8
        : type == typeof(Half) ? torch.ScalarType.Float16
        : type == typeof(BFloat16) ? torch.ScalarType.BFloat16
        : type == typeof((float, float)) ? torch.ScalarType.ComplexFloat32
        : type == typeof(Complex) ? torch.ScalarType.ComplexFloat64
        : null;

    internal static void Require<T>(torch.ScalarType actual)
    {
        if (Of(typeof(T)) != actual)
            throw new ArgumentException($"The tensor holds {actual}, which is not read as {typeof(T).Name}; convert it first (to_type).");
    }
}
