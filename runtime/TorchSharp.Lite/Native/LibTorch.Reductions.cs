using System.Runtime.InteropServices;

namespace TorchSharp.Native;

// Exports of native/libtorch/reductions.cpp.
internal static unsafe partial class LibTorch
{
    [DllImport(Library)] internal static extern nint lt_sum_all(nint x, int dtype);
    [DllImport(Library)] internal static extern nint lt_sum(nint x, long* dims, int n, int keepdim, int dtype);
    [DllImport(Library)] internal static extern nint lt_mean_all(nint x);
    [DllImport(Library)] internal static extern nint lt_mean(nint x, long* dims, int n, int keepdim, int dtype);
    [DllImport(Library)] internal static extern nint lt_var(nint x, long* dims, int n, int unbiased, int keepdim);
    [DllImport(Library)] internal static extern nint lt_std(nint x, long* dims, int n, int unbiased, int keepdim);
    [DllImport(Library)] internal static extern nint lt_norm_all(nint x, double p);
    [DllImport(Library)] internal static extern nint lt_norm(nint x, double p, long dim, int keepdim);
    [DllImport(Library)] internal static extern nint lt_amax(nint x, long* dims, int n, int keepdim);
    [DllImport(Library)] internal static extern nint lt_amin(nint x, long* dims, int n, int keepdim);
    [DllImport(Library)] internal static extern nint lt_max_all(nint x);
    [DllImport(Library)] internal static extern nint lt_min_all(nint x);
    [DllImport(Library)] internal static extern int lt_max_dim(nint x, long dim, int keepdim, nint* @out);
    [DllImport(Library)] internal static extern int lt_min_dim(nint x, long dim, int keepdim, nint* @out);
    [DllImport(Library)] internal static extern nint lt_argmax(nint x, int whole, long dim, int keepdim);
    [DllImport(Library)] internal static extern nint lt_argmin(nint x, int whole, long dim, int keepdim);
    [DllImport(Library)] internal static extern nint lt_all(nint x);
    [DllImport(Library)] internal static extern nint lt_any(nint x);
    [DllImport(Library)] internal static extern nint lt_all_dim(nint x, long dim, int keepdim);
    [DllImport(Library)] internal static extern nint lt_any_dim(nint x, long dim, int keepdim);
    [DllImport(Library)] internal static extern nint lt_logsumexp(nint x, long dim, int keepdim);
    [DllImport(Library)] internal static extern nint lt_cumsum(nint x, long dim, int dtype);
    [DllImport(Library)] internal static extern nint lt_cumprod(nint x, long dim, int dtype);
    [DllImport(Library)] internal static extern int lt_topk(nint x, long k, long dim, int largest, int sorted, nint* @out);
    [DllImport(Library)] internal static extern int lt_sort(nint x, long dim, int descending, int stable, nint* @out);
    [DllImport(Library)] internal static extern nint lt_argsort(nint x, long dim, int descending);
    [DllImport(Library)] internal static extern nint lt_multinomial(nint x, long n, int replacement, nint generator);
    [DllImport(Library)] internal static extern int lt_allclose(nint x, nint y, double rtol, double atol, int equalNan);
    [DllImport(Library)] internal static extern int lt_same(nint x, nint y);
}
