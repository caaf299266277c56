using System.Runtime.InteropServices;

namespace TorchSharp.Native;

// Exports of native/libtorch/products.cpp.
internal static unsafe partial class LibTorch
{
    [DllImport(Library)] internal static extern nint lt_matmul(nint x, nint y);
    [DllImport(Library)] internal static extern nint lt_mm(nint x, nint y);
    [DllImport(Library)] internal static extern nint lt_bmm(nint x, nint y);
    [DllImport(Library)] internal static extern nint lt_mv(nint x, nint y);
    [DllImport(Library)] internal static extern nint lt_dot(nint x, nint y);
    [DllImport(Library)] internal static extern nint lt_outer(nint x, nint y);
    [DllImport(Library)] internal static extern nint lt_addmm(nint x, nint a, nint b, double beta, double alpha);
    [DllImport(Library)] internal static extern int lt_addmm_(nint x, nint a, nint b, double beta, double alpha);
    [DllImport(Library)] internal static extern nint lt_baddbmm(nint x, nint a, nint b, double beta, double alpha);
    [DllImport(Library)] internal static extern nint lt_addmv(nint x, nint a, nint b, double beta, double alpha);
    [DllImport(Library)] internal static extern int lt_addmv_(nint x, nint a, nint b, double beta, double alpha);
    [DllImport(Library)] internal static extern nint lt_addr(nint x, nint a, nint b, double beta, double alpha);
    [DllImport(Library)] internal static extern int lt_addr_(nint x, nint a, nint b, double beta, double alpha);
    [DllImport(Library)] internal static extern nint lt_addbmm(nint x, nint a, nint b, double beta, double alpha);
    [DllImport(Library)] internal static extern int lt_addbmm_(nint x, nint a, nint b, double beta, double alpha);
    [DllImport(Library)] internal static extern nint lt_einsum(byte* equation, nint* operands, int n);
    [DllImport(Library)] internal static extern nint lt_solve_triangular(nint a, nint b, int upper, int left, int unit);
}
