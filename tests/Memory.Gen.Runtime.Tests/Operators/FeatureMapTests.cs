using Memory.Gen.Runtime.Modules;
using Memory.Gen.Runtime.Operators;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>Maps to other features than they are given; those that keep them are among the row operators.</summary>
public sealed class FeatureMapTests
{
    /// <summary>phi(q)^T phi(k) = 1 + s + s^2/2, by as few features as there are pairs.</summary>
    [Theory]
    [InlineData(1, 3)]
    [InlineData(2, 6)]
    [InlineData(5, 21)]
    [InlineData(16, 153)]
    public void Products_of_the_Taylor_map_are_the_second_order_of_the_exponential(long features, long mapped)
    {
        using var scope = NewDisposeScope();
        var r = new Randoms(61);
        Tensor q = r.Normal(2, 3, 4, features).requires_grad_(), k = (3 * r.Normal(2, 3, 4, features)).detach().requires_grad_();
        Tensor s = (q * k).sum(-1) / Math.Sqrt(features), expected = 1 + s + (s * s / 2);
        Tensor phi = FeatureMaps.Taylor(q), actual = (phi * FeatureMaps.Taylor(k)).sum(-1);
        Assert.Equal([2, 3, 4, mapped], phi.shape);
        Numbers.Close(expected, actual, 1e-13, "products");
        Assert.True((actual >= 0.5).all().item<bool>());
        foreach ((Tensor e, Tensor a) in autograd.grad([expected.sin().sum()], [q, k]).Zip(autograd.grad([actual.sin().sum()], [q, k])))
            Numbers.Close(e, a, 1e-12, "gradient");
    }

    [Fact]
    public void Heads_of_Hedgehog_have_matrices_of_their_own()
    {
        using var scope = NewDisposeScope();
        var r = new Randoms(62);
        Tensor x = r.Normal(2, 5, 3, 4), matrices = r.Normal(3, 4, 4), mapped = FeatureMaps.Hedgehog(x, matrices);
        for (int head = 0; head < 3; head++)
        {
            Tensor y = x.select(2, head).matmul(matrices[head].t());
            Numbers.Close(nn.functional.softmax(cat(new[] { 2 * y, -2 * y }, -1), -1), mapped.select(2, head), 1e-14, "head");
        }

        Assert.True((mapped > 0).all().item<bool>());
        using var identities = Initialize.Identity(3, 4, dtype: ScalarType.Float64);
        Numbers.Close(nn.functional.softmax(cat(new[] { 2 * x, -2 * x }, -1), -1), FeatureMaps.Hedgehog(x, identities.view(3, 4, 4)), 1e-14, "fresh");
    }

    [Fact]
    public void What_does_not_fit_says_so()
    {
        using var scope = NewDisposeScope();
        Assert.Contains("matrices has shape [3, 4, 5]", Assert.Throws<ArgumentException>(() => FeatureMaps.Hedgehog(zeros(1, 2, 3, 4), zeros(3, 4, 5))).Message);
        Assert.Throws<ArgumentException>(() => FeatureMaps.Taylor(zeros(2, 0)));
        Assert.Throws<ArgumentException>(() => FeatureMaps.Taylor(zeros([])));
        Assert.Equal([0, 6], FeatureMaps.Taylor(zeros(0, 2)).shape);
    }
}
