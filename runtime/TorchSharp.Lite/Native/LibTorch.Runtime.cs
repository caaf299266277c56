using System.Runtime.InteropServices;

namespace TorchSharp.Native;

// Exports of native/libtorch/runtime.cpp.
internal static unsafe partial class LibTorch
{
    [DllImport(Library)] internal static extern byte* THSTorch_get_and_reset_last_err();
    [DllImport(Library)] internal static extern byte* lt_last_error_full();
    [DllImport(Library)] internal static extern int lt_take_list(nint* @out);
    [DllImport(Library)] internal static extern byte* lt_version();
    [DllImport(Library)] internal static extern int lt_set_num_threads(int n);
    [DllImport(Library)] internal static extern int lt_get_num_threads();
    [DllImport(Library)] internal static extern int lt_set_num_interop_threads(int n);
    [DllImport(Library)] internal static extern int lt_get_num_interop_threads();
    [DllImport(Library)] internal static extern int lt_cuda_is_available();
    [DllImport(Library)] internal static extern int lt_cuda_device_count();
    [DllImport(Library)] internal static extern int lt_cuda_synchronize(int index);
    [DllImport(Library)] internal static extern int lt_cudnn_is_available();
    [DllImport(Library)] internal static extern int lt_precision(int which, int value);
    [DllImport(Library)] internal static extern void lt_dispose_generator(nint g);
    [DllImport(Library)] internal static extern nint lt_default_generator(int deviceType, int index);
    [DllImport(Library)] internal static extern nint lt_new_generator(ulong seed, int deviceType, int index);
    [DllImport(Library)] internal static extern int lt_manual_seed(long seed);
    [DllImport(Library)] internal static extern int lt_generator_set_seed(nint g, long seed);
    [DllImport(Library)] internal static extern int lt_generator_seed(nint g, long* @out);
    [DllImport(Library)] internal static extern long lt_generator_initial_seed(nint g);
    [DllImport(Library)] internal static extern nint lt_generator_get_state(nint g);
    [DllImport(Library)] internal static extern int lt_generator_set_state(nint g, nint state);
}
