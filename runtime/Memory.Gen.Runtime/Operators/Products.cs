using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>Products of matrices that are added to something in the same pass.</summary>
internal static class Products
{
    // TorchSharp 0.107 hands libtorch the arguments of baddbmm in another order: it adds the product of the first two to the third.
    private static readonly bool SumStandsLast = AddsToTheLast();

    /// <summary>sum + alpha a b.</summary>
    /// <param name="sum">What broadcasts to <c>[N, I, K]</c>.</param>
    /// <param name="a"><c>[N, I, J]</c>.</param>
    /// <param name="b"><c>[N, J, K]</c>.</param>
    /// <param name="alpha">The factor of the product.</param>
    /// <returns><c>[N, I, K]</c>.</returns>
    public static Tensor Add(Tensor sum, Tensor a, Tensor b, float alpha = 1) =>
        SumStandsLast ? baddbmm(a, b, sum, beta: 1, alpha: alpha) : baddbmm(sum, a, b, beta: 1, alpha: alpha);

    private static bool AddsToTheLast()
    {
        using Tensor one = ones(1, 1, 1, dtype: float32, device: CPU), two = one + 1, three = two + 1, answer = baddbmm(one, two, three);
        return answer.item<float>() switch
        {
            1 + 2 * 3 => false,
            1 * 2 + 3 => true,
            float other => throw new NotSupportedException($"torch.baddbmm(1, 2, 3) is {other}; 7 and TorchSharp 0.107's 5 are known: take another version of TorchSharp."),
        };
    }
}
