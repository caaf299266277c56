using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>How much of the entering memory W, of the entering momentum S and of every write stands in the memory after each token of a chunk.</summary>
/// <remarks>
/// With eta the momentum factor, alpha the forgetting and w_i the write of token i (step size times minus gradient):
/// <code>
/// W_t = Kept_t W + Momentum_t S + sum_(i&lt;=t) Writes_ti w_i;   S_t = MomentumKept_t S + sum_(i&lt;=t) MomentumWrites_ti w_i
/// </code>
/// Writes is the product of the forgetting matrix and the momentum matrix: two scans in one.
/// </remarks>
/// <param name="Kept"><c>[M, C, 1]</c></param>
/// <param name="Momentum"><c>[M, C, 1]</c></param>
/// <param name="MomentumKept"><c>[M, C, 1]</c></param>
/// <param name="Writes"><c>[M, C, C]</c></param>
/// <param name="MomentumWrites"><c>[M, C, C]</c></param>
internal readonly record struct TitansCoefficients(Tensor Kept, Tensor Momentum, Tensor MomentumKept, Tensor Writes, Tensor MomentumWrites)
{
    /// <param name="eta">Momentum factors <c>[M, C]</c>.</param>
    /// <param name="alpha">Forgetting <c>[M, C]</c>.</param>
    public static TitansCoefficients Of(Tensor eta, Tensor alpha)
    {
        Tensor keep = 1 - alpha, decays = ProductMatrix.Of(keep), momenta = ProductMatrix.Of(eta);
        Tensor kept = decays.narrow(2, 0, 1) * keep.narrow(1, 0, 1).unsqueeze(2);
        Tensor momentumKept = momenta.narrow(2, 0, 1) * eta.narrow(1, 0, 1).unsqueeze(2);
        return new TitansCoefficients(kept, decays.bmm(momentumKept), momentumKept, decays.bmm(momenta), momenta);
    }

    /// <summary>The rows after the last token of every chunk, <c>[M, 1, ...]</c>: of the last chunk the last token that is there.</summary>
    /// <remarks>No token leaves memory and momentum alone, so the tokens that fill up the last chunk must not be carried.</remarks>
    public TitansCoefficients Last(ChunkLayout layout)
    {
        long end = layout.T - ((layout.N - 1) * layout.C) - 1;
        Tensor Row(Tensor x)
        {
            Tensor chunks = x.view(layout.N, layout.R, layout.C, -1);
            Tensor rows = cat(new[] { chunks.narrow(0, 0, layout.N - 1).narrow(2, layout.C - 1, 1), chunks.narrow(0, layout.N - 1, 1).narrow(2, end, 1) }, 0);
            return rows.view(layout.M, 1, -1);
        }

        return new TitansCoefficients(Row(Kept), Row(Momentum), Row(MomentumKept), Row(Writes), Row(MomentumWrites));
    }
}
