using System.Runtime.InteropServices;

namespace TorchSharp.Native;

// Exports of native/libtorch/nn.cpp.
internal static unsafe partial class LibTorch
{
    [DllImport(Library)] internal static extern nint lt_linear(nint x, nint weight, nint bias);
    [DllImport(Library)] internal static extern nint lt_embedding(nint weight, nint indices, long paddingIndex, int scaleByFrequency, int sparse);
    [DllImport(Library)] internal static extern nint lt_layer_norm(nint x, long* shape, int n, nint weight, nint bias, double eps);
    [DllImport(Library)] internal static extern nint lt_group_norm(nint x, long groups, nint weight, nint bias, double eps);
    [DllImport(Library)] internal static extern nint lt_dropout(nint x, double p, int train);
    [DllImport(Library)] internal static extern int lt_dropout_(nint x, double p, int train);
    [DllImport(Library)] internal static extern nint lt_cross_entropy(nint x, nint target, nint weight, long reduction, long ignoreIndex, double labelSmoothing);
    [DllImport(Library)] internal static extern nint lt_nll_loss(nint x, nint target, nint weight, long reduction, long ignoreIndex);
    [DllImport(Library)] internal static extern nint lt_mse_loss(nint x, nint target, long reduction);
    [DllImport(Library)] internal static extern nint lt_l1_loss(nint x, nint target, long reduction);
    [DllImport(Library)] internal static extern nint lt_binary_cross_entropy_with_logits(nint x, nint target, nint weight, nint positiveWeight, long reduction);
    [DllImport(Library)] internal static extern nint lt_one_hot(nint x, long classes);
    [DllImport(Library)] internal static extern nint lt_conv1d(nint x, nint weight, nint bias, long stride, long padding, long dilation, long groups);
    [DllImport(Library)] internal static extern nint lt_pad(nint x, long* widths, int n, int mode, double value);
    [DllImport(Library)] internal static extern nint lt_glu(nint x, long dim);
    [DllImport(Library)] internal static extern nint lt_cosine_similarity(nint x, nint y, long dim, double eps);
}
