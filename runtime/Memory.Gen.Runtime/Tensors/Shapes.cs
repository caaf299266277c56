using static TorchSharp.torch;

namespace Memory.Gen.Runtime;

/// <summary>What is asked of shapes.</summary>
internal static class Shapes
{
    /// <summary>Whether a tensor has this shape.</summary>
    public static bool Has(this Tensor tensor, params ReadOnlySpan<long> shape) => tensor.shape.AsSpan().SequenceEqual(shape);
}
