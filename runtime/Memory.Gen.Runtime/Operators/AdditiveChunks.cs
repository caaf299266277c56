using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>Linear attention with one decay per token and head, or none, chunk-parallel.</summary>
/// <remarks>
/// With g, r and Gam the decay from the start, to the end and between tokens of a chunk, and S the entering state:
/// <code>
/// P = Gam * (Q K^T);   O = scale (diag(g) Q S + P V);   S_next = g_C S + (diag(r) K)^T V
/// </code>
/// </remarks>
internal sealed class AdditiveChunks : OperatorFunction<AdditiveChunks, ChunkedOptions>
{
    public static MemoryRead Run(MatrixTokens x, Tensor state, ChunkedOptions options)
    {
        List<Tensor> outputs = Run(options, x.Q, x.K, x.V, x.LogDecay ?? zeros([.. x.Q.shape[..3]], dtype: x.Q.dtype, device: x.Q.device), state);
        return new MemoryRead(outputs[0], outputs[1]);
    }

    protected override List<Tensor> Forward(Tensor[] inputs, ChunkedOptions options, List<Tensor>? saved)
    {
        Tensor q = inputs[0], v = inputs[2], logDecay = inputs[3], initial = inputs[4];
        ChunkLayout layout = ChunkLayout.Of(q, options.Chunk);
        (long N, long R, long M, long C, long K, long V) = (layout.N, layout.R, layout.M, layout.C, q.shape[3], v.shape[3]);
        ChunkDecay.Factors decay = ChunkDecay.Of(logDecay, layout);

        Tensor queries = layout.SplitMatrices(q), keys = layout.SplitMatrices(inputs[1]), values = layout.SplitMatrices(v);
        Tensor keysT = keys.transpose(1, 2).contiguous();
        Tensor P = queries.bmm(keysT).mul_(decay.Pairs).mul_(options.Scale);

        Tensor states = torch.empty([N, R, K, V], dtype: q.dtype, device: q.device);
        Tensor S = initial.reshape(R, K, V);
        {
            // Not in place: where K or C is 1, the transposed keys are the keys themselves, and may be the caller's.
            Tensor[] added = (keysT * decay.ToEnd.transpose(1, 2)).bmm(values).view(N, R, K, V).unbind();
            Tensor[] totals = decay.FromStart.narrow(1, C - 1, 1).view(N, R, 1, 1).unbind(), entering = states.unbind();
            for (int n = 0; n < N; n++)
            {
                entering[n].copy_(S);
                using Tensor before = S;
                S = torch.addcmul(added[n], S, totals[n], 1);
            }
        }

        states = states.view(M, K, V);
        Tensor output = Products.Add((queries * (decay.FromStart * options.Scale)).bmm(states), P, values);
        saved?.AddRange([logDecay, queries, keys, values, decay.Pairs, decay.FromStart, decay.ToEnd, P, states, S]);
        return [layout.Merge(output), S.view(initial.shape)];
    }

    protected override List<Tensor> Backward(Tensor?[] gradients, List<Tensor> saved, ChunkedOptions options)
    {
        if (saved is not [var logDecay, var queries, var keys, var values, var pairs, var fromStart, var toEnd, var P, var states,
            var final]) throw new InvalidOperationException();
        ChunkLayout layout = ChunkLayout.Of(logDecay, options.Chunk);
        (long N, long R, long M, long C, long K, long V) = (layout.N, layout.R, layout.M, layout.C, keys.shape[2], values.shape[2]);

        Tensor dO = gradients[0] is { } upstream
            ? layout.SplitMatrices(upstream)
            : zeros([M, C, V], dtype: values.dtype, device: values.device);
        Tensor scaled = fromStart * options.Scale;

        Tensor dS = gradients[1]?.reshape(R, K, V) ?? zeros([R, K, V], dtype: values.dtype, device: values.device);
        Tensor dStates = torch.empty([N, R, K, V], dtype: values.dtype, device: values.device);
        {
            Tensor[] reads = (queries * scaled).transpose(1, 2).bmm(dO).view(N, R, K, V).unbind();
            Tensor[] totals = fromStart.narrow(1, C - 1, 1).view(N, R, 1, 1).unbind(), leaving = dStates.unbind();
            for (long n = N - 1; n >= 0; n--)
            {
                leaving[n].copy_(dS);
                dS = reads[n].addcmul_(dS, totals[n], 1);
            }
        }

        dStates = dStates.view(M, K, V);
        Tensor dP = dO.bmm(values.transpose(1, 2).contiguous()).mul_(pairs).mul_(options.Scale);
        Tensor dQ = Products.Add(dO.bmm(states.transpose(1, 2).contiguous()).mul_(scaled), dP, keys);
        Tensor dK = Products.Add(values.bmm(dStates.transpose(1, 2).contiguous()).mul_(toEnd), dP.transpose(1, 2), queries);
        Tensor dV = Products.Add((keys * toEnd).bmm(dStates), P.transpose(1, 2), dO);
        Tensor dRunning = (queries * dQ).sum(2) - (keys * dK).sum(2);
        DeltaChunks.AddCarries(dRunning, states, dStates, final, R);

        return
        [
            layout.Merge(dQ),
            layout.Merge(dK),
            layout.Merge(dV),
            ChunkDecay.Gradient(dRunning, logDecay, layout),
            dS.view(layout.B, layout.H, K, V),
        ];
    }
}
