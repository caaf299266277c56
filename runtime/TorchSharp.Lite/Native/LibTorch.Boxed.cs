using System.Runtime.InteropServices;

namespace TorchSharp.Native;

// Exports of native/libtorch/boxed.cpp.
internal static unsafe partial class LibTorch
{
    [DllImport(Library)] internal static extern nint lt_find_operator(byte* name, byte* overload);
    [DllImport(Library)] internal static extern long lt_call_operator(nint op, Argument* arguments, int n, nint* @out, long room);
}
