using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Torch.Lite;

/// <summary>Places that TorchSharp 0.107 misreads, or ends the process at.</summary>
public sealed class IndexingTests
{
    [Fact]
    public void A_slice_may_begin_at_the_end()
    {
        using var scope = NewDisposeScope();
        Assert.Equal([0], arange(4)[TensorIndex.Slice(^0..)].shape);
    }

    [Fact]
    public void Index_put_adds_up_along_an_axis()
    {
        using var scope = NewDisposeScope();
        Tensor wide = zeros(2, 3, dtype: float64), twice = tensor(new long[] { 1, 1, 2 });
        wide.index_put_(ones(2, 3, dtype: float64), new[] { TensorIndex.Colon, TensorIndex.Tensor(twice) }, accumulate: true);
        Numbers.AssertClose([0, 2, 1, 0, 2, 1], Numbers.Values(wide));
        Assert.Throws<NotSupportedException>(() => zeros(3).index_put_(ones(3), new TensorIndex[] { 1 }, accumulate: true));
    }
}
