using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>The factors that one log decay per token and head means inside a chunk.</summary>
/// <remarks>
/// With b the inclusive running sum of the log decays of a chunk. The sums are taken in float64: differences of float32
/// sums would lose the small decays that follow a large one. Log decays below <see cref="Floor"/> are the same as -inf,
/// but their differences are numbers; e^-800 is zero in float64.
/// </remarks>
internal static class ChunkDecay
{
    /// <summary>The log decay from which on nothing is left.</summary>
    public const double Floor = -800;

    /// <summary>Factors of one chunk.</summary>
    /// <param name="Pairs">e^(b_i - b_j) for i >= j, else 0: <c>[M, C, C]</c>.</param>
    /// <param name="FromStart">e^(b_i): <c>[M, C, 1]</c>.</param>
    /// <param name="ToEnd">e^(b_C - b_i): <c>[M, C, 1]</c>.</param>
    public readonly record struct Factors(Tensor Pairs, Tensor FromStart, Tensor ToEnd);

    public static Factors Of(Tensor logDecay, ChunkLayout layout)
    {
        ScalarType dtype = logDecay.dtype;
        Tensor a = layout.SplitMatrices(logDecay).to(ScalarType.Float64).clamp(min: Floor);
        Tensor b = a.cumsum(1);
        // The upper triangle may overflow; tril_ replaces it, it does not multiply.
        Tensor high = b.to(dtype), low = (b - high).to(dtype);
        Tensor pairs = (high.unsqueeze(2) - high.unsqueeze(1)).add_(low.unsqueeze(2)).sub_(low.unsqueeze(1)).exp_().tril_();
        Tensor fromStart = b.exp().to(dtype).unsqueeze(2);
        Tensor toEnd = (b.narrow(1, layout.C - 1, 1) - b).exp_().to(dtype).unsqueeze(2);
        return new Factors(pairs, fromStart, toEnd);
    }

    /// <summary>Gradient of the log decays from the gradient of their running sums: the reverse running sum, <c>[M, C]</c> to <c>[B, T, H]</c>.</summary>
    public static Tensor Gradient(Tensor runningSums, Tensor logDecay, ChunkLayout layout)
    {
        Tensor all = runningSums.sum(1, keepdim: true);
        Tensor gradient = layout.Merge(runningSums + all - runningSums.cumsum(1));
        return gradient.masked_fill(logDecay.lt(Floor), 0);
    }
}
