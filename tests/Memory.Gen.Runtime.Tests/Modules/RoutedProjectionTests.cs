using Memory.Gen.Runtime.Modules;
using Memory.Gen.Runtime.Operators;
using Memory.Gen.Runtime.Tests.Operators;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Modules;

/// <summary>Linear maps of token copies, each by its own memory's weights, against one product a copy in float64.</summary>
public sealed class RoutedProjectionTests
{
    // Of rows, tokens, memories and copies a token; with one token a row the copies are rows of their own, and five memories get few tokens or none.
    public static TheoryData<int, int, int, int, OperatorForm> Shapes()
    {
        var shapes = new TheoryData<int, int, int, int, OperatorForm>();
        foreach (OperatorForm form in new[] { OperatorForm.Native, OperatorForm.Chunked })
            foreach ((int B, int T, int M, int K) in new[] { (2, 40, 4, 2), (1, 3, 5, 1), (3, 1, 4, 2), (2, 0, 4, 2), (2, 30, 1, 1) })
                shapes.Add(B, T, M, K, form);
        return shapes;
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Equals_a_product_for_every_copy_with_gradients(int B, int T, int M, int K, OperatorForm form)
    {
        using var scope = NewDisposeScope();
        var r = new Randoms(51);
        Routing route = Routing.TopK(r.Normal(B, T, M), K);
        Tensor[] exact = [route.Gather(r.Normal(B, T, 16)), r.Normal(M, 33, 16), r.Normal(M, 1, 16), r.Normal(M, 20, 16)];
        long[] memories = [.. route.Counts.SelectMany((count, m) => Enumerable.Repeat((long)m, (int)count))];
        Tensor owner = tensor(memories, dtype: ScalarType.Int64);

        Tensor[] expected = Differentiate(exact, x => [.. x[1..].Select(w => w.index_select(0, owner).matmul(x[0].flatten(0, 1).unsqueeze(2)).view(x[0].shape[0], x[0].shape[1], w.shape[1]))]);
        Tensor[] single = [.. exact.Select(x => x.to(ScalarType.Float32))];
        Tensor[] actual = Differentiate(single, x => RoutedProjection.Apply(x[0], route, x[1..], form));
        Assert.Equal(new OperatorUse("linear", form), OperatorForms.LastUsed);
        foreach ((Tensor e, Tensor a) in expected.Zip(actual)) Numbers.Close(e, a, 2e-5, "routed projection");

        // The same from rows and weights that do not lie together.
        Tensor[] spread = [.. single.Select(x => cat(new[] { x, x }, -1).narrow(-1, 0, x.shape[^1]))];
        Tensor[] same = Differentiate(spread, x => RoutedProjection.Apply(x[0], route, x[1..], form));
        foreach ((Tensor a, Tensor b) in actual.Zip(same)) Assert.Equal(0, Numbers.Error(b, a));
    }

    [Theory]
    [InlineData(3, 1)]
    [InlineData(2, 7)]
    [InlineData(1, 0)]
    public void Without_gradients_too(int B, int T)
    {
        using var scope = NewDisposeScope();
        var r = new Randoms(55);
        Routing route = Routing.TopK(r.Normal(B, T, 4), 2);
        Tensor rows = route.Gather(r.Normal(B, T, 16)).to(ScalarType.Float32);
        Tensor[] weights = [r.Normal(4, 33, 16).to(ScalarType.Float32), r.Normal(4, 2, 16).to(ScalarType.Float32)];
        Tensor[] expected = RoutedProjection.Apply(rows.to(ScalarType.Float64), route, [.. weights.Select(weight => weight.to(ScalarType.Float64))]);
        using var quiet = no_grad();
        Tensor[] actual = RoutedProjection.Apply(rows, route, weights);
        for (int i = 0; i < 2; i++) Numbers.Close(expected[i], actual[i], 2e-5, "routed projection");
        Assert.All(actual, y => Assert.False(y.requires_grad));
    }

    [Fact]
    public void Only_one_result_has_a_gradient()
    {
        using var scope = NewDisposeScope();
        var r = new Randoms(52);
        Routing route = Routing.TopK(r.Normal(2, 9, 3), 2);
        Tensor rows = route.Gather(r.Normal(2, 9, 16)).to(ScalarType.Float32).requires_grad_(true), a = Weights(), b = Weights();
        foreach (OperatorForm form in new[] { OperatorForm.Native, OperatorForm.Chunked })
        {
            Tensor[] y = RoutedProjection.Apply(rows, route, [a, b], form);
            IList<Tensor> gradients = autograd.grad([y[1].square().sum()], [rows, a, b], allow_unused: true);
            Assert.Equal(0, gradients[1].abs().sum().item<float>());
            Assert.True(gradients[0].abs().sum().item<float>() > 0 && gradients[2].abs().sum().item<float>() > 0);
        }

        Tensor Weights() => r.Normal(3, 8, 16).to(ScalarType.Float32).requires_grad_(true);
    }

    [Fact]
    public void What_is_not_of_the_route_is_named()
    {
        using var scope = NewDisposeScope();
        Routing route = Routing.TopK(new Randoms(54).Normal(1, 5, 3), 2);
        var map = new RoutedLinear(3, 6, 4);
        Assert.Contains("rows has 9 token copies for the weights of 3 memories; expected the 10 copies and 3 memories of route", Problem(zeros(1, 9, 6), map));
        Assert.Contains("for the weights of 2 memories; expected the 10 copies and 3 memories", Problem(zeros(1, 10, 6), new RoutedLinear(2, 6, 4)));
        Assert.Contains("weights[0] has shape [3, 4, 6]; expected [M, J, I]", Problem(zeros(1, 10, 5), map));
        Assert.Contains("there are 0 weights; expected 1 to 8", Problem(zeros(1, 10, 6)));

        string Problem(Tensor rows, params RoutedLinear[] maps) => Assert.Throws<ArgumentException>(() => RoutedProjection.Apply(rows, route, maps)).Message;
    }

    private static Tensor[] Differentiate(Tensor[] inputs, Func<Tensor[], Tensor[]> function) =>
        ProjectionTests.Differentiate(inputs, function, outputs => [.. outputs.Select(y => linspace(-1, 1, y.numel(), dtype: y.dtype).view(y.shape))]);
}
