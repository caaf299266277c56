using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Torch;

public sealed class IndexingTests
{
    private static readonly TensorIndex All = TensorIndex.Colon;

    // 0..23 as [2, 3, 4]
    private static Tensor Cube() => arange(24).reshape(2, 3, 4);

    private static void AssertEqual(long[] expected, long[] shape, Tensor actual)
    {
        Assert.Equal(shape, actual.shape);
        Assert.Equal(expected, actual.data<long>().ToArray());
    }

    [Fact]
    public void Numbers_select_and_count_from_the_end()
    {
        using var scope = NewDisposeScope();
        Tensor x = Cube();
        Assert.Equal(23, x[1, 2, 3].item<long>());
        Assert.Equal(12, x[-1, 0, 0].item<long>());
        AssertEqual([20, 21, 22, 23], [4], x[1, -1]);
        AssertEqual([3, 7, 11], [3], x[0, All, ^1]);
    }

    [Fact]
    public void Slices_take_ranges_steps_and_pairs()
    {
        using var scope = NewDisposeScope();
        Tensor x = Cube();
        AssertEqual([4, 5, 6, 7, 8, 9, 10, 11], [2, 4], x[0, 1..]);
        AssertEqual([5, 6, 9, 10], [2, 2], x[0, 1.., 1..^1]);
        AssertEqual([0, 2, 4, 6, 8, 10], [3, 2], x[0, All, TensorIndex.Slice(step: 2)]);
        AssertEqual([2, 3], [2], x[0, 0, TensorIndex.Slice(-2)]);
        AssertEqual([1, 2], [2], x[0, 0, (1, 3)]);
    }

    [Fact]
    public void Ellipsis_and_none_shape_the_result()
    {
        using var scope = NewDisposeScope();
        Tensor x = Cube();
        AssertEqual([0, 4, 8, 12, 16, 20], [2, 3], x[TensorIndex.Ellipsis, 0]);
        Assert.Equal([2, 1, 3, 4], x[All, TensorIndex.None].shape);
        Assert.Equal([1, 2, 3, 4], x[TensorIndex.Bool(true)].shape);
    }

    [Fact]
    public void Tensors_gather()
    {
        using var scope = NewDisposeScope();
        Tensor x = Cube();
        AssertEqual([8, 9, 10, 11, 0, 1, 2, 3], [2, 4], x[0][tensor(new long[] { 2, 0 })]);
        AssertEqual([1, 14], [2], x[tensor(new long[] { 0, 1 }), tensor(new long[] { 0, 0 }), tensor(new long[] { 1, 2 })]);
        AssertEqual([22, 23], [2], x[x > 21]);
        AssertEqual([1, 13], [2], x[TensorIndex.Colon, TensorIndex.Tensor(tensor(new long[] { 0 })), 1].flatten());
    }

    [Fact]
    public void Writing_reaches_the_tensor_itself()
    {
        using var scope = NewDisposeScope();
        Tensor x = zeros(2, 3, dtype: int64);
        x[0] = 7;
        x[1, 1..] = tensor(new long[] { 8, 9 });
        x[1, 0] = -1;
        AssertEqual([7, 7, 7, -1, 8, 9], [2, 3], x);
        x[x == 7] = 0;
        AssertEqual([0, 0, 0, -1, 8, 9], [2, 3], x);
    }

    [Fact]
    public void Index_put_adds_up_repeated_places()
    {
        using var scope = NewDisposeScope();
        Tensor x = zeros(3, dtype: float64), twice = tensor(new long[] { 1, 1, 2 }), ones3 = ones(3, dtype: float64);
        x.index_put_(ones3, new[] { twice }, accumulate: true);
        Numbers.AssertClose([0, 2, 1], Numbers.Values(x));
    }

    [Fact]
    public void Gather_and_its_opposites()
    {
        using var scope = NewDisposeScope();
        Tensor x = arange(6).reshape(2, 3), index = tensor(new long[,] { { 2, 0 }, { 1, 1 } });
        AssertEqual([2, 0, 4, 4], [2, 2], x.gather(1, index));
        AssertEqual([0, 2], [2, 1], zeros(2, 3, dtype: int64).scatter_add(1, index, ones(2, 2, dtype: int64))[All, 1..2]);
        AssertEqual([5, 0, 5, 0, 5, 0], [2, 3], zeros(2, 3, dtype: int64).scatter(1, index, full(2, 2, 5, dtype: int64)));
        AssertEqual([3, 4, 5, 0, 1, 2], [2, 3], x.index_select(0, tensor(new long[] { 1, 0 })));
        AssertEqual([0, 11, 2, 3, 14, 5], [2, 3], x.index_add(1, tensor(new long[] { 1 }), full(2, 1, 5, dtype: int64), 2));
        AssertEqual([9, 1, 9, 9, 4, 9], [2, 3], x.index_fill(1, tensor(new long[] { 0, 2 }), 9));
        AssertEqual([0, 1, 2, 3, -1, -1], [2, 3], x.masked_fill(x > 3, -1));
        AssertEqual([2, 3], [2, 1], x.take_along_dim(tensor(new long[,] { { 2 }, { 0 } }), 1));
    }

    [Fact]
    public void A_place_that_does_not_exist_is_an_error_with_libtorchs_words()
    {
        using var scope = NewDisposeScope();
        Tensor x = Cube();
        Assert.Contains("index 5", Assert.Throws<System.Runtime.InteropServices.ExternalException>(() => x[5]).Message);
        Assert.Throws<System.Runtime.InteropServices.ExternalException>(() => x[0, 0, 0, 0]);
    }
}
