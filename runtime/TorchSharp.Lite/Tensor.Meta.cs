using System.Runtime.CompilerServices;
using TorchSharp.Native;

namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        // Bits of lt_flags.
        private const long RequiresGrad = 2, Leaf = 4, Sparse = 8, Conjugate = 16, Negative = 32, Quantized = 64;

        private bool Is(long flag)
        {
            long flags = Errors.Check((long)LibTorch.lt_flags(Handle));
            GC.KeepAlive(this);
            return (flags & flag) != 0;
        }

        public long dim()
        {
            long result = LibTorch.lt_dim(Handle);
            GC.KeepAlive(this);
            return result;
        }

        public long ndim => dim();
        public long Dimensions => dim();

        public long numel()
        {
            long result = LibTorch.lt_numel(Handle);
            GC.KeepAlive(this);
            return result;
        }

        public long NumberOfElements => numel();

        public long element_size()
        {
            long result = LibTorch.lt_element_size(Handle);
            GC.KeepAlive(this);
            return result;
        }

        public long ElementSize => element_size();

        public unsafe long[] shape
        {
            get
            {
                var sizes = new long[dim()];
                fixed (long* p = sizes)
                    Errors.Check(LibTorch.lt_sizes(Handle, p));
                GC.KeepAlive(this);
                return sizes;
            }
        }

        public long[] size() => shape;

        public unsafe long size(int dim)
        {
            long result;
            Errors.Check(LibTorch.lt_size(Handle, dim, &result));
            GC.KeepAlive(this);
            return result;
        }

        public unsafe long[] stride()
        {
            var strides = new long[dim()];
            fixed (long* p = strides)
                Errors.Check(LibTorch.lt_strides(Handle, p));
            GC.KeepAlive(this);
            return strides;
        }

        public unsafe long stride(int dim)
        {
            long result;
            Errors.Check(LibTorch.lt_stride(Handle, dim, &result));
            GC.KeepAlive(this);
            return result;
        }

        public long storage_offset()
        {
            long result = Errors.Check(LibTorch.lt_storage_offset(Handle));
            GC.KeepAlive(this);
            return result;
        }

        public ScalarType dtype
        {
            get
            {
                int result = LibTorch.lt_dtype(Handle);
                GC.KeepAlive(this);
                return (ScalarType)result;
            }
        }

        public DeviceType device_type
        {
            get
            {
                int result = LibTorch.lt_device_type(Handle);
                GC.KeepAlive(this);
                return (DeviceType)result;
            }
        }

        public int device_index
        {
            get
            {
                int result = LibTorch.lt_device_index(Handle);
                GC.KeepAlive(this);
                return result;
            }
        }

        public Device device => device_type == DeviceType.CPU ? torch.CPU : new Device(device_type, device_index);

        public bool is_cpu() => device_type == DeviceType.CPU;
        public bool is_cuda => device_type == DeviceType.CUDA;
        public bool is_meta => device_type == DeviceType.META;
        public bool is_sparse => Is(Sparse);
        public bool is_leaf => Is(Leaf);
        public bool is_conj() => Is(Conjugate);
        public bool is_neg() => Is(Negative);
        public bool is_quantized() => Is(Quantized);
        public bool is_complex() => torch.is_complex(dtype);
        public bool is_floating_point() => torch.is_floating_point(dtype);
        public bool is_integral() => torch.is_integral(dtype);

        public bool is_contiguous()
        {
            long answer = Errors.Check((long)LibTorch.lt_is_contiguous(Handle));
            GC.KeepAlive(this);
            return answer != 0;
        }

        public bool is_nonzero() => item().ToBoolean();

        public bool requires_grad
        {
            get
            {
                int result = LibTorch.lt_requires_grad(Handle);
                GC.KeepAlive(this);
                return result != 0;
            }
            set => Changed(LibTorch.lt_set_requires_grad(Handle, value ? 1 : 0));
        }

        public Tensor requires_grad_(bool requires_grad = true)
        {
            this.requires_grad = requires_grad;
            return this;
        }

        public Tensor with_requires_grad(bool requires_grad = true) => requires_grad_(requires_grad);

        public void retain_grad() => Changed(LibTorch.lt_retain_grad(Handle));

        /// <summary>The gradient of a leaf, or null. Setting it replaces it; null clears it.</summary>
        public Tensor? grad
        {
            get
            {
                nint result = LibTorch.lt_get_grad(Handle);
                GC.KeepAlive(this);
                return result == 0 ? null : new Tensor(result);
            }
            set => Changed(LibTorch.lt_set_grad(Handle, HandleOf(value)), value);
        }

        public override int GetHashCode() => RuntimeHelpers.GetHashCode(this);

        /// <summary>Whether obj is this object: tensors are compared by value with <see cref="equal"/> or <see cref="allclose"/>.</summary>
        public override bool Equals(object? obj) => ReferenceEquals(this, obj);

        /// <summary>Whether two tensors have the same shape and the same elements.</summary>
        public bool Equals(Tensor target)
        {
            long same = Errors.Check((long)LibTorch.lt_same(Handle, target.Handle));
            GC.KeepAlive(this);
            GC.KeepAlive(target);
            return same != 0;
        }
    }

    public static long numel(Tensor input) => input.numel();
    public static bool is_nonzero(Tensor input) => input.is_nonzero();
    public static bool is_conj(Tensor input) => input.is_conj();
    public static bool is_tensor(object obj) => obj is Tensor;
}
