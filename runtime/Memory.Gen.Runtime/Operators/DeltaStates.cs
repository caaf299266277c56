using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>What goes from chunk to chunk in the delta rules: V' = U - W S and S_next = D S + R V' + Z, and back.</summary>
/// <remarks>D, the decay of a whole chunk, is <c>[M, 1, 1]</c>, or <c>[M, K, 1]</c> where every key channel has its own. R is (K e^(b_C - b))^T.</remarks>
internal static class DeltaStates
{
    /// <param name="layout">The chunks.</param>
    /// <param name="values">U, <c>[M, C, V]</c>; becomes V'.</param>
    /// <param name="W"><c>[M, C, K]</c>.</param>
    /// <param name="keysToEnd">R, <c>[M, K, C]</c>.</param>
    /// <param name="totals">D.</param>
    /// <param name="initial"><c>[R, K, V]</c>.</param>
    /// <param name="added">Z, what is written whatever the state is, <c>[M, K, V]</c>; null for nothing.</param>
    /// <returns>The states that enter the chunks, <c>[M, K, V]</c>, and the one that leaves the last, <c>[R, K, V]</c>.</returns>
    public static (Tensor States, Tensor Final) Forward(ChunkLayout layout, Tensor values, Tensor W, Tensor keysToEnd, Tensor totals, Tensor initial, Tensor? added = null)
    {
        (long N, long R, long K, long V) = (layout.N, layout.R, initial.shape[1], initial.shape[2]);
        Tensor states = torch.empty([N, R, K, V], dtype: values.dtype, device: values.device);
        Tensor S = initial;
        Tensor[] written = Each(layout, values), Ws = Each(layout, W), kr = Each(layout, keysToEnd), kept = Each(layout, totals), entering = states.unbind();
        Tensor[]? more = added is null ? null : Each(layout, added);
        for (int n = 0; n < N; n++)
        {
            using Tensor before = S, predicted = Ws[n].bmm(S);
            entering[n].copy_(S);
            written[n].sub_(predicted);
            S = kr[n].bmm(written[n]).addcmul_(before, kept[n], 1);
            if (more is not null) S.add_(more[n]);
        }

        return (states.view(layout.M, K, V), S);
    }

    /// <summary>From the last chunk to the first: dV' += R^T dS;  dS = D dS + reads - W^T dV'.</summary>
    /// <param name="layout">The chunks.</param>
    /// <param name="dValues">dV' as far as it comes from outputs of the same chunk, <c>[M, C, V]</c>; becomes dV'.</param>
    /// <param name="reads">What the outputs say about the entering states, <c>[M, K, V]</c>; changed.</param>
    /// <param name="W"><c>[M, C, K]</c>.</param>
    /// <param name="keysToEnd">R^T, <c>[M, C, K]</c>.</param>
    /// <param name="totals">D.</param>
    /// <param name="dFinal">The gradient of the last state, <c>[R, K, V]</c>.</param>
    /// <returns>Gradients of the states that leave the chunks, <c>[M, K, V]</c>, and of the one that enters the first, <c>[R, K, V]</c>.</returns>
    public static (Tensor Leaving, Tensor Initial) Backward(ChunkLayout layout, Tensor dValues, Tensor reads, Tensor W, Tensor keysToEnd, Tensor totals, Tensor dFinal)
    {
        (long N, long R, long K, long V) = (layout.N, layout.R, dFinal.shape[1], dFinal.shape[2]);
        Tensor dStates = torch.empty([N, R, K, V], dtype: dValues.dtype, device: dValues.device);
        Tensor dS = dFinal;
        Tensor[] read = Each(layout, reads), kr = Each(layout, keysToEnd), WT = Each(layout, W.transpose(1, 2)), kept = Each(layout, totals);
        Tensor[] leaving = dStates.unbind(), written = Each(layout, dValues);
        for (long n = N - 1; n >= 0; n--)
        {
            using Tensor after = dS, added = kr[n].bmm(dS);
            leaving[n].copy_(dS);
            written[n].add_(added);
            using Tensor erased = WT[n].bmm(written[n]);
            dS = read[n].addcmul_(after, kept[n], 1).sub_(erased);
        }

        return (dStates.view(layout.M, K, V), dS);
    }

    /// <summary>Matrices <c>[M, I, J]</c> as views <c>[R, I, J]</c>, one for each chunk.</summary>
    private static Tensor[] Each(ChunkLayout layout, Tensor x) => x.view(layout.N, layout.R, x.shape[1], x.shape[2]).unbind();
}
