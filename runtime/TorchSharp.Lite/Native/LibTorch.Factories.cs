using System.Runtime.InteropServices;

namespace TorchSharp.Native;

// Exports of native/libtorch/factories.cpp.
internal static unsafe partial class LibTorch
{
    [DllImport(Library)] internal static extern nint lt_empty(long* sizes, int n, Options o);
    [DllImport(Library)] internal static extern nint lt_zeros(long* sizes, int n, Options o);
    [DllImport(Library)] internal static extern nint lt_ones(long* sizes, int n, Options o);
    [DllImport(Library)] internal static extern nint lt_full(long* sizes, int n, Number value, Options o);
    [DllImport(Library)] internal static extern nint lt_rand(long* sizes, int n, nint g, Options o);
    [DllImport(Library)] internal static extern nint lt_randn(long* sizes, int n, nint g, Options o);
    [DllImport(Library)] internal static extern nint lt_randint(long low, long high, long* sizes, int n, nint g, Options o);
    [DllImport(Library)] internal static extern nint lt_randperm(long count, nint g, Options o);
    [DllImport(Library)] internal static extern nint lt_normal(double mean, double std, long* sizes, int n, nint g, Options o);
    [DllImport(Library)] internal static extern nint lt_empty_strided(long* sizes, long* strides, int n, Options o);
    [DllImport(Library)] internal static extern nint lt_arange(Number start, Number end, Number step, Options o);
    [DllImport(Library)] internal static extern nint lt_linspace(double start, double end, long steps, Options o);
    [DllImport(Library)] internal static extern nint lt_logspace(double start, double end, long steps, double @base, Options o);
    [DllImport(Library)] internal static extern nint lt_eye(long rows, long columns, Options o);
    [DllImport(Library)] internal static extern nint lt_tri_indices(int upper, long rows, long columns, long offset, Options o);
    [DllImport(Library)] internal static extern nint lt_empty_like(nint x, Options o);
    [DllImport(Library)] internal static extern nint lt_zeros_like(nint x, Options o);
    [DllImport(Library)] internal static extern nint lt_ones_like(nint x, Options o);
    [DllImport(Library)] internal static extern nint lt_rand_like(nint x, Options o);
    [DllImport(Library)] internal static extern nint lt_randn_like(nint x, Options o);
    [DllImport(Library)] internal static extern nint lt_full_like(nint x, Number value, Options o);
    [DllImport(Library)] internal static extern nint lt_randint_like(nint x, long low, long high, Options o);
    [DllImport(Library)] internal static extern nint lt_from_memory(void* data, int dtype, long* sizes, int n, Options o);
    [DllImport(Library)] internal static extern nint lt_scalar(Number value, Options o);
    [DllImport(Library)] internal static extern int lt_normal_(nint x, double mean, double std, nint g);
    [DllImport(Library)] internal static extern int lt_uniform_(nint x, double from, double to, nint g);
    [DllImport(Library)] internal static extern int lt_bernoulli_(nint x, double p, nint g);
}
