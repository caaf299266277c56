using TorchSharp;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>Feature maps that make queries and keys of linear attention non-negative; any shape, elementwise.</summary>
public static class FeatureMaps
{
    /// <summary>elu(x) + 1: positive, x + 1 for x above 0, e^x below.</summary>
    /// <param name="x">Any shape.</param>
    /// <returns>The shape and dtype of <paramref name="x"/>.</returns>
    public static Tensor EluPlusOne(Tensor x)
    {
        using Tensor elu = torch.nn.functional.elu(x, 1.0);
        return elu + 1;
    }

    /// <summary>max(x, 0).</summary>
    /// <param name="x">Any shape.</param>
    /// <returns>The shape and dtype of <paramref name="x"/>.</returns>
    public static Tensor Relu(Tensor x) => x.relu();
}
