using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>The generalised delta rule, chunk-parallel.</summary>
/// <remarks>
/// With c the running sum of a chunk's log decays, c_0 = 0 before its first token, S the entering state, and R what the
/// tokens recall, r_i = S_{i-1}^T a_i:
/// <code>
/// XY_ij = sum_d x_id y_jd e^(c_id - c_jd), i >= j, for X = Q and Y = K, B;   for X = A with c_{i-1} in the place of c_i, i > j
/// R = T (AK V + (A * e^(c_{i-1})) S) = U - W S,   T = (I - AB)^-1
/// O = scale ((Q * e^c) S + QK V + QB R);   S_next = e^c_C S + (K * e^(c_C - c))^T V + (B * e^(c_C - c))^T R
/// </code>
/// A token recalls by the decays before its own, so it stands with the token in front: P = <see cref="Early"/> A is a row
/// above A, and AY is P Y, diagonal included, a row lower. No decay is divided by, whatever it is. In backward
/// X = T^T dR replaces the derivative of the inverse.
/// </remarks>
internal sealed class GeneralizedDeltaChunks : OperatorFunction<GeneralizedDeltaChunks, ChunkedOptions>
{
    public static MemoryRead Run(MatrixTokens x, Tensor state, ChunkedOptions options)
    {
        List<Tensor> outputs = Run(options, x.Q, x.K, x.V, x.A!, x.B!, x.LogDecay!, state);
        return new MemoryRead(outputs[0], outputs[1]);
    }

    protected override List<Tensor> Forward(Tensor[] inputs, ChunkedOptions options, List<Tensor>? saved)
    {
        Tensor q = inputs[0], logDecay = inputs[5], initial = inputs[6];
        ChunkLayout layout = ChannelPairs.Layout(q, options);
        (long R, long C, long K, long V) = (layout.R, layout.C, q.shape[3], inputs[2].shape[3]);
        Tensor queries = layout.SplitMatrices(q) * options.Scale, keys = layout.SplitMatrices(inputs[1]), values = layout.SplitMatrices(inputs[2]);
        Tensor a = layout.SplitMatrices(inputs[3]), b = layout.SplitMatrices(inputs[4]), early = Early(a);
        var pairs = new ChannelPairs(ChannelPairs.Split(layout, logDecay));
        Tensor QK = pairs.ProductsToItself(queries, keys), QB = pairs.ProductsToItself(queries, b);
        Tensor PK = pairs.ProductsToItself(early, keys), PB = pairs.ProductsToItself(early, b);
        Tensor inverse = TriangularInverse.Of(Late(PB).neg_());
        Tensor recalled = inverse.bmm(Late(PK.bmm(values))), W = inverse.bmm(a * Before(pairs)).neg_();

        (Tensor states, Tensor final) = DeltaStates.Forward(
            layout, recalled, W, (b * pairs.ToEnd).transpose(1, 2), pairs.FromStart.narrow(1, C - 1, 1).transpose(1, 2), initial.reshape(R, K, V),
            (keys * pairs.ToEnd).transpose(1, 2).bmm(values));
        Tensor fromStart = queries * pairs.FromStart;
        Tensor output = Products.Add(Products.Add(fromStart.bmm(states), QK, values), QB, recalled);
        saved?.AddRange([logDecay, queries, keys, values, a, b, pairs.LogDecays, pairs.Factors, QK, QB, PK, inverse, W, states, recalled, final, fromStart]);
        return [layout.Merge(output), final.view(initial.shape)];
    }

    protected override List<Tensor> Backward(Tensor?[] gradients, List<Tensor> saved, ChunkedOptions options)
    {
        if (saved is not [var logDecay, var queries, var keys, var values, var a, var b, var decays, var factors, var QK, var QB, var PK, var inverse, var W,
            var states, var recalled, var final, var queriesFromStart]) throw new InvalidOperationException();
        ChunkLayout layout = ChannelPairs.Layout(logDecay, options);
        (long R, long M, long C, long K, long V) = (layout.R, layout.M, layout.C, keys.shape[2], values.shape[2]);
        var pairs = new ChannelPairs(decays, factors);
        Tensor dO = gradients[0] is { } upstream ? layout.SplitMatrices(upstream) : zeros([M, C, V], dtype: values.dtype, device: values.device);

        Tensor dRecalled = QB.transpose(1, 2).bmm(dO);
        (Tensor dStates, Tensor dS) = DeltaStates.Backward(
            layout, dRecalled, queriesFromStart.transpose(1, 2).bmm(dO), W, b * pairs.ToEnd, pairs.FromStart.narrow(1, C - 1, 1).transpose(1, 2),
            gradients[1]?.reshape(R, K, V) ?? zeros([R, K, V], dtype: values.dtype, device: values.device));
        Tensor X = inverse.transpose(1, 2).bmm(dRecalled), earlyX = Early(X);

        Tensor valuesT = values.transpose(1, 2).contiguous(), recalledT = recalled.transpose(1, 2).contiguous();
        Tensor statesT = states.transpose(1, 2).contiguous(), dStatesT = dStates.transpose(1, 2).contiguous();
        Tensor dQK = dO.bmm(valuesT), dQB = dO.bmm(recalledT), dPK = earlyX.bmm(valuesT), dPB = earlyX.bmm(recalledT);
        Tensor early = Early(a), dQ = dO.bmm(statesT).mul_(pairs.FromStart), dA = X.bmm(statesT).mul_(Before(pairs)), dEarly = Early(dA);
        Tensor dK = values.bmm(dStatesT).mul_(pairs.ToEnd), dB = recalled.bmm(dStatesT).mul_(pairs.ToEnd);
        pairs.AddGradients(dQK, queries, keys, dQ, dK);
        pairs.AddGradients(dQB, queries, b, dQ, dB);
        pairs.AddGradients(dPK, early, keys, dEarly, dK);
        pairs.AddGradients(dPB, early, b, dEarly, dB);
        // Without the diagonals, whose two halves would cancel: no decay is between a token and itself.
        Tensor dRunning = (queries * dQ).add_(early * dEarly).sub_(keys * dK).sub_(b * dB);
        Tensor dDecay = pairs.DecayGradient(dRunning, states, dStates, final, logDecay, layout);
        ChannelPairs.AddDiagonal(dQK, queries, keys, dQ, dK);
        ChannelPairs.AddDiagonal(dQB, queries, b, dQ, dB);
        ChannelPairs.AddDiagonal(dPK, early, keys, dEarly, dK);
        ChannelPairs.AddDiagonal(dPB, early, b, dEarly, dB);
        // The first token of a chunk recalls what enters it, and nothing else.
        dA.narrow(1, 1, C - 1).copy_(dEarly.narrow(1, 0, C - 1));

        Tensor dV = Products.Add(Products.Add((keys * pairs.ToEnd).bmm(dStates), QK.transpose(1, 2), dO), PK.transpose(1, 2), earlyX);
        return
        [
            layout.Merge(dQ.mul_(options.Scale)),
            layout.Merge(dK),
            layout.Merge(dV),
            layout.Merge(dA),
            layout.Merge(dB),
            dDecay,
            dS.view(layout.B, layout.H, K, V),
        ];
    }

    /// <summary>e^(c_{i-1}), <c>[M, C, K]</c>: one for the first token of a chunk.</summary>
    private static Tensor Before(ChannelPairs pairs)
    {
        Tensor before = Late(pairs.FromStart);
        before.narrow(1, 0, 1).fill_(1);
        return before;
    }

    /// <summary>Every row of the chunks one place earlier: the first is gone, the last is zero.</summary>
    private static Tensor Early(Tensor x)
    {
        Tensor early = zeros_like(x);
        early.narrow(1, 0, x.shape[1] - 1).copy_(x.narrow(1, 1, x.shape[1] - 1));
        return early;
    }

    /// <summary>Every row one place later: the first is zero, the last is gone.</summary>
    private static Tensor Late(Tensor x)
    {
        Tensor late = zeros_like(x);
        late.narrow(1, 1, x.shape[1] - 1).copy_(x.narrow(1, 0, x.shape[1] - 1));
        return late;
    }
}
