using System.Diagnostics.CodeAnalysis;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>Gates, weights of few numbers and states as the kernels take them.</summary>
internal static class Gates
{
    /// <summary>In float32, which they are whatever the activations are: the tensor itself, or a copy through which its gradient flows.</summary>
    [return: NotNullIfNotNull(nameof(x))]
    public static Tensor? Single(Tensor? x) => x is null || x.dtype == ScalarType.Float32 ? x : x.to(ScalarType.Float32);
}
