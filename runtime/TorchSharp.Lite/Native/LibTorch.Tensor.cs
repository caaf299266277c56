using System.Runtime.InteropServices;

namespace TorchSharp.Native;

// Exports of native/libtorch/tensor.cpp.
internal static unsafe partial class LibTorch
{
    [DllImport(Library)] internal static extern void THSTensor_dispose(nint x);
    [DllImport(Library)] internal static extern nint THSTensor_data(nint x);
    [DllImport(Library)] internal static extern nint THSStorage_data_ptr(nint x);
    [DllImport(Library)] internal static extern nint lt_alias(nint x);
    [DllImport(Library), SuppressGCTransition] internal static extern long lt_dim(nint x);
    [DllImport(Library), SuppressGCTransition] internal static extern long lt_numel(nint x);
    [DllImport(Library), SuppressGCTransition] internal static extern long lt_element_size(nint x);
    [DllImport(Library)] internal static extern int lt_sizes(nint x, long* @out);
    [DllImport(Library)] internal static extern int lt_strides(nint x, long* @out);
    [DllImport(Library)] internal static extern int lt_size(nint x, long dim, long* @out);
    [DllImport(Library)] internal static extern int lt_stride(nint x, long dim, long* @out);
    [DllImport(Library)] internal static extern long lt_storage_offset(nint x);
    [DllImport(Library), SuppressGCTransition] internal static extern long lt_owned_bytes(nint x);
    [DllImport(Library), SuppressGCTransition] internal static extern int lt_dtype(nint x);
    [DllImport(Library), SuppressGCTransition] internal static extern int lt_device_type(nint x);
    [DllImport(Library), SuppressGCTransition] internal static extern int lt_device_index(nint x);
    [DllImport(Library)] internal static extern int lt_flags(nint x);
    [DllImport(Library)] internal static extern int lt_is_contiguous(nint x);
    [DllImport(Library), SuppressGCTransition] internal static extern int lt_requires_grad(nint x);
    [DllImport(Library)] internal static extern int lt_set_requires_grad(nint x, int value);
    [DllImport(Library)] internal static extern nint lt_to(nint x, int dtype, int deviceType, int deviceIndex, int nonBlocking, int copy);
    [DllImport(Library)] internal static extern nint lt_pin_memory(nint x);
    [DllImport(Library)] internal static extern int lt_item(nint x, Number* @out);
}
