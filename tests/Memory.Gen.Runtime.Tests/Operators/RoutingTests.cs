using Memory.Gen.Runtime.Operators;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Operators;

public sealed class RoutingTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Generator random = new(3, CPU);

    public void Dispose()
    {
        random.Dispose();
        scope.Dispose();
    }

    [Theory]
    [InlineData(2, 9, 4, 2)]
    [InlineData(3, 17, 5, 1)]
    [InlineData(1, 6, 3, 3)]
    [InlineData(3, 1, 4, 2)]
    [InlineData(2, 0, 4, 2)]
    [InlineData(2, 5, 1, 1)]
    public void CopiesStandByMemoryThenRowThenTime(int B, int T, int M, int K)
    {
        Tensor logits = Normal(B, T, M);
        Routing route = Routing.TopK(logits, K);
        double[] values = Doubles(logits), weights = Doubles(route.Weights);
        long[] chosen = route.Choices.contiguous().view(-1).data<long>().ToArray();
        var expected = new List<double>();
        var segments = new List<long>();
        for (int m = 0; m < M; m++)
            for (int b = 0; b < B; b++)
            {
                segments.Add(0);
                for (int t = 0; t < T; t++)
                {
                    int token = b * T + t;
                    int[] best = [.. Enumerable.Range(0, M).OrderByDescending(i => values[token * M + i]).ThenBy(i => i).Take(K)];
                    Assert.Equal(best.Select(i => (long)i), chosen[(token * K)..((token + 1) * K)]);
                    Assert.Equal(1, weights[(token * K)..((token + 1) * K)].Sum(), 14);
                    if (!best.Contains(m))
                        continue;
                    expected.Add(token);
                    segments[^1]++;
                }
            }

        Tensor tokens = arange(B * T, dtype: ScalarType.Float64).view(B, T, 1);
        Tensor copies = route.Gather(tokens);
        Assert.Equal(T == 1 ? [B * K, 1, 1] : [1L, B * T * K, 1], copies.shape);
        Assert.Equal(expected, Doubles(copies));
        Assert.Equal(B * T * K, route.Counts.Sum());
        Assert.Equal(Enumerable.Range(0, M).Select(m => segments.Skip(m * B).Take(B).Sum()), route.Counts);
        Assert.Equal(T == 1, route.Segments is null);
        // The weights of a token's copies sum to one, so that what is sent comes back.
        Models.Numbers.Near(tokens, route.Mix(copies), 1e-14, "there and back");
    }

    [Fact]
    public void OfEqualLogitsTheFirstWins()
    {
        Tensor logits = zeros([2, 5, 4], dtype: ScalarType.Float64);
        logits.select(2, 3).fill_(1);
        Routing route = Routing.TopK(logits, 3);
        Assert.All(route.Choices.contiguous().view(-1).data<long>().ToArray().Chunk(3), choice => Assert.Equal([3L, 0, 1], choice));
        Assert.Equal([10L, 10, 0, 10], route.Counts);
    }

    [Theory]
    [InlineData(7)]
    [InlineData(1)]
    public void ThereAndBackHasTheGradientsOfPlainIndexing(int T)
    {
        Tensor logits = Normal(2, T, 4).requires_grad_(), x = Normal(2, T, 3, 2).requires_grad_();
        Tensor scale = Normal(2, T, 2, 1, 1), upstream = Normal(2, T, 3, 2);
        Routing route = Routing.TopK(logits, 2);
        Tensor copies = route.Gather(x);
        Tensor mixed = route.Mix(copies * copies.cos() * route.Gather(scale.select(2, 0)));

        Tensor weights = logits.gather(2, route.Choices).softmax(2).view(2, T, 2, 1, 1);
        Tensor plain = (weights * (x * x.cos() * scale.select(2, 0)).unsqueeze(2)).sum(2);

        Models.Numbers.Near(plain, mixed, 1e-14, "output");
        foreach (var (expected, actual) in autograd.grad([plain], [logits, x], [upstream]).Zip(autograd.grad([mixed], [logits, x], [upstream])))
            Models.Numbers.Near(expected, actual, 1e-13, "gradient");
    }

    [Fact]
    public void TheBalanceLossIsKWhenAllMemoriesAreUsedAlike()
    {
        // Every memory is the best of as many tokens as any other, and softmax is symmetric.
        Tensor logits = eye(4, dtype: ScalarType.Float64).mul(1e-3).view(1, 4, 4).expand(2, -1, -1);
        Assert.Equal(1, Routing.TopK(logits, 1).BalanceLoss().item<double>(), 12);
        Tensor pairs = (eye(4, dtype: ScalarType.Float64) + eye(4, dtype: ScalarType.Float64).roll(1, 0)).mul(1e-3).view(1, 4, 4);
        Assert.Equal(2, Routing.TopK(pairs, 2).BalanceLoss().item<double>(), 12);
        Assert.Equal(4, Routing.TopK(Normal(2, 5, 4), 4).BalanceLoss().item<double>(), 12);
        Assert.Equal(0, Routing.TopK(Normal(2, 0, 4), 2).BalanceLoss().item<double>());
    }

    [Fact]
    public void OnlyTheProbabilitiesOfTheBalanceLossHaveAGradient()
    {
        Tensor logits = Normal(2, 6, 4).requires_grad_();
        Routing route = Routing.TopK(logits, 2);
        Tensor shares = tensor(route.Counts).to(ScalarType.Float64) / 12;
        Tensor expected = 4 * (shares * logits.softmax(2).sum([0, 1]) / 12).sum();
        Assert.Equal(expected.item<double>(), route.BalanceLoss().item<double>(), 13);
        Models.Numbers.Near(autograd.grad([expected], [logits])[0], autograd.grad([route.BalanceLoss()], [logits])[0], 1e-14, "gradient");
    }

    [Fact]
    public void PaddingDoesNotCountInTheBalanceLoss()
    {
        Tensor text = Normal(1, 6, 4).requires_grad_(), fill = full([1, 3, 4], double.NaN, dtype: ScalarType.Float64);
        Tensor padding = tensor(new[] { false, false, true, true, false, false, true, false, false }).view(1, 9);
        Tensor padded = cat([text.narrow(1, 0, 2), fill.narrow(1, 0, 2), text.narrow(1, 2, 2), fill.narrow(1, 2, 1), text.narrow(1, 4, 2)], 1);
        Tensor expected = Routing.TopK(text, 2).BalanceLoss(), actual = Routing.TopK(padded, 2).BalanceLoss(padding);
        Assert.Equal(expected.item<double>(), actual.item<double>(), 13);
        Models.Numbers.Near(autograd.grad([expected], [text])[0], autograd.grad([actual], [text])[0], 1e-14, "gradient");
        Assert.Equal(0, Routing.TopK(text.detach(), 2).BalanceLoss(ones([1, 6], dtype: ScalarType.Bool)).item<double>());
    }

    [Fact]
    public void SixteenBitLogitsAreWeighedInFloat32()
    {
        Routing route = Routing.TopK(Normal(2, 5, 4).to(ScalarType.BFloat16), 2);
        Assert.Equal(ScalarType.Float32, route.Weights.dtype);
        Tensor read = route.Gather(Normal(2, 5, 3).to(ScalarType.BFloat16));
        Assert.Equal(ScalarType.BFloat16, route.Mix(read).dtype);
    }

    [Fact]
    public void WhatDoesNotFitIsRefused()
    {
        Assert.Contains("expected 1 to the 4 memories", Assert.Throws<ArgumentOutOfRangeException>(() => Routing.TopK(Normal(2, 3, 4), 5)).Message);
        Assert.Throws<ArgumentOutOfRangeException>(() => Routing.TopK(Normal(2, 3, 4), 0));
        Assert.Throws<ArgumentException>(() => Routing.TopK(Normal(3, 4), 1));
    }

    private Tensor Normal(params long[] shape) => randn(shape, dtype: ScalarType.Float64, generator: random);

    private static double[] Doubles(Tensor tensor) => tensor.detach().contiguous().view(-1).data<double>().ToArray();
}
