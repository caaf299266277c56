using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>The delta rule with one decay per key channel, chunk-parallel.</summary>
/// <remarks>
/// With b the running sum of a chunk's log decays, S the entering state, and P and A as <see cref="ChannelPairs"/> has them:
/// <code>
/// A_ij = beta_i sum_d k_id k_jd e^(b_id - b_jd), i > j;   T = (I + A)^-1
/// V' = T diag(beta) (V - (K * e^b) S) = U - W S;   P_ij = sum_d q_id k_jd e^(b_id - b_jd), i >= j
/// O = scale ((Q * e^b) S + P V');   S_next = e^b_C S + (K * e^(b_C - b))^T V'
/// </code>
/// which is <see cref="DeltaChunks"/> with the products of <see cref="ChannelChunks"/>. In backward X = T^T dV' replaces the
/// derivative of the inverse, and E is the gradient of the keys as rows of A and of (K * e^b), without beta.
/// </remarks>
internal sealed class ChannelDeltaChunks : OperatorFunction<ChannelDeltaChunks, ChunkedOptions>
{
    public static MemoryRead Run(MatrixTokens x, Tensor state, ChunkedOptions options)
    {
        List<Tensor> outputs = Run(options, x.Q, x.K, x.V, x.Beta!, x.LogDecay!, state);
        return new MemoryRead(outputs[0], outputs[1]);
    }

    protected override List<Tensor> Forward(Tensor[] inputs, ChunkedOptions options, List<Tensor>? saved)
    {
        Tensor q = inputs[0], logDecay = inputs[4], initial = inputs[5];
        ChunkLayout layout = ChannelPairs.Layout(q, options);
        (long R, long K, long V) = (layout.R, q.shape[3], inputs[2].shape[3]);
        Tensor queries = layout.SplitMatrices(q) * options.Scale, keys = layout.SplitMatrices(inputs[1]), v = layout.SplitMatrices(inputs[2]);
        Tensor beta = layout.SplitMatrices(inputs[3]).unsqueeze(2);
        var pairs = new ChannelPairs(ChannelPairs.Split(layout, logDecay));
        Tensor P = pairs.ProductsToItself(queries, keys);
        Tensor inverse = TriangularInverse.Of(pairs.Products(keys, keys).mul_(beta));
        Tensor values = inverse.bmm(v * beta), W = inverse.bmm(keys * pairs.FromStart * beta);

        (Tensor states, Tensor final) = DeltaStates.Forward(
            layout, values, W, (keys * pairs.ToEnd).transpose(1, 2), pairs.FromStart.narrow(1, layout.C - 1, 1).transpose(1, 2), initial.reshape(R, K, V));
        Tensor fromStart = queries * pairs.FromStart;
        Tensor output = Products.Add(fromStart.bmm(states), P, values);
        saved?.AddRange([logDecay, queries, keys, v, beta, pairs.LogDecays, pairs.Factors, P, inverse, W, states, values, final, fromStart]);
        return [layout.Merge(output), final.view(initial.shape)];
    }

    protected override List<Tensor> Backward(Tensor?[] gradients, List<Tensor> saved, ChunkedOptions options)
    {
        if (saved is not [var logDecay, var queries, var keys, var v, var beta, var a, var factors, var P, var inverse, var W,
            var states, var values, var final, var queriesFromStart]) throw new InvalidOperationException();
        ChunkLayout layout = ChannelPairs.Layout(logDecay, options);
        (long R, long M, long C, long K, long V) = (layout.R, layout.M, layout.C, keys.shape[2], v.shape[2]);
        var pairs = new ChannelPairs(a, factors);
        Tensor dO = gradients[0] is { } upstream ? layout.SplitMatrices(upstream) : zeros([M, C, V], dtype: v.dtype, device: v.device);

        Tensor dValues = P.transpose(1, 2).bmm(dO);
        (Tensor dStates, Tensor dS) = DeltaStates.Backward(
            layout, dValues, queriesFromStart.transpose(1, 2).bmm(dO), W, keys * pairs.ToEnd, pairs.FromStart.narrow(1, C - 1, 1).transpose(1, 2),
            gradients[1]?.reshape(R, K, V) ?? zeros([R, K, V], dtype: v.dtype, device: v.device));
        Tensor minusX = inverse.transpose(1, 2).bmm(dValues).neg_();

        Tensor valuesT = values.transpose(1, 2).contiguous(), statesT = states.transpose(1, 2).contiguous();
        Tensor dP = dO.bmm(valuesT), dA = minusX.bmm(valuesT);
        Tensor dQ = dO.bmm(statesT).mul_(pairs.FromStart), E = minusX.bmm(statesT).mul_(pairs.FromStart);
        Tensor dK = values.bmm(dStates.transpose(1, 2).contiguous()).mul_(pairs.ToEnd);
        pairs.AddGradients(dP, queries, keys, dQ, dK);
        // Keys are rows of A before they are times beta, and columns of what is.
        pairs.AddGradients(dA, keys * beta, keys, E, dK);
        Tensor dBeta = (keys * E).sum(2).sub_((minusX * v).sum(2));
        E.mul_(beta);
        // Without the diagonal, whose two halves would cancel: no decay is between a token and itself.
        Tensor dDecay = pairs.DecayGradient((queries * dQ).add_(keys * E).sub_(keys * dK), states, dStates, final, logDecay, layout);
        ChannelPairs.AddDiagonal(dP, queries, keys, dQ, dK);
        return
        [
            layout.Merge(dQ.mul_(options.Scale)),
            layout.Merge(dK.add_(E)),
            layout.Merge(minusX.mul_(-beta)),
            layout.Merge(dBeta),
            dDecay,
            dS.view(layout.B, layout.H, K, V),
        ];
    }
}
