using Memory.Gen.Runtime.Operators;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>AdamW and the norm of gradients in the kernel library against torch's in float64.</summary>
public sealed class OptimizerKernelTests
{
    private static readonly long[][] Shapes = [[3, 5], [1], [64, 33], [17], [], [0, 4]];

    [Fact]
    public void The_norm_is_that_of_all_elements()
    {
        using var scope = NewDisposeScope();
        var random = new Randoms(80);
        Tensor[] exact = [.. Shapes.Select(shape => random.Normal(shape))];
        Tensor[] single = [.. exact.Select(x => x.to(ScalarType.Float32)), random.Normal(4, 6).to(ScalarType.Float32).t()];
        double expected = Math.Sqrt(single.Sum(x => x.to(ScalarType.Float64).square().sum().item<double>()));
        Assert.Equal(expected, Math.Sqrt(OptimizerKernels.SquaredNorm(single).item<double>()), 1e-12 * expected);
        single[2].fill_(double.PositiveInfinity);
        Assert.False(double.IsFinite(OptimizerKernels.SquaredNorm(single).item<double>()));
    }

    [Theory]
    [InlineData(double.PositiveInfinity)]
    [InlineData(2.0)]
    public void Steps_equal_those_of_the_optimizer(double limit)
    {
        using var scope = NewDisposeScope();
        var random = new Randoms(81);
        Tensor[] start = [.. Shapes.Select(shape => random.Normal(shape))];
        Parameter[] exact = [.. start.Select(x => new Parameter(x.clone()))];
        using AdamW optimizer = optim.AdamW(exact, 1e-2, 0.9, 0.95, 1e-8, 0.1);
        Tensor[] values = [.. start.Select(x => x.to(ScalarType.Float32))], first = [.. values.Select(x => zeros_like(x))], second = [.. values.Select(x => zeros_like(x))];

        for (int step = 1; step <= 5; step++)
        {
            // The longest and the shortest of them are on both sides of the limit.
            Tensor[] gradients = [.. start.Select(x => random.Normal(x.shape) * (step % 2 == 0 ? 0.01 : 1))], single = [.. gradients.Select(x => x.to(ScalarType.Float32))];
            double scale = Math.Min(1, limit / Math.Sqrt(gradients.Sum(x => x.square().sum().item<double>())));
            for (int i = 0; i < exact.Length; i++) exact[i].grad = gradients[i] * scale;
            optimizer.step();
            OptimizerKernels.AdamW(
                [.. values.Select((value, i) => new AdamWTensor(value, single[i], first[i], second[i], 0.1))],
                new AdamWNumbers(1e-2, 0.9, 0.95, 1e-8, step), double.IsFinite(limit) ? new GradientClip(OptimizerKernels.SquaredNorm(single), limit) : null);
        }

        foreach ((Parameter e, Tensor a) in exact.Zip(values)) Numbers.Close(e, a, 1e-6, "parameter");
    }

    [Fact]
    public void Nothing_is_stepped_where_the_norm_is_no_number()
    {
        using var scope = NewDisposeScope();
        Tensor x = ones(4), mean = ones(4), square = ones(4), gradient = tensor(new[] { 1f, float.NaN, 1, 1 });
        OptimizerKernels.AdamW([new(x, gradient, mean, square, 0.1)], new AdamWNumbers(1e-2, 0.9, 0.95, 1e-8, 1), new GradientClip(OptimizerKernels.SquaredNorm([gradient]), 1));
        Assert.All([x, mean, square], each => Assert.Equal(0, Numbers.Error(each, ones(4))));
    }

    [Fact]
    public void Tensors_that_do_not_fit_together_are_refused()
    {
        using var scope = NewDisposeScope();
        Tensor x = zeros(4), wide = zeros([4], dtype: ScalarType.Float64);
        var numbers = new AdamWNumbers(1e-2, 0.9, 0.95, 1e-8, 1);
        Assert.Contains("Float64", Assert.Throws<ArgumentException>(() => OptimizerKernels.AdamW([new(x, wide, x, x, 0)], numbers)).Message);
        Assert.Contains("3 elements", Assert.Throws<ArgumentException>(() => OptimizerKernels.AdamW([new(x, x, zeros(3), x, 0)], numbers)).Message);
        Assert.Contains("Float64", Assert.Throws<ArgumentException>(() => OptimizerKernels.SquaredNorm([x, wide])).Message);
        Assert.Contains("4 elements", Assert.Throws<ArgumentException>(() => OptimizerKernels.AdamW([new(x, x, x, x, 0)], numbers, new GradientClip(x, 1))).Message);
        Assert.True(OptimizerKernels.Serve([x]));
        Assert.False(OptimizerKernels.Serve([x, wide]));
    }
}
