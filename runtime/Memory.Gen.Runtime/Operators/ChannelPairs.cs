using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>Products of the tokens of a chunk under one decay per key channel: P_ij = sum_d x_id k_jd e^(b_id - b_jd), i > j.</summary>
/// <remarks>
/// P is a matrix product only after e^(b_i - b_j) is split at a reference between j and i, else one factor overflows.
/// So the triangle is cut into squares: at every size s = 4, 8, 16, ..., C/2, rows of a right half meet keys of the left
/// half before it, and the reference is the first row of the right half. What remains are triangles of four tokens,
/// taken pair by pair. Every exponent is its own sum of log decays (a product with a 0/1 matrix), never a difference of
/// running sums, so that nothing is lost behind a strong decay. The chunk is rounded up to a power of two.
/// </remarks>
internal sealed class ChannelPairs
{
    private const long Triangle = 4;

    private readonly long C;

    /// <param name="a">The log decays of all chunks, <c>[M, C, K]</c>, at least <see cref="ChunkDecay.Floor"/>.</param>
    /// <param name="factors">What an earlier one computed of them; null to compute it.</param>
    public ChannelPairs(Tensor a, Tensor? factors = null)
    {
        C = a.shape[1];
        LogDecays = a;
        Factors = factors ?? Sums(C, a).expand(a.shape[0], -1, -1).bmm(a).exp_();
    }

    /// <summary>The log decays <c>[M, C, K]</c>.</summary>
    public Tensor LogDecays { get; }

    /// <summary>All factors <c>[M, (2 + levels) C, K]</c>.</summary>
    public Tensor Factors { get; }

    /// <summary>e^(b_i), <c>[M, C, K]</c>.</summary>
    public Tensor FromStart => Factors.narrow(1, 0, C);

    /// <summary>e^(b_C - b_i), <c>[M, C, K]</c>.</summary>
    public Tensor ToEnd => Factors.narrow(1, C, C);

    /// <summary>How a sequence lies in chunks whose length is a power of two.</summary>
    public static ChunkLayout Layout(Tensor x, ChunkedOptions options)
    {
        ChunkLayout layout = ChunkLayout.Of(x, options.Chunk);
        return layout with { C = (long)System.Numerics.BitOperations.RoundUpToPowerOf2((ulong)layout.C) };
    }

    /// <summary>The log decays <c>[M, C, K]</c> of all chunks.</summary>
    public static Tensor Split(ChunkLayout layout, Tensor logDecay) => layout.SplitMatrices(logDecay).clamp(min: ChunkDecay.Floor);

    /// <summary>P, <c>[M, C, C]</c>, zero on the diagonal and above it; of several x with several k every pair's, <c>[M, X, Y, C, C]</c>.</summary>
    /// <param name="rows">x, <c>[M, C, K]</c>, contiguous; several are <c>[M, C, X, K]</c>, for which each token's are weighed with one decay.</param>
    /// <param name="keys">k, likewise.</param>
    public Tensor Products(Tensor rows, Tensor keys)
    {
        Tensor x = Several(rows), y = Several(keys);
        (long M, long X, long Y) = (x.shape[0], x.shape[2], y.shape[2]);
        Tensor P = zeros([M, X, Y, C, C], dtype: x.dtype, device: x.device);
        foreach ((long s, Tensor rightFactor, Tensor leftFactor) in Sizes())
        {
            using Tensor right = Scaled(Half(x, s, 1), rightFactor), left = Scaled(Half(y, s, 0), leftFactor);
            Squares(P, s).copy_(right.bmm(left.transpose(1, 2)).view(M, C / (2 * s), s, X, s, Y).permute(0, 3, 5, 1, 2, 4));
        }

        foreach ((long i, long j, Tensor decay) in Corners())
        {
            using Tensor weighed = Token(x, i) * decay.unsqueeze(2);
            using Tensor products = weighed.unsqueeze(3) * Token(y, j).unsqueeze(2);
            Corner(P, i, j).copy_(products.sum(4).permute(0, 2, 3, 1));
        }

        return rows.dim() == 3 ? P.view(M, C, C) : P;
    }

    /// <summary>The same with the diagonal, x_i . k_i, where nothing is between a token and itself.</summary>
    public Tensor ProductsToItself(Tensor rows, Tensor keys)
    {
        Tensor P = Products(rows, keys), x = Several(rows), y = Several(keys);
        using Tensor products = x.unsqueeze(3) * y.unsqueeze(2);
        P.view(x.shape[0], x.shape[2], y.shape[2], C, C).diagonal(0, 3, 4).copy_(products.sum(4).permute(0, 2, 3, 1));
        return P;
    }

    /// <summary>Adds what the gradient of P says about rows and keys.</summary>
    /// <param name="dP">The gradient of P, of its shape, contiguous; only what is below the diagonals is read.</param>
    /// <param name="rows">x.</param>
    /// <param name="keys">k.</param>
    /// <param name="dRows">Gets sum_j dP_ij k_j e^(b_i - b_j).</param>
    /// <param name="dKeys">Gets sum_i dP_ij x_i e^(b_i - b_j).</param>
    public void AddGradients(Tensor dP, Tensor rows, Tensor keys, Tensor dRows, Tensor dKeys)
    {
        Tensor x = Several(rows), y = Several(keys), dX = Several(dRows), dY = Several(dKeys);
        (long M, long X, long Y) = (x.shape[0], x.shape[2], y.shape[2]);
        Tensor each = dP.view(M, X, Y, C, C);
        foreach ((long s, Tensor rightFactor, Tensor leftFactor) in Sizes())
        {
            using Tensor right = Scaled(Half(x, s, 1), rightFactor), left = Scaled(Half(y, s, 0), leftFactor);
            using Tensor square = Squares(each, s).permute(0, 3, 4, 1, 5, 2).reshape(M * C / (2 * s), s * X, s * Y);
            Tensor dRight = Half(dX, s, 1), dLeft = Half(dY, s, 0);
            dRight.addcmul_(square.bmm(left).view(dRight.shape), rightFactor.unsqueeze(3), 1);
            dLeft.addcmul_(square.transpose(1, 2).bmm(right).view(dLeft.shape), leftFactor.unsqueeze(3), 1);
        }

        foreach ((long i, long j, Tensor decay) in Corners())
        {
            Tensor corner = Corner(each, i, j);
            for (long n = 0; n < X; n++)
            {
                for (long m = 0; m < Y; m++)
                {
                    using Tensor weight = decay * corner.select(1, n).select(1, m).unsqueeze(2);
                    Token(dX, i).select(2, n).addcmul_(weight, Token(y, j).select(2, m), 1);
                    Token(dY, j).select(2, m).addcmul_(weight, Token(x, i).select(2, n), 1);
                }
            }
        }
    }

    /// <summary>Adds what the diagonal of dP says about rows and keys.</summary>
    public static void AddDiagonal(Tensor dP, Tensor rows, Tensor keys, Tensor dRows, Tensor dKeys)
    {
        Tensor x = Several(rows), y = Several(keys), dX = Several(dRows), dY = Several(dKeys);
        (long M, long C, long X, long Y) = (x.shape[0], x.shape[1], x.shape[2], y.shape[2]);
        Tensor diagonal = dP.view(M, X, Y, C, C).diagonal(0, 3, 4).unsqueeze(4);
        for (long n = 0; n < X; n++)
        {
            for (long m = 0; m < Y; m++)
            {
                Tensor own = diagonal.select(1, n).select(1, m);
                dX.select(2, n).addcmul_(own, y.select(2, m), 1);
                dY.select(2, m).addcmul_(own, x.select(2, n), 1);
            }
        }
    }

    /// <summary>Gradient of the log decays from that of their running sums b.</summary>
    /// <param name="dRunning">The gradient of b as far as it is one of products inside a chunk, <c>[M, C, K]</c>; changed.</param>
    /// <param name="states">States that enter the chunks, <c>[M, K, V]</c>.</param>
    /// <param name="dStates">Gradients of those that leave them.</param>
    /// <param name="final">The last state, <c>[R, K, V]</c>.</param>
    /// <param name="logDecay">As the operator was given it, <c>[B, T, H, K]</c>.</param>
    /// <param name="layout">Its chunks.</param>
    public Tensor DecayGradient(Tensor dRunning, Tensor states, Tensor dStates, Tensor final, Tensor logDecay, ChunkLayout layout)
    {
        (long M, long R) = (layout.M, layout.R);
        // The last running sum of a chunk scales the whole state that leaves it.
        Tensor last = dRunning.select(1, C - 1);
        if (M > R) last.narrow(0, 0, M - R).add_((states.narrow(0, R, M - R) * dStates.narrow(0, 0, M - R)).sum(2));
        last.narrow(0, M - R, R).add_((final * dStates.narrow(0, M - R, R)).sum(2));
        Tensor reverse = ones([C, C], dtype: dRunning.dtype, device: dRunning.device).triu_();
        return layout.Merge(reverse.unsqueeze(0).expand(M, C, C).bmm(dRunning)).masked_fill(logDecay.lt(ChunkDecay.Floor), 0);
    }

    /// <summary>Each size s of square with the factors of right halves, from the reference, and of left halves, to it: <c>[M, C / 2s, s, K]</c>.</summary>
    private IEnumerable<(long Size, Tensor Right, Tensor Left)> Sizes()
    {
        for (long s = Triangle, level = 2; s < C; s *= 2, level++)
        {
            Tensor factor = Factors.narrow(1, level * C, C);
            yield return (s, Half(factor, s, 1), Half(factor, s, 0));
        }
    }

    /// <summary>The decay from token j to token i of every triangle, i > j.</summary>
    private IEnumerable<(long I, long J, Tensor Decay)> Corners()
    {
        for (long i = 1; i < Math.Min(Triangle, C); i++)
        {
            Tensor sum = Token(LogDecays, i).clone();
            for (long j = i - 1; j >= 0; j--)
            {
                yield return (i, j, sum.exp());
                if (j > 0) sum.add_(Token(LogDecays, j));
            }
        }
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

    /// <summary>Several for each token, <c>[M, C, X, K]</c>; one is a view.</summary>
    private static Tensor Several(Tensor x) => x.dim() == 4 ? x : x.unsqueeze(2);

    /// <summary>Left (0) or right (1) halves of all runs of 2s tokens, as a view <c>[M, C / 2s, s, X, K]</c> or of factors <c>[M, C / 2s, s, K]</c>.</summary>
    private static Tensor Half(Tensor x, long s, long side) => x.view([x.shape[0], -1, 2, s, .. x.shape[2..]]).select(2, side);

    /// <summary>Rows of halves, scaled, as matrices <c>[M C / 2s, s X, K]</c>.</summary>
    private static Tensor Scaled(Tensor half, Tensor factor) => (half * factor.unsqueeze(3)).flatten(2, 3).flatten(0, 1);

    /// <summary>The squares below the diagonals where right halves meet left halves, as a view <c>[M, X, Y, C / 2s, s, s]</c>.</summary>
    private static Tensor Squares(Tensor p, long s)
    {
        long[] size = p.shape;
        long C = size[4];
        return p.as_strided([.. size[..3], C / (2 * s), s, s], [size[1] * size[2] * C * C, size[2] * C * C, C * C, 2 * s * (C + 1), C, 1], s * C);
    }

    /// <summary>Token i of every triangle, <c>[M, C / 4, X, K]</c>, or of decays <c>[M, C / 4, K]</c>.</summary>
    private static Tensor Token(Tensor x, long i)
    {
        long side = Math.Min(Triangle, x.shape[1]);
        return x.view([x.shape[0], x.shape[1] / side, side, .. x.shape[2..]]).select(2, i);
    }

    /// <summary>Entry (i, j) of every triangle, <c>[M, X, Y, C / 4]</c>.</summary>
    private static Tensor Corner(Tensor p, long i, long j)
    {
        long[] size = p.shape;
        long C = size[4], side = Math.Min(Triangle, C);
        return p.as_strided([.. size[..3], C / side], [size[1] * size[2] * C * C, size[2] * C * C, C * C, side * (C + 1)], (i * C) + j);
    }
}
