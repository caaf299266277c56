using System.Runtime.InteropServices;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Torch;

/// <summary>Results worked out by hand: what the binding can get wrong is the order of arguments, axes, defaults and overloads.</summary>
public sealed class OperationTests
{
    private static void AssertValues(double[] expected, Tensor actual, double tolerance = 1e-12) => Numbers.AssertClose(expected, Numbers.Values(actual), tolerance);

    [Fact]
    public void Operators_take_numbers_on_either_side()
    {
        using var scope = NewDisposeScope();
        Tensor x = Numbers.Tensor([1, 2, 4]);
        AssertValues([3, 4, 6], x + 2);
        AssertValues([1, 0, -2], 2 - x);
        AssertValues([-1, 0, 2], x - 2L);
        AssertValues([3, 6, 12], 3f * x);
        AssertValues([4, 2, 1], 4.0 / x);
        AssertValues([0.5, 1, 2], x / 2);
        AssertValues([1, 0, 0], x % 2);
        AssertValues([-1, -2, -4], -x);
        AssertValues([0, 1, 1], x >= 2);
        AssertValues([1, 0, 0], 2 > x);
        AssertValues([0, 1, 0], (x == 2) & (x != 4));
        AssertValues([1, 0, 1], ~(x == 2));
        AssertValues([2, 4, 8], x + x);
        Assert.Equal(ScalarType.Float64, (x * 2f).dtype);
    }

    [Fact]
    public void Arithmetic_by_name_keeps_scales_and_rounding()
    {
        using var scope = NewDisposeScope();
        Tensor x = Numbers.Tensor([7, -7]), y = Numbers.Tensor([2, 2]);
        AssertValues([13, -1], x.add(y, 3));
        AssertValues([5, -9], x.sub(y));
        AssertValues([3, -4], x.div(y, RoundingMode.floor));
        AssertValues([3, -3], x.div(y, RoundingMode.trunc));
        AssertValues([3.5, -3.5], x.div(2));
        AssertValues([1, 1], x.remainder(2));
        AssertValues([1, -1], x.fmod(2));
        AssertValues([49, 49], x.pow(2));
        AssertValues([11, -3], x.addcmul(y, y, 1));
        AssertValues([9, -5], x.addcdiv(y, y, 2));
        AssertValues([2, -2], x.clamp(-2, 2));
        AssertValues([7, 0], x.clamp_min(0));
        AssertValues([7, -7], where(y == 2, x, y));
        AssertValues([7, 2], x.where(x > 0, y));
        AssertValues([7, 2], x.maximum(y));
        AssertValues([4.5, -2.5], x.lerp(y, full(1, 0.5, dtype: float64)));
    }

    [Fact]
    public void In_place_calls_change_and_return_the_tensor()
    {
        using var scope = NewDisposeScope();
        Tensor x = Numbers.Tensor([1, 4]);
        Assert.Same(x, x.add_(1));
        Assert.Same(x, x.mul_(x.clone()));
        Assert.Same(x, x.sqrt_());
        AssertValues([2, 5], x);
        Assert.Same(x, x.fill_(3));
        Assert.Same(x, x.acosh_());
        AssertValues([Math.Acosh(3), Math.Acosh(3)], x);
        Assert.Same(x, x.copy_(ones(2)));
        x.zero_();
        AssertValues([0, 0], x);
    }

    [Fact]
    public void Reductions_take_axes()
    {
        using var scope = NewDisposeScope();
        Tensor x = Numbers.Tensor([1, 2, 3, 4, 5, 9], 2, 3);
        AssertValues([24], x.sum());
        AssertValues([5, 7, 12], x.sum(dim: 0));
        Assert.Equal([2, 1], x.sum(1, keepdim: true).shape);
        AssertValues([24], x.sum(new long[] { 0, 1 }));
        AssertValues([2, 6], x.mean(new long[] { -1 }));
        AssertValues([1, 7], x.var(1));
        AssertValues([2.0 / 3, 14.0 / 3], x.var(1, unbiased: false));
        AssertValues([1, Math.Sqrt(7)], x.std(1));
        AssertValues([Math.Sqrt(1 + 4 + 9 + 16 + 25 + 81)], x.norm());
        AssertValues([6, 18], x.norm(1, p: 1));
        AssertValues([3, 9], x.amax([1]));
        AssertValues([1, 2, 3], x.amin([0], keepdim: true));
        (Tensor values, Tensor indexes) = x.max(1);
        AssertValues([3, 9], values);
        AssertValues([2, 2], indexes);
        AssertValues([5], x.argmax());
        AssertValues([0, 0], x.argmin(1));
        AssertValues([1, 3, 6, 4, 9, 18], x.cumsum(1));
        AssertValues([6, 180], x.prod(1));
        AssertValues([Math.Log(Math.E + Math.E)], ones(2, dtype: float64).logsumexp(0));
        AssertValues([1, 0], (x > 3).all(1).logical_not());
        Assert.Equal(ScalarType.Int64, ones(3, dtype: int32).sum().dtype);
        Assert.Equal(ScalarType.Float64, ones(3).sum(ScalarType.Float64).dtype);
    }

    [Fact]
    public void Sorting_returns_values_and_places()
    {
        using var scope = NewDisposeScope();
        Tensor x = Numbers.Tensor([3, 1, 2]);
        (Tensor sorted, Tensor places) = x.sort(descending: true);
        AssertValues([3, 2, 1], sorted);
        AssertValues([0, 2, 1], places);
        (Tensor top, Tensor at) = x.topk(2, largest: false);
        AssertValues([1, 2], top);
        AssertValues([1, 2], at);
        AssertValues([1, 2, 0], x.argsort());
        (Tensor unique, Tensor? inverse, Tensor? counts) = tensor(new long[] { 5, 3, 5 }).unique(return_inverse: true);
        AssertValues([3, 5], unique);
        AssertValues([1, 0, 1], inverse!);
        Assert.Null(counts);
    }

    [Fact]
    public void Products_agree_with_each_other()
    {
        using var scope = NewDisposeScope();
        Tensor a = Numbers.Tensor([1, 2, 3, 4], 2, 2), b = Numbers.Tensor([5, 6, 7, 8], 2, 2), c = ones(2, 2, dtype: float64);
        double[] product = [19, 22, 43, 50];
        AssertValues(product, a.matmul(b));
        AssertValues(product, a.mm(b));
        AssertValues(product, einsum("ik,kj->ij", a, b));
        AssertValues(product, a.unsqueeze(0).bmm(b.unsqueeze(0)));
        AssertValues([.. product.Select(each => 2 + 3 * each)], c.addmm(a, b, beta: 2, alpha: 3));
        AssertValues(product, baddbmm(a.unsqueeze(0), b.unsqueeze(0), zeros(1, 2, 2, dtype: float64)));
        AssertValues(product, tensordot(a, b, [1], [0]));
        AssertValues([3, 4, 6, 8], Numbers.Tensor([1, 2]).outer(Numbers.Tensor([3, 4])));
        AssertValues([11], Numbers.Tensor([1, 2]).dot(Numbers.Tensor([3, 4])));
        AssertValues([1, 3, 2, 4], a.t().contiguous());
        AssertValues([-2, 1, 1.5, -0.5], linalg.inv(a));
        AssertValues([Math.Sqrt(30)], linalg.norm(a));
        AssertValues([-2], linalg.det(a));
        Tensor lower = Numbers.Tensor([2, 0, 1, 4], 2, 2);
        AssertValues([0.5, 0, -0.125, 0.25], linalg.solve_triangular(lower, eye(2, dtype: float64), upper: false));
        AssertValues([1, 0.5], linalg.solve(lower, Numbers.Tensor([2, 3])));
    }

    [Fact]
    public void Views_share_memory_and_shape_as_asked()
    {
        using var scope = NewDisposeScope();
        Tensor x = arange(24);
        Assert.Equal([2, 3, 4], x.view(2, -1, 4).shape);
        Tensor cube = x.view(2, 3, 4);
        Assert.Equal([4, 2, 3], cube.permute(2, 0, 1).shape);
        Assert.Equal([4, 3, 2], cube.transpose(0, 2).shape);
        Assert.Equal([3, 4, 2], cube.movedim([0], [-1]).shape);
        Assert.Equal([6, 4], cube.flatten(0, 1).shape);
        Assert.Equal([2, 3, 2, 2], cube.unflatten(2, 2, 2).shape);
        Assert.Equal([2, 1, 3, 4], cube.unsqueeze(1).shape);
        Assert.Equal([2, 3, 4], cube.unsqueeze(1).squeeze(1).shape);
        Assert.Equal([5, 24], x.expand(5, -1).shape);
        Assert.Equal([48], x.repeat(2).shape);
        Assert.Equal([0, 0, 1, 1], arange(2).repeat_interleave(2).data<long>().ToArray());
        Assert.Equal([2, 3, 4], x.narrow(0, 2, 3).data<long>().ToArray());
        Assert.Equal([1, 4, 7], x.slice(0, 1, 8, 3).data<long>().ToArray());
        Assert.Equal([[0L, 1], [1, 2]], arange(3).unfold(0, 2, 1).unbind().Select(each => each.data<long>().ToArray()));
        Assert.Equal([2, 0, 1], arange(3).roll(1).data<long>().ToArray());
        Assert.Equal([2, 1, 0], arange(3).flip(0).data<long>().ToArray());
        Assert.Equal([1, 0, 4, 5], arange(1, 10).reshape(3, 3)[..2, ..2].tril().flatten().data<long>().ToArray());
        cube[0, 0, 0] = 99;
        Assert.Equal(99, x[0].item<long>());
    }

    [Fact]
    public void Joining_and_splitting_are_inverse()
    {
        using var scope = NewDisposeScope();
        Tensor a = arange(3), b = arange(3, 5);
        Assert.Equal([0, 1, 2, 3, 4], cat([a, b]).data<long>().ToArray());
        Assert.Equal([2, 3], stack([a, a]).shape);
        Assert.Equal([3, 2], stack(new[] { a, a }, dim: -1).shape);
        Assert.Equal([2, 2, 1], arange(5).split(2).Select(each => each.numel()));
        Assert.Equal([1, 4], arange(5).split([1, 4]).Select(each => each.numel()));
        Assert.Equal([3, 2], arange(5).chunk(2).Select(each => each.numel()));
        Assert.Equal([2, 3], meshgrid([arange(2), a])[0].shape);
        Assert.Equal(100, cat(Enumerable.Range(0, 100).Select(each => (Tensor)tensor(new[] { (long)each })).ToArray()).numel());
    }

    [Fact]
    public void Errors_begin_with_libtorchs_words()
    {
        using var scope = NewDisposeScope();
        Tensor a = ones(2, 3);
        Assert.StartsWith("mat1 and mat2 shapes cannot be multiplied (2x3 and 2x3)", Assert.Throws<ExternalException>(() => a.mm(a)).Message);
        Assert.StartsWith("The size of tensor a (3) must match the size of tensor b (2) at non-singleton dimension 1",
            Assert.Throws<ExternalException>(() => a + ones(2, 2)).Message);
        Assert.Throws<ExternalException>(() => a.cosh().view(7));
    }

    [Fact]
    public void Modes_are_put_back()
    {
        using var scope = NewDisposeScope();
        Assert.True(is_grad_enabled());
        using (no_grad())
        {
            Assert.False(is_grad_enabled());
            using (enable_grad())
                Assert.True(is_grad_enabled());
            Assert.False(is_grad_enabled());
        }
        Assert.True(is_grad_enabled());
        using (inference_mode())
            Assert.True(is_inference_mode_enabled());
        Assert.False(is_inference_mode_enabled());
    }

    [Fact]
    public void Gradients_reach_leaves_and_can_be_asked_for()
    {
        using var scope = NewDisposeScope();
        Tensor x = Numbers.Tensor([1, 2, 3]).requires_grad_(), y = Numbers.Tensor([1]).requires_grad_();
        (x * x).sum().backward();
        AssertValues([2, 4, 6], x.grad!);
        Assert.Null(y.grad);
        IList<Tensor> both = autograd.grad([(x * x).sum()], [x, y], allow_unused: true);
        AssertValues([2, 4, 6], both[0]);
        Assert.True(both[1].IsInvalid);
        Tensor first = autograd.grad([(x * x * x).sum()], [x], retain_graph: true, create_graph: true)[0];
        AssertValues([6, 12, 18], autograd.grad([first.sum()], [x])[0]);
        x.grad = null;
        (x * 2).backward([Numbers.Tensor([1, 10, 100])]);
        AssertValues([2, 20, 200], x.grad!);
        Assert.False(x.detach().requires_grad);
    }
}
