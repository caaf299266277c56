using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>(I + A)^-1 of many small strictly lower triangular matrices A.</summary>
/// <remarks>
/// Blocks of 16 on the diagonal are inverted by forward substitution, all blocks of all matrices at once with the batch
/// as the innermost axis; then neighbours are merged, T21 = -T22 A21 T11, doubling the block each time.
/// </remarks>
internal static class TriangularInverse
{
    private const long Block = 16;

    /// <param name="a">Contiguous <c>[M, C, C]</c>; what stands on the diagonal does not count, above it must be zeros.</param>
    public static Tensor Of(Tensor a)
    {
        long M = a.shape[0], C = a.shape[1];
        long padded = C <= Block ? C : (C + Block - 1) / Block * Block;
        if (padded != C)
        {
            Tensor wide = zeros([M, padded, padded], dtype: a.dtype, device: a.device);
            wide.narrow(1, 0, C).narrow(2, 0, C).copy_(a);
            return Of(wide).narrow(1, 0, C).narrow(2, 0, C).contiguous();
        }

        long block = Math.Min(Block, C), blocks = C / block;
        long[] diagonal = [block, block, M, blocks], strides = [C, 1, C * C, block * (C + 1)];
        Tensor x = Substitute(a.as_strided(diagonal, strides).contiguous().view(block, block, M * blocks).neg_());
        Tensor inverse = zeros([M, C, C], dtype: a.dtype, device: a.device);
        inverse.as_strided(diagonal, strides).copy_(x.view(block, block, M, blocks));
        inverse.as_strided([M, C], [C * C, C + 1]).fill_(1);

        for (long size = block; size < C; size *= 2)
        {
            for (long start = 0; start + size < C; start += 2 * size)
            {
                long middle = start + size, rest = Math.Min(size, C - middle);
                Tensor Part(Tensor x, long row, long rows, long column) => x.narrow(1, row, rows).narrow(2, column, column == start ? size : rest);
                Tensor lower = Part(inverse, middle, rest, middle).bmm(Part(a, middle, rest, start)).bmm(Part(inverse, start, size, start));
                Part(inverse, middle, rest, start).copy_(lower.neg_());
            }
        }

        return inverse;
    }

    // x is -A, row by row turned into the strict lower triangle of the inverse: T_i = -A_i - sum_l A_il T_l.
    private static Tensor Substitute(Tensor x)
    {
        x.diagonal(0, 0, 1).zero_();
        for (long i = 2; i < x.shape[0]; i++)
        {
            using Tensor factors = x.select(0, i).narrow(0, 1, i - 1).unsqueeze(1);
            using Tensor products = factors * x.narrow(0, 1, i - 1).narrow(1, 0, i - 1);
            using Tensor sum = products.sum(dim: 0);
            x.select(0, i).narrow(0, 0, i - 1).add_(sum);
        }

        return x;
    }
}

/// <summary>(I + A)^-1 of strictly lower triangular matrices, differentiable: dA = -T^T dT T^T.</summary>
internal sealed class UnitLowerInverse : OperatorFunction<UnitLowerInverse, object>
{
    private static readonly object None = new();

    /// <param name="a"><c>[M, C, C]</c>, zero on and above the diagonal.</param>
    public static Tensor Of(Tensor a) => Run(None, a)[0];

    protected override List<Tensor> Forward(Tensor[] inputs, object options, List<Tensor>? saved)
    {
        Tensor inverse = TriangularInverse.Of(inputs[0].contiguous());
        saved?.Add(inverse);
        return [inverse];
    }

    protected override List<Tensor> Backward(Tensor?[] gradients, List<Tensor> saved, object options)
    {
        Tensor transposed = saved[0].transpose(1, 2);
        return [transposed.bmm(gradients[0]!).bmm(transposed).neg_()];
    }
}
