using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>The (gated) delta rule, chunk-parallel.</summary>
/// <remarks>
/// With g, r and Gam the decay from the start, to the end and between tokens of a chunk, and S the entering state:
/// <code>
/// A_ij = beta_i Gam_ij (k_i . k_j), i > j;   T = (I + A)^-1
/// V' = T diag(beta) (V - diag(g) K S) = U - W S;   P = Gam * (Q K^T)
/// O = scale (diag(g) Q S + P V');   S_next = g_C S + (diag(r) K)^T V'
/// </code>
/// Only V' and S_next go from chunk to chunk; everything else is one batch over all chunks. Matrices that are multiplied
/// by the same right side are kept stacked: <c>qk</c> is [q; k], <c>[M, 2C, K]</c>. In backward X = T^T dV' replaces
/// the derivative of the inverse.
/// </remarks>
internal sealed class DeltaChunks : OperatorFunction<DeltaChunks, ChunkedOptions>
{
    public static MemoryRead Run(Tensor q, Tensor k, Tensor v, Tensor? beta, Tensor? logDecay, Tensor state, ChunkedOptions options)
    {
        // Without decay the factors are exactly one: the same arithmetic.
        List<Tensor> outputs = Run(options, q, k, v, beta!, logDecay ?? zeros_like(beta!, requires_grad: false), state);
        return new MemoryRead(outputs[0], outputs[1]);
    }

    protected override List<Tensor> Forward(Tensor[] inputs, ChunkedOptions options, List<Tensor>? saved)
    {
        Tensor q = inputs[0], k = inputs[1], v = inputs[2], logDecay = inputs[4], initial = inputs[5];
        ChunkLayout layout = ChunkLayout.Of(q, options.Chunk);
        (long N, long R, long M, long C, long K, long V) = (layout.N, layout.R, layout.M, layout.C, q.shape[3], v.shape[3]);
        ChunkDecay.Factors decay = ChunkDecay.Of(logDecay, layout);
        Tensor beta = layout.SplitMatrices(inputs[3]).unsqueeze(2);

        Tensor qk = Stack(layout, q, k, C, K);
        Tensor queries = qk.narrow(1, 0, C), keys = qk.narrow(1, C, C), keysT = keys.transpose(1, 2).contiguous();
        Tensor products = qk.bmm(keysT).view(M, 2, C, C).mul_(decay.Pairs.unsqueeze(1));
        Tensor P = products.select(1, 0) * options.Scale;
        Tensor inverse = TriangularInverse.Of((products.select(1, 1) * beta).tril_(-1));
        Tensor U = inverse.bmm(layout.SplitMatrices(v) * beta), W = inverse.bmm(keys * (beta * decay.FromStart));

        Tensor writes = keysT * decay.ToEnd.transpose(1, 2);
        Tensor total = decay.FromStart.narrow(1, C - 1, 1);
        Tensor states = torch.empty([N, R, K, V], dtype: q.dtype, device: q.device);
        Tensor values = torch.empty([N, R, C, V], dtype: q.dtype, device: q.device);
        Tensor S = initial.reshape(R, K, V);
        Tensor[] Us = U.view(N, R, C, V).unbind(), Ws = W.view(N, R, C, K).unbind(), kr = writes.view(N, R, K, C).unbind();
        Tensor[] totals = total.view(N, R, 1, 1).unbind(), entering = states.unbind(), written = values.unbind();
        for (int n = 0; n < N; n++)
        {
            entering[n].copy_(S);
            using Tensor before = S, kept = S * totals[n];
            using Tensor next = torch.baddbmm(Us[n], Ws[n], S, beta: 1, alpha: -1);
            written[n].copy_(next);
            S = torch.baddbmm(kept, kr[n], next);
        }

        states = states.view(M, K, V);
        values = values.view(M, C, V);
        Tensor fromStart = queries * (decay.FromStart * options.Scale);
        Tensor output = torch.baddbmm(fromStart.bmm(states), P, values);
        saved?.AddRange([v, logDecay, beta, qk, decay.Pairs, decay.FromStart, decay.ToEnd, P, inverse, W, states, values, S, fromStart]);
        return [layout.Merge(output), S.view(initial.shape)];
    }

    protected override List<Tensor> Backward(Tensor?[] gradients, List<Tensor> saved, ChunkedOptions options)
    {
        if (saved is not [var v, var logDecay, var beta, var qk, var pairs, var fromStart, var toEnd, var P, var inverse, var W,
            var states, var values, var final, var queriesFromStart]) throw new InvalidOperationException();
        ChunkLayout layout = ChunkLayout.Of(v, options.Chunk);
        (long N, long R, long M, long C, long K, long V) = (layout.N, layout.R, layout.M, layout.C, qk.shape[2], v.shape[3]);
        Tensor keys = qk.narrow(1, C, C);

        Tensor dOX = torch.empty([M, 2 * C, V], dtype: v.dtype, device: v.device);
        Tensor dO = dOX.narrow(1, 0, C), X = dOX.narrow(1, C, C);
        if (gradients[0] is { } upstream) dOX.view(N, layout.B, layout.H, 2 * C, V).narrow(3, 0, C).copy_(layout.Split(upstream));
        else dO.zero_();

        // From the last chunk to the first: dV' += diag(r) K dS;  dS = g_C dS + (diag(scale g) Q)^T dO - W^T dV'.
        Tensor dS = gradients[1]?.reshape(R, K, V) ?? zeros([R, K, V], dtype: v.dtype, device: v.device);
        Tensor dStates = torch.empty([N, R, K, V], dtype: v.dtype, device: v.device);
        Tensor dValues = torch.empty([N, R, C, V], dtype: v.dtype, device: v.device);
        {
            Tensor[] reads = queriesFromStart.transpose(1, 2).bmm(dO).view(N, R, K, V).unbind();
            Tensor[] inside = P.transpose(1, 2).bmm(dO).view(N, R, C, V).unbind();
            Tensor[] kr = (keys * toEnd).view(N, R, C, K).unbind(), WT = W.view(N, R, C, K).transpose(2, 3).unbind();
            Tensor[] totals = fromStart.narrow(1, C - 1, 1).view(N, R, 1, 1).unbind(), leaving = dStates.unbind(), written = dValues.unbind();
            for (long n = N - 1; n >= 0; n--)
            {
                using Tensor after = dS;
                leaving[n].copy_(dS);
                using Tensor dV = torch.baddbmm(inside[n], kr[n], dS);
                written[n].copy_(dV);
                using Tensor kept = reads[n].addcmul_(dS, totals[n], 1);
                dS = torch.baddbmm(kept, WT[n], dV, beta: 1, alpha: -1);
            }
        }

        dStates = dStates.view(M, K, V);
        X.copy_(inverse.transpose(1, 2).bmm(dValues.view(M, C, V)));

        // [dP; dA Gam], rows scaled like what they come from; then [dQ; the part of dK through k_i in row i].
        Tensor dM = dOX.bmm(values.transpose(1, 2).contiguous()).view(M, 2, C, C).mul_(pairs.unsqueeze(1));
        dM.select(1, 0).mul_(options.Scale);
        dM.select(1, 1).neg_().tril_(-1);
        dM = dM.view(M, 2 * C, C);
        Tensor rows = cat([fromStart * options.Scale, -fromStart], 1);
        Tensor direct = torch.baddbmm(dOX.bmm(states.transpose(1, 2).contiguous()).mul_(rows), dM, keys);
        Tensor dots = (qk * direct).sum(2).view(M, 2, C);
        Tensor dBeta = dots.select(1, 1) + (X * layout.SplitMatrices(v)).sum(2);

        direct.narrow(1, C, C).mul_(beta);
        dM.narrow(1, C, C).mul_(beta);
        Tensor passive = values.bmm(dStates.transpose(1, 2)).mul_(toEnd);
        passive = torch.baddbmm(passive, dM.transpose(1, 2), qk);
        Tensor dRunning = dots.select(1, 0) + (dots.select(1, 1) * beta.squeeze(2)) - (keys * passive).sum(2);
        AddCarries(dRunning, states, dStates, final, R);

        return
        [
            layout.Merge(direct.narrow(1, 0, C)),
            layout.Merge(passive.add_(direct.narrow(1, C, C))),
            layout.Merge(X * beta),
            layout.Merge(dBeta),
            ChunkDecay.Gradient(dRunning, logDecay, layout),
            dS.view(layout.B, layout.H, K, V),
        ];
    }

    /// <summary>[q; k] of every chunk, <c>[M, 2C, K]</c>.</summary>
    private static Tensor Stack(ChunkLayout layout, Tensor q, Tensor k, long C, long K)
    {
        Tensor both = torch.empty([layout.N, layout.B, layout.H, 2 * C, K], dtype: q.dtype, device: q.device);
        both.narrow(3, 0, C).copy_(layout.Split(q));
        both.narrow(3, C, C).copy_(layout.Split(k));
        return both.view(layout.M, 2 * C, K);
    }

    /// <summary>The last running sum of a chunk scales the whole state that leaves it: add &lt;S_next, dS_next&gt; there.</summary>
    internal static void AddCarries(Tensor dRunning, Tensor states, Tensor dStates, Tensor final, long R)
    {
        long M = dRunning.shape[0], C = dRunning.shape[1];
        Tensor last = dRunning.select(1, C - 1);
        if (M > R) last.narrow(0, 0, M - R).add_((states.narrow(0, R, M - R) * dStates.narrow(0, 0, M - R)).sum(new long[] { 1, 2 }));
        last.narrow(0, M - R, R).add_((final * dStates.narrow(0, M - R, R)).sum(new long[] { 1, 2 }));
    }
}
