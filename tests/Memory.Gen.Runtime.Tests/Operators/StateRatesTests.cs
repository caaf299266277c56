using Memory.Gen.Runtime.Operators;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>-e^a in the loop that runs where no gradient is wanted and as tensor operations: the same numbers, to the last bits of float32.</summary>
public sealed class StateRatesTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    // 51 and 8,192 numbers, and 3, which no vector takes.
    [Theory]
    [InlineData(3, 17)]
    [InlineData(512, 16)]
    [InlineData(1, 3)]
    public void Both_ways_equal_the_formula_in_float64(long channels, long states)
    {
        Tensor rate = (5 * new Randoms(101).Normal(channels * states)).to(ScalarType.Float32), expected = -rate.to(ScalarType.Float64).exp();
        Tensor recorded = StateRates.Apply(rate, channels, states);
        using var quiet = no_grad();
        Tensor direct = StateRates.Apply(rate, channels, states);
        foreach (Tensor rates in new[] { recorded, direct })
        {
            Assert.Equal([channels, states], rates.shape);
            Assert.True(((rates.flatten() - expected) / expected).abs().max().item<double>() < 1.5e-7);
        }
    }

    /// <summary>Rates of 0, below the smallest normal number, and beyond the largest.</summary>
    [Theory]
    [InlineData(float.NegativeInfinity)]
    [InlineData(-110f)]
    [InlineData(-100f)]
    [InlineData(-88f)]
    [InlineData(0f)]
    [InlineData(5f)]
    [InlineData(88.5f)]
    [InlineData(89f)]
    [InlineData(float.PositiveInfinity)]
    [InlineData(float.NaN)]
    public void Extreme_logarithms_give_the_nearest_rates(float a)
    {
        // Alone among ordinary numbers in a vector, and in the rest after the last one.
        Tensor rate = ones(19, dtype: ScalarType.Float32);
        rate[5] = a;
        rate[18] = a;
        using var quiet = no_grad();
        float[] direct = StateRates.Apply(rate, 1, 19).data<float>().ToArray();
        float expected = (float)-Math.Exp(a), spacing = float.IsFinite(expected) ? MathF.BitIncrement(-expected) + expected : 0;
        foreach (int i in new[] { 5, 18 })
        {
            if (spacing > 0) Assert.InRange(direct[i], expected - spacing, expected + spacing);
            else Assert.Equal(expected, direct[i]);
        }

        Assert.Equal(-Math.E, direct[4], 1e-6);
        Assert.Equal(-Math.E, direct[6], 1e-6);
    }

    [Fact]
    public void Its_gradient_is_the_rate_itself()
    {
        Tensor rate = new Randoms(102).Normal(6).requires_grad_(), upstream = new Randoms(103).Normal(2, 3);
        Tensor found = autograd.grad([StateRates.Apply(rate, 2, 3)], [rate], [upstream])[0];
        Assert.True((found - (-rate.exp() * upstream.flatten())).abs().max().item<double>() < 1e-14);
    }

    /// <summary>What is left to tensor operations: other types, and numbers that do not lie side by side.</summary>
    [Theory]
    [InlineData(ScalarType.Float32, ScalarType.Float32, 1.5e-7)]
    [InlineData(ScalarType.BFloat16, ScalarType.Float32, 1.5e-7)]
    [InlineData(ScalarType.Float64, ScalarType.Float64, 1e-15)]
    public void Rates_are_float32_or_wider(ScalarType given, ScalarType wide, double limit)
    {
        using var quiet = no_grad();
        Tensor rate = new Randoms(104).Normal(40, 2).to(given).select(1, 0), expected = -rate.to(ScalarType.Float64).exp();
        foreach (Tensor of in new[] { rate, rate.contiguous() })
        {
            Tensor rates = StateRates.Apply(of, 8, 5);
            Assert.Equal(wide, rates.dtype);
            Assert.True(((rates.flatten() - expected) / expected).abs().max().item<double>() < limit);
        }
    }

    [Fact]
    public void Wrong_arguments_are_named()
    {
        using var quiet = no_grad();
        Assert.Equal("rate", Assert.Throws<ArgumentNullException>(() => StateRates.Apply(null!, 2, 3)).ParamName);
        Assert.Contains("rate has shape [5]; expected [R] = [6], as given by channels * states", Assert.Throws<ArgumentException>(() => StateRates.Apply(zeros(5), 2, 3)).Message);
        Assert.Contains("rate has shape [2, 3]", Assert.Throws<ArgumentException>(() => StateRates.Apply(zeros(2, 3), 2, 3)).Message);
        Assert.Contains("rate is Int64", Assert.Throws<ArgumentException>(() => StateRates.Apply(zeros(6, dtype: ScalarType.Int64), 2, 3)).Message);
        Assert.Contains("channels is -2; expected at least 1", Assert.Throws<ArgumentOutOfRangeException>(() => StateRates.Apply(zeros(6), -2, -3)).Message);
        Assert.Contains("states is 0; expected at least 1", Assert.Throws<ArgumentOutOfRangeException>(() => StateRates.Apply(zeros(0), 2, 0)).Message);
    }
}
