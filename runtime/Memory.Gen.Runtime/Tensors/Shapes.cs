using static TorchSharp.torch;

namespace Memory.Gen.Runtime;

/// <summary>What is asked of shapes.</summary>
internal static class Shapes
{
    /// <summary>Whether a tensor has this shape.</summary>
    public static bool Has(this Tensor tensor, params ReadOnlySpan<long> shape)
    {
        if (tensor.dim() != shape.Length) return false;
        for (int i = 0; i < shape.Length; i++)
            if (tensor.size(i) != shape[i]) return false;
        return true;
    }

    /// <summary>A shape axis by axis: with TorchSharp's package a tenth of what <c>shape</c> takes.</summary>
    public static long[] Sizes(this Tensor tensor)
    {
        var sizes = new long[tensor.dim()];
        for (int i = 0; i < sizes.Length; i++) sizes[i] = tensor.size(i);
        return sizes;
    }
}
