using System.Runtime.InteropServices;

namespace TorchSharp.Native;

// Exports of native/libtorch/autograd.cpp.
internal static unsafe partial class LibTorch
{
    [DllImport(Library), SuppressGCTransition] internal static extern int lt_grad_enabled();
    [DllImport(Library)] internal static extern void lt_set_grad_enabled(int on);
    [DllImport(Library)] internal static extern int lt_inference_enabled();
    [DllImport(Library)] internal static extern nint lt_inference_enter(int on);
    [DllImport(Library)] internal static extern void lt_inference_leave(nint guard);
    [DllImport(Library)] internal static extern int lt_anomaly_enabled();
    [DllImport(Library)] internal static extern int lt_anomaly_checks_nan();
    [DllImport(Library)] internal static extern void lt_set_anomaly(int on, int checkNan);
    [DllImport(Library)] internal static extern int lt_backward(nint* roots, int n, nint* grads, int m, int retainGraph, int createGraph, nint* inputs, int k);
    [DllImport(Library)] internal static extern long lt_grad(nint* roots, int n, nint* inputs, int k, nint* grads, int m, int retainGraph, int createGraph, int allowUnused);
    [DllImport(Library)] internal static extern nint lt_get_grad(nint x);
    [DllImport(Library)] internal static extern int lt_set_grad(nint x, nint grad);
    [DllImport(Library)] internal static extern int lt_retain_grad(nint x);
}
