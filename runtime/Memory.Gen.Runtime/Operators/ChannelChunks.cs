using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>Linear attention with one decay per key channel, chunk-parallel.</summary>
/// <remarks>
/// <code>
/// P_ij = sum_d q_id k_jd e^(b_id - b_jd), i >= j;   O = scale ((Q * e^b) S + P V);   S_next = e^b_C S + (K * e^(b_C - b))^T V
/// </code>
/// P is a matrix product only after e^(b_i - b_j) is split at a reference between j and i, else one factor overflows.
/// So the triangle is cut into squares: at every size s = 4, 8, 16, ..., C/2, queries of a right half meet keys of the left
/// half before it, and the reference is the first row of the right half. What remains are triangles of four tokens,
/// taken pair by pair. Every exponent is its own sum of log decays (a product with a 0/1 matrix), never a difference of
/// running sums, so that nothing is lost behind a strong decay. The chunk is rounded up to a power of two.
/// </remarks>
internal sealed class ChannelChunks : OperatorFunction<ChannelChunks, ChunkedOptions>
{
    private const long Triangle = 4;

    public static MemoryRead Run(Tensor q, Tensor k, Tensor v, Tensor? beta, Tensor? logDecay, Tensor state, ChunkedOptions options)
    {
        List<Tensor> outputs = Run(options, q, k, v, logDecay!, state);
        return new MemoryRead(outputs[0], outputs[1]);
    }

    protected override List<Tensor> Forward(Tensor[] inputs, ChunkedOptions options, List<Tensor>? saved)
    {
        Tensor q = inputs[0], logDecay = inputs[3], initial = inputs[4];
        ChunkLayout layout = Layout(q, options);
        (long N, long R, long M, long C, long K, long V) = (layout.N, layout.R, layout.M, layout.C, q.shape[3], inputs[2].shape[3]);
        Tensor queries = layout.SplitMatrices(q) * options.Scale, keys = layout.SplitMatrices(inputs[1]), values = layout.SplitMatrices(inputs[2]);
        Tensor a = layout.SplitMatrices(logDecay).clamp(min: ChunkDecay.Floor);
        Tensor factors = Sums(C, a).expand(M, -1, -1).bmm(a).exp_();
        Tensor fromStart = factors.narrow(1, 0, C), toEnd = factors.narrow(1, C, C);

        Tensor P = zeros([M, C, C], dtype: q.dtype, device: q.device);
        for (long s = Triangle, level = 2; s < C; s *= 2, level++)
        {
            Tensor factor = factors.narrow(1, level * C, C);
            using Tensor right = Scaled(Half(queries, s, 1), Half(factor, s, 1)), left = Scaled(Half(keys, s, 0), Half(factor, s, 0));
            Squares(P, s).copy_(right.bmm(left.transpose(1, 2)).view(M, C / (2 * s), s, s));
        }

        foreach ((long i, long j, Tensor decay) in Pairs(a))
        {
            using Tensor pair = Token(queries, i) * decay;
            Corner(P, i, j).copy_(pair.mul_(Token(keys, j)).sum(2));
        }

        P.diagonal(0, 1, 2).copy_((queries * keys).sum(2));

        Tensor states = torch.empty([N, R, K, V], dtype: q.dtype, device: q.device);
        Tensor S = initial.reshape(R, K, V);
        {
            Tensor[] added = (keys * toEnd).transpose(1, 2).bmm(values).view(N, R, K, V).unbind();
            Tensor[] totals = fromStart.narrow(1, C - 1, 1).reshape(N, R, K, 1).unbind(), entering = states.unbind();
            for (int n = 0; n < N; n++)
            {
                entering[n].copy_(S);
                using Tensor before = S;
                S = torch.addcmul(added[n], S, totals[n], 1);
            }
        }

        states = states.view(M, K, V);
        Tensor output = Products.Add((queries * fromStart).bmm(states), P, values);
        saved?.AddRange([logDecay, queries, keys, values, a, factors, P, states, S]);
        return [layout.Merge(output), S.view(initial.shape)];
    }

    protected override List<Tensor> Backward(Tensor?[] gradients, List<Tensor> saved, ChunkedOptions options)
    {
        if (saved is not [var logDecay, var queries, var keys, var values, var a, var factors, var P, var states, var final])
        {
            throw new InvalidOperationException();
        }

        ChunkLayout layout = Layout(logDecay, options);
        (long N, long R, long M, long C, long K, long V) = (layout.N, layout.R, layout.M, layout.C, keys.shape[2], values.shape[2]);
        Tensor fromStart = factors.narrow(1, 0, C), toEnd = factors.narrow(1, C, C);
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

        for (long s = Triangle, level = 2; s < C; s *= 2, level++)
        {
            Tensor factor = factors.narrow(1, level * C, C), rightFactor = Half(factor, s, 1), leftFactor = Half(factor, s, 0);
            using Tensor right = Scaled(Half(queries, s, 1), rightFactor), left = Scaled(Half(keys, s, 0), leftFactor);
            using Tensor square = Squares(dP, s).reshape(M * C / (2 * s), s, s);
            Half(dQ, s, 1).addcmul_(square.bmm(left).view(rightFactor.shape), rightFactor, 1);
            Half(dK, s, 0).addcmul_(square.transpose(1, 2).bmm(right).view(leftFactor.shape), leftFactor, 1);
        }

        foreach ((long i, long j, Tensor decay) in Pairs(a))
        {
            using Tensor weight = decay * Corner(dP, i, j).unsqueeze(2);
            Token(dQ, i).addcmul_(weight, Token(keys, j), 1);
            Token(dK, j).addcmul_(weight, Token(queries, i), 1);
        }

        Tensor diagonal = dP.diagonal(0, 1, 2).unsqueeze(2);
        dQ.addcmul_(diagonal, keys, 1);
        dK.addcmul_(diagonal, queries, 1);

        Tensor dRunning = (queries * dQ).sub_(keys * dK);
        Tensor last = dRunning.select(1, C - 1);
        if (M > R) last.narrow(0, 0, M - R).add_((states.narrow(0, R, M - R) * dStates.narrow(0, 0, M - R)).sum(2));
        last.narrow(0, M - R, R).add_((final * dStates.narrow(0, M - R, R)).sum(2));
        Tensor reverse = ones([C, C], dtype: a.dtype, device: a.device).triu_();
        Tensor dDecay = layout.Merge(reverse.unsqueeze(0).expand(M, C, C).bmm(dRunning)).masked_fill(logDecay.lt(ChunkDecay.Floor), 0);

        return [layout.Merge(dQ.mul_(options.Scale)), layout.Merge(dK), layout.Merge(dV), dDecay, dS.view(layout.B, layout.H, K, V)];
    }

    private static ChunkLayout Layout(Tensor x, ChunkedOptions options)
    {
        ChunkLayout layout = ChunkLayout.Of(x, options.Chunk);
        return layout with { C = (long)System.Numerics.BitOperations.RoundUpToPowerOf2((ulong)layout.C) };
    }

    /// <summary>The 0/1 matrix <c>[1, (2 + levels) C, C]</c> whose product with the log decays is every exponent needed: from the
    /// start, to the end, and for each size of square from the reference row (right halves) or to it (left halves).</summary>
    private static Tensor Sums(long C, Tensor like)
    {
        var rows = new List<float>();
        void Row(long after, long upTo)
        {
            for (long l = 0; l < C; l++) rows.Add(l > after && l <= upTo ? 1 : 0);
        }

        for (long i = 0; i < C; i++) Row(-1, i);
        for (long i = 0; i < C; i++) Row(i, C - 1);
        for (long s = Triangle; s < C; s *= 2)
        {
            for (long i = 0; i < C; i++)
            {
                long reference = (i / (2 * s) * 2 * s) + s;
                if (i < reference) Row(i, reference);
                else Row(reference, i);
            }
        }

        return torch.tensor(rows.ToArray()).to(like.dtype).to(like.device).view(1, -1, C);
    }

    /// <summary>Left (0) or right (1) halves of all runs of 2s tokens, as a view <c>[M, C / 2s, s, K]</c>.</summary>
    private static Tensor Half(Tensor x, long s, long side) => x.view(x.shape[0], -1, 2, s, x.shape[2]).select(2, side);

    /// <summary>Rows of halves, scaled, as matrices <c>[M C / 2s, s, K]</c>.</summary>
    private static Tensor Scaled(Tensor half, Tensor factor) => (half * factor).flatten(0, 1);

    /// <summary>The squares below the diagonal where right halves meet left halves, as a view <c>[M, C / 2s, s, s]</c>.</summary>
    private static Tensor Squares(Tensor p, long s)
    {
        long C = p.shape[1];
        return p.as_strided([p.shape[0], C / (2 * s), s, s], [C * C, 2 * s * (C + 1), C, 1], s * C);
    }

    /// <summary>Token i of every triangle, <c>[M, C / 4, K]</c>.</summary>
    private static Tensor Token(Tensor x, long i)
    {
        long side = Math.Min(Triangle, x.shape[1]);
        return x.view(x.shape[0], x.shape[1] / side, side, x.shape[2]).select(2, i);
    }

    /// <summary>Entry (i, j) of every triangle, <c>[M, C / 4]</c>.</summary>
    private static Tensor Corner(Tensor p, long i, long j)
    {
        long C = p.shape[1], side = Math.Min(Triangle, C);
        return p.as_strided([p.shape[0], C / side], [C * C, side * (C + 1)], (i * C) + j);
    }

    /// <summary>The decay from token j to token i of every triangle, i > j.</summary>
    private static IEnumerable<(long I, long J, Tensor Decay)> Pairs(Tensor a)
    {
        for (long i = 1; i < Math.Min(Triangle, a.shape[1]); i++)
        {
            Tensor sum = Token(a, i).clone();
            for (long j = i - 1; j >= 0; j--)
            {
                yield return (i, j, sum.exp());
                if (j > 0) sum.add_(Token(a, j));
            }
        }
    }
}
