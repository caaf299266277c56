using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>P_ti = x_(i+1) ... x_t below the diagonal, 1 on it, 0 above: what a factor per token does between two tokens.</summary>
/// <remarks>Row by row, P_t = x_t P_(t-1), without logarithms or divisions, so that a factor may be zero.</remarks>
internal sealed class ProductMatrix : OperatorFunction<ProductMatrix, object>
{
    private static readonly object None = new();

    /// <param name="x"><c>[M, C]</c>; the first column is not used.</param>
    /// <returns><c>[M, C, C]</c>.</returns>
    public static Tensor Of(Tensor x) => Run(None, x)[0];

    protected override List<Tensor> Forward(Tensor[] inputs, object options, List<Tensor>? saved)
    {
        Tensor x = inputs[0];
        long M = x.shape[0], C = x.shape[1];
        Tensor rows = zeros([C, M, C], dtype: x.dtype, device: x.device);
        Tensor[] row = rows.unbind(), factors = x.t().contiguous().unsqueeze(2).unbind();
        for (int t = 0; t < C; t++)
        {
            if (t > 0) row[t].copy_(row[t - 1] * factors[t]);
            row[t].select(1, t).fill_(1);
        }

        saved?.AddRange([x, rows]);
        return [rows.transpose(0, 1).contiguous()];
    }

    protected override List<Tensor> Backward(Tensor?[] gradients, List<Tensor> saved, object options)
    {
        Tensor x = saved[0];
        long C = x.shape[1];
        Tensor dX = zeros_like(x).t().contiguous(), dRows = gradients[0]!.transpose(0, 1).clone();
        Tensor[] row = saved[1].unbind(), dRow = dRows.unbind(), factors = x.t().contiguous().unsqueeze(2).unbind(), dFactors = dX.unbind();
        for (long t = C - 1; t > 0; t--)
        {
            dRow[t].select(1, t).zero_();
            dFactors[t].copy_((dRow[t] * row[t - 1]).sum(1));
            dRow[t - 1].addcmul_(dRow[t], factors[t], 1);
        }

        return [dX.t().contiguous()];
    }
}
