using System.Runtime.InteropServices;

namespace TorchSharp.Native;

// Exports of native/libtorch/views.cpp.
internal static unsafe partial class LibTorch
{
    [DllImport(Library)] internal static extern nint lt_view(nint x, long* sizes, int n);
    [DllImport(Library)] internal static extern nint lt_reshape(nint x, long* sizes, int n);
    [DllImport(Library)] internal static extern nint lt_permute(nint x, long* sizes, int n);
    [DllImport(Library)] internal static extern nint lt_repeat(nint x, long* sizes, int n);
    [DllImport(Library)] internal static extern nint lt_flip(nint x, long* sizes, int n);
    [DllImport(Library)] internal static extern nint lt_expand(nint x, long* sizes, int n, int isImplicit);
    [DllImport(Library)] internal static extern nint lt_transpose(nint x, long a, long b);
    [DllImport(Library)] internal static extern nint lt_unsqueeze(nint x, long dim);
    [DllImport(Library)] internal static extern nint lt_squeeze(nint x, int whole, long dim);
    [DllImport(Library)] internal static extern nint lt_flatten(nint x, long start, long end);
    [DllImport(Library)] internal static extern nint lt_narrow(nint x, long dim, long start, long length);
    [DllImport(Library)] internal static extern nint lt_select(nint x, long dim, long index);
    [DllImport(Library)] internal static extern nint lt_slice(nint x, long dim, long start, long end, long step);
    [DllImport(Library)] internal static extern nint lt_unfold(nint x, long dim, long size, long step);
    [DllImport(Library)] internal static extern nint lt_as_strided(nint x, long* sizes, long* strides, int n, long offset);
    [DllImport(Library)] internal static extern nint lt_movedim(nint x, long* source, long* target, int n);
    [DllImport(Library)] internal static extern nint lt_roll(nint x, long* shifts, int n, long* dims, int m);
    [DllImport(Library)] internal static extern nint lt_contiguous(nint x);
    [DllImport(Library)] internal static extern nint lt_clone(nint x);
    [DllImport(Library)] internal static extern nint lt_detach(nint x);
    [DllImport(Library)] internal static extern int lt_detach_(nint x);
    [DllImport(Library)] internal static extern nint lt_tril(nint x, long diagonal);
    [DllImport(Library)] internal static extern nint lt_triu(nint x, long diagonal);
    [DllImport(Library)] internal static extern nint lt_cat(nint* parts, int n, long dim);
    [DllImport(Library)] internal static extern nint lt_stack(nint* parts, int n, long dim);
    [DllImport(Library)] internal static extern long lt_split(nint x, long size, long dim);
    [DllImport(Library)] internal static extern long lt_split_sizes(nint x, long* sizes, int n, long dim);
    [DllImport(Library)] internal static extern long lt_chunk(nint x, long chunks, long dim);
    [DllImport(Library)] internal static extern long lt_unbind(nint x, long dim);
}
