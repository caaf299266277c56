using System.Runtime.InteropServices;

namespace TorchSharp.Native;

// Exports of native/libtorch/indexing.cpp.
internal static unsafe partial class LibTorch
{
    [DllImport(Library)] internal static extern nint lt_index(nint x, Subscript* s, int n);
    [DllImport(Library)] internal static extern int lt_index_put_(nint x, Subscript* s, int n, nint value);
    [DllImport(Library)] internal static extern int lt_index_put_scalar_(nint x, Subscript* s, int n, Number value);
    [DllImport(Library)] internal static extern int lt_index_put_tensors_(nint x, nint* indices, int n, nint value, int accumulate);
    [DllImport(Library)] internal static extern nint lt_index_select(nint x, long dim, nint index);
    [DllImport(Library)] internal static extern nint lt_gather(nint x, long dim, nint index);
    [DllImport(Library)] internal static extern nint lt_scatter(nint x, long dim, nint index, nint source);
    [DllImport(Library)] internal static extern int lt_scatter_(nint x, long dim, nint index, nint source);
    [DllImport(Library)] internal static extern nint lt_scatter_add(nint x, long dim, nint index, nint source);
    [DllImport(Library)] internal static extern int lt_scatter_add_(nint x, long dim, nint index, nint source);
    [DllImport(Library)] internal static extern nint lt_index_copy(nint x, long dim, nint index, nint source);
    [DllImport(Library)] internal static extern int lt_index_copy_(nint x, long dim, nint index, nint source);
    [DllImport(Library)] internal static extern nint lt_index_add(nint x, long dim, nint index, nint source, Number alpha);
    [DllImport(Library)] internal static extern int lt_index_add_(nint x, long dim, nint index, nint source, Number alpha);
    [DllImport(Library)] internal static extern nint lt_masked_fill(nint x, nint mask, Number value);
    [DllImport(Library)] internal static extern int lt_masked_fill_(nint x, nint mask, Number value);
}
