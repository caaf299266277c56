using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Torch;

/// <summary>Small tensors may be made of ones that were given back: nobody may see that.</summary>
public sealed class SmallTensorTests
{
    [Fact]
    public void A_new_tensor_is_like_any_other_whatever_was_given_back()
    {
        using var scope = NewDisposeScope();
        rand(new[] { 2L, 3, 4 }, requires_grad: true).Dispose();
        zeros(24, dtype: float64).Dispose();
        ones(4, 6).t().Dispose();
        ones(2, 3, 4).Dispose();
        Tensor next = empty(4, 6);
        Assert.Equal([4L, 6], next.shape);
        Assert.Equal([6L, 1], next.stride());
        Assert.Equal(float32, next.dtype);
        Assert.False(next.requires_grad);
        Assert.True(next.is_leaf);
    }

    [Fact]
    public void A_view_keeps_what_it_sees()
    {
        using var scope = NewDisposeScope();
        Tensor whole = ones(2, 8), view = whole.view(16), part = whole[1];
        whole.Dispose();
        Overwrite(16, 8);
        Assert.Equal(16, view.sum().item<float>());
        Assert.Equal(8, part.sum().item<float>());
    }

    [Fact]
    public void A_graph_keeps_what_its_gradients_need()
    {
        using var scope = NewDisposeScope();
        Tensor x = ones(8).requires_grad_(), y;
        using (NewDisposeScope())
        {
            Tensor twice = x + x;
            y = (twice * twice).sum().MoveToOuterDisposeScope();
        }

        Overwrite(8);
        y.backward();
        Assert.Equal(64, x.grad!.sum().item<float>());
    }

    [Fact]
    public void What_a_thread_gives_back_another_may_have_made()
    {
        Tensor[] made = [.. Enumerable.Range(0, 40).Select(i => full(32, i).DetachFromDisposeScope())];
        var thread = new Thread(() =>
        {
            foreach (Tensor each in made) each.Dispose();
            Overwrite(32);
        });
        thread.Start();
        thread.Join();
        using Tensor next = zeros(32) + ones(32);
        Assert.Equal(32, next.sum().item<float>());
    }

    [Theory]
    [InlineData(1)]
    [InlineData(33)]
    [InlineData(5000)]
    public void Sums_and_gates_of_any_length_are_right(long length)
    {
        using var scope = NewDisposeScope();
        Tensor x = linspace(-100, 100, length), y = linspace(3, 4, length), sum = x + y, gate = x.sigmoid();
        Assert.True(sum.to(float64).allclose(x.to(float64) + y.to(float64), 1e-6));
        Assert.True(gate.to(float64).allclose(x.to(float64).sigmoid(), 1e-6));
        Assert.Equal(sum.data<float>().ToArray(), (x.requires_grad_() + y).detach().data<float>().ToArray());
        Assert.True((x + 1.0).sub(x).allclose(ones(length), 1e-4));
        Assert.Equal([length, length], (x.view(1, length) + y.view(length, 1)).shape);
    }

    // Takes whatever was given back, and more.
    private static void Overwrite(params long[] lengths)
    {
        using var scope = NewDisposeScope();
        foreach (long length in lengths)
            for (int i = 0; i < 40; i++) empty(length).fill_(-7);
    }
}
