using Xunit;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Memory.Gen.Runtime.Tests.Torch.Lite;

/// <summary>Initial values that TorchSharp 0.107 draws otherwise: orthogonal ones in float32, truncated ones without a bound.</summary>
public sealed class InitTests
{
    [Theory]
    [InlineData(3, 5)]
    [InlineData(5, 3)]
    public void Orthogonal_rows_or_columns_have_the_gain_as_length(long rows, long columns)
    {
        using var scope = NewDisposeScope();
        Tensor x = init.orthogonal_(empty(rows, columns, dtype: float64), 2);
        Tensor product = rows < columns ? x.matmul(x.t()) : x.t().matmul(x);
        Numbers.AssertClose(Numbers.Values(eye(3, dtype: float64) * 4), Numbers.Values(product));
    }

    [Fact]
    public void A_standard_normal_cut_at_two_deviations_has_its_variance()
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        double[] values = Numbers.Values(init.trunc_normal_(empty(300, 200, dtype: float64)));
        double deviation = Math.Sqrt(1 - 4 * Math.Exp(-2) / Math.Sqrt(2 * Math.PI) / 0.954499736103642);
        Assert.InRange(Math.Sqrt(values.Average(v => v * v)), deviation * 0.99, deviation * 1.01);
        Assert.True(values.Max(Math.Abs) <= 2);
    }
}
