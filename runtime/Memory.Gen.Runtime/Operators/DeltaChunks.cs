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
    public static MemoryRead Run(MatrixTokens x, Tensor state, ChunkedOptions options)
    {
        // Without decay the factors are exactly one: the same arithmetic.
        List<Tensor> outputs = Run(options, x.Q, x.K, x.V, x.Beta!, x.LogDecay ?? zeros_like(x.Beta!, requires_grad: false), state);
        return new MemoryRead(outputs[0], outputs[1]);
    }

    protected override List<Tensor> Forward(Tensor[] inputs, ChunkedOptions options, List<Tensor>? saved)
    {
        Tensor q = inputs[0], k = inputs[1], logDecay = inputs[4], initial = inputs[5];
        ChunkLayout layout = ChunkLayout.Of(q, options.Chunk);
        (long R, long M, long C, long K, long V) = (layout.R, layout.M, layout.C, q.shape[3], inputs[2].shape[3]);
        ChunkDecay.Factors decay = ChunkDecay.Of(logDecay, layout);
        Tensor beta = layout.SplitMatrices(inputs[3]).unsqueeze(2), v = layout.SplitMatrices(inputs[2]);

        Tensor qk = Stack(layout, q, k, C, K);
        Tensor queries = qk.narrow(1, 0, C), keys = qk.narrow(1, C, C), keysT = keys.transpose(1, 2).contiguous();
        Tensor products = qk.bmm(keysT).view(M, 2, C, C).mul_(decay.Pairs.unsqueeze(1));
        Tensor P = products.select(1, 0);
        Tensor inverse = TriangularInverse.Of(products.select(1, 1) * beta);
        Tensor U = inverse.bmm(v * beta), W = inverse.bmm(keys * (beta * decay.FromStart));

        // Not in place: where K or C is 1, the transposed keys are the keys themselves.
        (Tensor states, Tensor S) = DeltaStates.Forward(layout, U, W, keysT * decay.ToEnd.transpose(1, 2), decay.FromStart.narrow(1, C - 1, 1), initial.reshape(R, K, V));
        Tensor fromStart = queries * decay.FromStart;
        Tensor output = Products.Add(fromStart.bmm(states), P, U).mul_(options.Scale);
        saved?.AddRange([v, logDecay, beta, qk, decay.Pairs, decay.FromStart, decay.ToEnd, P, inverse, W, states, U, S, fromStart]);
        return [layout.Merge(output), S.view(initial.shape)];
    }

    protected override List<Tensor> Backward(Tensor?[] gradients, List<Tensor> saved, ChunkedOptions options)
    {
        if (saved is not [var v, var logDecay, var beta, var qk, var pairs, var fromStart, var toEnd, var P, var inverse, var W,
            var states, var values, var final, var queriesFromStart]) throw new InvalidOperationException();
        ChunkLayout layout = ChunkLayout.Of(logDecay, options.Chunk);
        (long N, long R, long M, long C, long K, long V) = (layout.N, layout.R, layout.M, layout.C, qk.shape[2], v.shape[2]);
        Tensor keys = qk.narrow(1, C, C);

        // [scale dO; -X], so that both halves meet the same factors below.
        Tensor dOX = torch.empty([M, 2 * C, V], dtype: v.dtype, device: v.device);
        Tensor dO = dOX.narrow(1, 0, C), minusX = dOX.narrow(1, C, C);
        if (gradients[0] is { } upstream) dOX.view(N, layout.B, layout.H, 2 * C, V).narrow(3, 0, C).copy_(layout.Split(upstream)).mul_(options.Scale);
        else dO.zero_();

        Tensor dValues = P.transpose(1, 2).bmm(dO);
        (Tensor dStates, Tensor dS) = DeltaStates.Backward(
            layout, dValues, queriesFromStart.transpose(1, 2).bmm(dO), W, keys * toEnd, fromStart.narrow(1, C - 1, 1),
            gradients[1]?.reshape(R, K, V) ?? zeros([R, K, V], dtype: v.dtype, device: v.device));
        minusX.copy_(inverse.transpose(1, 2).bmm(dValues)).neg_();

        // [dP; dA Gam], then [dQ; the part of dK through k_i in row i].
        Tensor dM = dOX.bmm(values.transpose(1, 2).contiguous()).view(M, 2, C, C).mul_(pairs.unsqueeze(1));
        dM.select(1, 1).diagonal(0, 1, 2).zero_();
        dM = dM.view(M, 2 * C, C);
        Tensor direct = dM.bmm(keys);
        direct.view(M, 2, C, K).addcmul_(dOX.bmm(states.transpose(1, 2).contiguous()).view(M, 2, C, K), fromStart.unsqueeze(1), 1);
        Tensor dots = (qk * direct).sum(2).view(M, 2, C);
        Tensor dBeta = dots.select(1, 1) - (minusX * v).sum(2);

        direct.narrow(1, C, C).mul_(beta);
        dM.narrow(1, C, C).mul_(beta);
        Tensor passive = dM.transpose(1, 2).bmm(qk).addcmul_(values.bmm(dStates.transpose(1, 2)), toEnd, 1);
        Tensor dRunning = dots.select(1, 0) + (dots.select(1, 1) * beta.squeeze(2)) - (keys * passive).sum(2);
        AddCarries(dRunning, states, dStates, final, R);

        return
        [
            layout.Merge(direct.narrow(1, 0, C)),
            layout.Merge(passive.add_(direct.narrow(1, C, C))),
            layout.Merge(minusX.mul_(-beta)),
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
