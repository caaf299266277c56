using Memory.Gen.Runtime.Operators;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

public sealed class ProductsTests
{
    [Theory]
    [InlineData(2, 3, 5)]
    [InlineData(1, 3, 1)]
    public void A_product_is_added_to_a_sum(long N, long I, long K)
    {
        using var scope = NewDisposeScope();
        var r = new Randoms(5);
        Tensor sum = r.Normal(N, 1, K), a = r.Normal(2, I, 4), b = r.Normal(2, 4, 5);

        Assert.True(Products.Add(sum, a, b).allclose(sum + a.bmm(b)));
        Assert.True(Products.Add(sum, a, b, alpha: -2).allclose(sum - 2 * a.bmm(b)));
    }
}
