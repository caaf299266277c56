using TorchSharp.Native;

namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        private Tensor Converted(ScalarType? type, Device? device, bool copy, bool disposeAfter, bool non_blocking)
        {
            Tensor result = Made(
                LibTorch.lt_to(Handle, type is { } t ? (int)t : -1, device is null ? -1 : (int)device.type, device?.index ?? -1,
                    non_blocking ? 1 : 0, copy ? 1 : 0), this);
            if (disposeAfter)
                Dispose();
            return result;
        }

        public Tensor to(ScalarType type, bool copy = false, bool disposeAfter = false, bool non_blocking = false) =>
            Converted(type, null, copy, disposeAfter, non_blocking);

        public Tensor to(Device device, bool copy = false, bool disposeAfter = false, bool non_blocking = false) =>
            Converted(null, device, copy, disposeAfter, non_blocking);

        public Tensor to(ScalarType type, Device device, bool copy = false, bool disposeAfter = false, bool non_blocking = false) =>
            Converted(type, device, copy, disposeAfter, non_blocking);

        public Tensor to(DeviceType deviceType, int deviceIndex = -1, bool copy = false, bool disposeAfter = false, bool non_blocking = false) =>
            Converted(null, new Device(deviceType, deviceIndex), copy, disposeAfter, non_blocking);

        public Tensor to(string device, bool copy = false, bool disposeAfter = false, bool non_blocking = false) =>
            Converted(null, new Device(device), copy, disposeAfter, non_blocking);

        public Tensor to(Tensor other, bool non_blocking = false) =>
            Converted(other.dtype, other.device, copy: false, disposeAfter: false, non_blocking);

        public Tensor to_type(ScalarType type, bool copy = false, bool disposeAfter = false, bool non_blocking = false) =>
            Converted(type, null, copy, disposeAfter, non_blocking);

        public Tensor type(ScalarType dtype) => to_type(dtype);
        public Tensor type(Func<Tensor, Tensor> typeFunc) => typeFunc(this);
        public Tensor type_as(Tensor tensor) => to_type(tensor.dtype);

        public Tensor cpu() => to(torch.CPU);

        public Tensor cuda(Device? device = null, bool non_blocking = false)
        {
            InitializeDeviceType(DeviceType.CUDA);
            return to(device ?? torch.CUDA, non_blocking: non_blocking);
        }

        public Tensor @bool() => to_type(ScalarType.Bool);
        public Tensor @byte() => to_type(ScalarType.Byte);
        public Tensor @char() => to_type(ScalarType.Int8);
        public Tensor @short() => to_type(ScalarType.Int16);
        public Tensor @int() => to_type(ScalarType.Int32);
        public Tensor @long() => to_type(ScalarType.Int64);
        public Tensor half() => to_type(ScalarType.Float16);
        public Tensor bfloat16() => to_type(ScalarType.BFloat16);
        public Tensor @float() => to_type(ScalarType.Float32);
        public Tensor @double() => to_type(ScalarType.Float64);
        public Tensor cfloat() => to_type(ScalarType.ComplexFloat32);
        public Tensor cdouble() => to_type(ScalarType.ComplexFloat64);

        public Tensor alias() => Made(LibTorch.lt_alias(Handle), this);
        public Tensor contiguous() => Made(LibTorch.lt_contiguous(Handle), this);
        public Tensor clone() => Made(LibTorch.lt_clone(Handle), this);
        public Tensor detach() => Made(LibTorch.lt_detach(Handle), this);
        public Tensor detach_() => Changed(LibTorch.lt_detach_(Handle));
        public Tensor pin_memory() => Made(LibTorch.lt_pin_memory(Handle), this);

        public Tensor copy_(Tensor source, bool nonBlocking = false) =>
            Changed(LibTorch.lt_copy_(Handle, source.Handle, nonBlocking ? 1 : 0), source);

        public static implicit operator Tensor(byte value) => torch.tensor(value);
        public static implicit operator Tensor(sbyte value) => torch.tensor(value);
        public static implicit operator Tensor(short value) => torch.tensor(value);
        public static implicit operator Tensor(int value) => torch.tensor(value);
        public static implicit operator Tensor(long value) => torch.tensor(value);
        public static implicit operator Tensor(float value) => torch.tensor(value);
        public static implicit operator Tensor(double value) => torch.tensor(value);
        public static implicit operator Tensor(bool value) => torch.tensor(value);
        public static implicit operator Tensor((float, float) value) => torch.tensor(value);
        public static implicit operator Tensor(System.Numerics.Complex value) => torch.tensor(value);
        public static implicit operator Tensor(byte[] value) => torch.tensor(value);
        public static implicit operator Tensor(sbyte[] value) => torch.tensor(value);
        public static implicit operator Tensor(short[] value) => torch.tensor(value);
        public static implicit operator Tensor(int[] value) => torch.tensor(value);
        public static implicit operator Tensor(long[] value) => torch.tensor(value);
        public static implicit operator Tensor(float[] value) => torch.tensor(value);
        public static implicit operator Tensor(double[] value) => torch.tensor(value);
        public static implicit operator Tensor(bool[] value) => torch.tensor(value);
        public static implicit operator Tensor((float, float)[] value) => torch.tensor(value);
        public static implicit operator Tensor(System.Numerics.Complex[] value) => torch.tensor(value);
        public static implicit operator Tensor(Scalar scalar) => FromScalar(scalar, scalar.Type, null, false);

        public static explicit operator float(Tensor value) => value.ToSingle();
        public static explicit operator double(Tensor value) => value.ToDouble();
        public static explicit operator sbyte(Tensor value) => value.ToSByte();
        public static explicit operator byte(Tensor value) => value.ToByte();
        public static explicit operator short(Tensor value) => value.ToInt16();
        public static explicit operator int(Tensor value) => value.ToInt32();
        public static explicit operator long(Tensor value) => value.ToInt64();
        public static explicit operator bool(Tensor value) => value.ToBoolean();
    }

    public static Tensor clone(Tensor input) => input.clone();
    public static Tensor FloatTensor(Tensor t) => t.to_type(ScalarType.Float32);
    public static Tensor DoubleTensor(Tensor t) => t.to_type(ScalarType.Float64);
    public static Tensor ByteTensor(Tensor t) => t.to_type(ScalarType.Byte);
    public static Tensor ShortTensor(Tensor t) => t.to_type(ScalarType.Int16);
    public static Tensor IntTensor(Tensor t) => t.to_type(ScalarType.Int32);
    public static Tensor LongTensor(Tensor t) => t.to_type(ScalarType.Int64);
    public static Tensor BoolTensor(Tensor t) => t.to_type(ScalarType.Bool);
}
