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
        Tensor a = layout.SplitMatrices(inputs[3]), b = layout.SplitMatrices(inputs[4]);
        var pairs = new ChannelPairs(ChannelPairs.Split(layout, logDecay));
        Tensor readers = stack([queries, Early(a)], 2), writers = stack([keys, b], 2), all = pairs.ProductsToItself(readers, writers);
        Tensor QK = Of(all, 0, 0), QB = Of(all, 0, 1), PK = Of(all, 1, 0), PB = Of(all, 1, 1);
        Tensor inverse = TriangularInverse.Of(Late(PB).neg_());
        Tensor recalled = inverse.bmm(Late(PK.bmm(values))), W = inverse.bmm(a * Before(pairs)).neg_();

        (Tensor states, Tensor final) = DeltaStates.Forward(
            layout, recalled, W, (b * pairs.ToEnd).transpose(1, 2), pairs.FromStart.narrow(1, C - 1, 1).transpose(1, 2), initial.reshape(R, K, V),
            (keys * pairs.ToEnd).transpose(1, 2).bmm(values));
        Tensor fromStart = queries * pairs.FromStart;
        Tensor output = Products.Add(Products.Add(fromStart.bmm(states), QK, values), QB, recalled);
        saved?.AddRange([logDecay, readers, writers, values, a, pairs.LogDecays, pairs.Factors, all, inverse, W, states, recalled, final, fromStart]);
        return [layout.Merge(output), final.view(initial.shape)];
    }

    protected override List<Tensor> Backward(Tensor?[] gradients, List<Tensor> saved, ChunkedOptions options)
    {
        if (saved is not [var logDecay, var readers, var writers, var values, var a, var decays, var factors, var all, var inverse, var W,
            var states, var recalled, var final, var queriesFromStart]) throw new InvalidOperationException();
        ChunkLayout layout = ChannelPairs.Layout(logDecay, options);
        (long R, long M, long C, long K, long V) = (layout.R, layout.M, layout.C, a.shape[2], values.shape[2]);
        var pairs = new ChannelPairs(decays, factors);
        Tensor keys = writers.select(2, 0), b = writers.select(2, 1), QK = Of(all, 0, 0), QB = Of(all, 0, 1), PK = Of(all, 1, 0);
        Tensor dO = gradients[0] is { } upstream ? layout.SplitMatrices(upstream) : zeros([M, C, V], dtype: values.dtype, device: values.device);

        Tensor dRecalled = QB.transpose(1, 2).bmm(dO);
        (Tensor dStates, Tensor dS) = DeltaStates.Backward(
            layout, dRecalled, queriesFromStart.transpose(1, 2).bmm(dO), W, b * pairs.ToEnd, pairs.FromStart.narrow(1, C - 1, 1).transpose(1, 2),
            gradients[1]?.reshape(R, K, V) ?? zeros([R, K, V], dtype: values.dtype, device: values.device));
        Tensor X = inverse.transpose(1, 2).bmm(dRecalled), earlyX = Early(X);

        Tensor valuesT = values.transpose(1, 2).contiguous(), recalledT = recalled.transpose(1, 2).contiguous();
        Tensor statesT = states.transpose(1, 2).contiguous(), dStatesT = dStates.transpose(1, 2).contiguous();
        Tensor dAll = stack([dO.bmm(valuesT), dO.bmm(recalledT), earlyX.bmm(valuesT), earlyX.bmm(recalledT)], 1);
        Tensor dA = X.bmm(statesT).mul_(Before(pairs));
        Tensor dReaders = stack([dO.bmm(statesT).mul_(pairs.FromStart), Early(dA)], 2);
        Tensor dWriters = stack([values.bmm(dStatesT).mul_(pairs.ToEnd), recalled.bmm(dStatesT).mul_(pairs.ToEnd)], 2);
        pairs.AddGradients(dAll, readers, writers, dReaders, dWriters);
        // Without the diagonals, whose two halves would cancel: no decay is between a token and itself.
        Tensor dRunning = (readers * dReaders).sum(2).sub_((writers * dWriters).sum(2));
        Tensor dDecay = pairs.DecayGradient(dRunning, states, dStates, final, logDecay, layout);
        ChannelPairs.AddDiagonal(dAll, readers, writers, dReaders, dWriters);
        // The first token of a chunk recalls what enters it, and nothing else.
        dA.narrow(1, 1, C - 1).copy_(dReaders.select(2, 1).narrow(1, 0, C - 1));

        Tensor dV = Products.Add(Products.Add((keys * pairs.ToEnd).bmm(dStates), QK.transpose(1, 2), dO), PK.transpose(1, 2), earlyX);
        return
        [
            layout.Merge(dReaders.select(2, 0) * options.Scale),
            layout.Merge(dWriters.select(2, 0).contiguous()),
            layout.Merge(dV),
            layout.Merge(dA),
            layout.Merge(dWriters.select(2, 1).contiguous()),
            dDecay,
            dS.view(layout.B, layout.H, K, V),
        ];
    }

    /// <summary>The products of one kind of reader with one of what is written, <c>[M, C, C]</c>.</summary>
    private static Tensor Of(Tensor all, long reader, long writer) => all.select(1, reader).select(1, writer);

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
