using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>Linear attention with one decay per key channel, chunk-parallel.</summary>
/// <remarks>
/// With b the running sum of a chunk's log decays, and P as <see cref="ChannelPairs"/> has it:
/// <code>
/// P_ij = sum_d q_id k_jd e^(b_id - b_jd), i >= j;   O = scale ((Q * e^b) S + P V);   S_next = e^b_C S + (K * e^(b_C - b))^T V
/// </code>
/// </remarks>
internal sealed class ChannelChunks : OperatorFunction<ChannelChunks, ChunkedOptions>
{
    public static MemoryRead Run(MatrixTokens x, Tensor state, ChunkedOptions options)
    {
        List<Tensor> outputs = Run(options, x.Q, x.K, x.V, x.LogDecay!, state);
        return new MemoryRead(outputs[0], outputs[1]);
    }

    protected override List<Tensor> Forward(Tensor[] inputs, ChunkedOptions options, List<Tensor>? saved)
    {
        Tensor q = inputs[0], logDecay = inputs[3], initial = inputs[4];
        ChunkLayout layout = ChannelPairs.Layout(q, options);
        (long N, long R, long M, long C, long K, long V) = (layout.N, layout.R, layout.M, layout.C, q.shape[3], inputs[2].shape[3]);
        Tensor queries = layout.SplitMatrices(q) * options.Scale, keys = layout.SplitMatrices(inputs[1]), values = layout.SplitMatrices(inputs[2]);
        var pairs = new ChannelPairs(ChannelPairs.Split(layout, logDecay));
        Tensor P = pairs.ProductsToItself(queries, keys);

        Tensor states = torch.empty([N, R, K, V], dtype: q.dtype, device: q.device);
        Tensor S = initial.reshape(R, K, V);
        {
            Tensor[] added = (keys * pairs.ToEnd).transpose(1, 2).bmm(values).view(N, R, K, V).unbind();
            Tensor[] totals = pairs.FromStart.narrow(1, C - 1, 1).reshape(N, R, K, 1).unbind(), entering = states.unbind();
            for (int n = 0; n < N; n++)
            {
                entering[n].copy_(S);
                using Tensor before = S;
                S = torch.addcmul(added[n], S, totals[n], 1);
            }
        }

        states = states.view(M, K, V);
        Tensor output = Products.Add((queries * pairs.FromStart).bmm(states), P, values);
        saved?.AddRange([logDecay, queries, keys, values, pairs.LogDecays, pairs.Factors, P, states, S]);
        return [layout.Merge(output), S.view(initial.shape)];
    }

    protected override List<Tensor> Backward(Tensor?[] gradients, List<Tensor> saved, ChunkedOptions options)
    {
        if (saved is not [var logDecay, var queries, var keys, var values, var a, var factors, var P, var states, var final])
        {
            throw new InvalidOperationException();
        }

        ChunkLayout layout = ChannelPairs.Layout(logDecay, options);
        (long N, long R, long M, long C, long K, long V) = (layout.N, layout.R, layout.M, layout.C, keys.shape[2], values.shape[2]);
        var pairs = new ChannelPairs(a, factors);
        Tensor fromStart = pairs.FromStart, toEnd = pairs.ToEnd;
        Tensor dO = gradients[0] is { } upstream
            ? layout.SplitMatrices(upstream)
            : zeros([M, C, V], dtype: values.dtype, device: values.device);

        Tensor dS = gradients[1]?.reshape(R, K, V) ?? zeros([R, K, V], dtype: values.dtype, device: values.device);
        Tensor dStates = torch.empty([N, R, K, V], dtype: values.dtype, device: values.device);
        {
            Tensor[] reads = (queries * fromStart).transpose(1, 2).bmm(dO).view(N, R, K, V).unbind();
            Tensor[] totals = fromStart.narrow(1, C - 1, 1).reshape(N, R, K, 1).unbind(), leaving = dStates.unbind();
            for (long n = N - 1; n >= 0; n--)
            {
                leaving[n].copy_(dS);
                dS = reads[n].addcmul_(dS, totals[n], 1);
            }
        }

        dStates = dStates.view(M, K, V);
        Tensor dP = dO.bmm(values.transpose(1, 2).contiguous());
        Tensor dQ = dO.bmm(states.transpose(1, 2).contiguous()).mul_(fromStart);
        Tensor dK = values.bmm(dStates.transpose(1, 2).contiguous()).mul_(toEnd);
        Tensor dV = Products.Add((keys * toEnd).bmm(dStates), P.transpose(1, 2), dO);
        pairs.AddGradients(dP, queries, keys, dQ, dK);
        // Without the diagonal, whose two halves would cancel: no decay is between a token and itself.
        Tensor dDecay = pairs.DecayGradient((queries * dQ).sub_(keys * dK), states, dStates, final, logDecay, layout);
        ChannelPairs.AddDiagonal(dP, queries, keys, dQ, dK);
        return [layout.Merge(dQ.mul_(options.Scale)), layout.Merge(dK), layout.Merge(dV), dDecay, dS.view(layout.B, layout.H, K, V)];
    }
}
