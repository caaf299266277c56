using Memory.Gen.Runtime.Modules;
using Memory.Gen.Runtime.Tests.Models;
using Memory.Gen.Runtime.Tests.Models.StateSpaces;
using Memory.Gen.Runtime.Tests.Training;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Modules;

// The process-wide generator is seeded here.
[Collection(Models.AloneCollection.Name)]
public sealed class InitializeTests
{
    [Fact]
    public void DecayRatesLieBetweenOneAndSixteen()
    {
        using var rate = Initialize.DecayRate(1000, dtype: ScalarType.Float64);
        double[] values = [.. rate.detach().data<double>().ToArray().Select(Math.Exp)];
        Assert.All(values, value => Assert.InRange(value, 1 - 1e-6, 16 + 1e-6));
        Assert.InRange(values.Average(), 7.5, 9.5);
    }

    [Fact]
    public void StepsLieBetweenAThousandthAndATenth()
    {
        using var bias = Initialize.StepBias(1000, dtype: ScalarType.Float64);
        double[] steps = [.. bias.detach().data<double>().ToArray().Select(b => Math.Log(1 + Math.Exp(b)))];
        Assert.All(steps, step => Assert.InRange(step, 1e-3 - 1e-7, 0.1 + 1e-6));
        Assert.InRange(steps.Select(step => Math.Log(step)).Average(), Math.Log(0.01) - 0.15, Math.Log(0.01) + 0.15);
    }

    /// <summary>In the middle of each head what all heads share is left.</summary>
    [Fact]
    public void ARampRisesOverAllHeadsAndWithinEach()
    {
        using var ramp = Initialize.Ramp(2, 5, first: -1, last: 8, within: 2, dtype: ScalarType.Float64);
        Assert.Equal([-3, -0.5, 1, 2.5, 5, 2, 4.5, 6, 7.5, 10], ramp.detach().data<double>().ToArray());
        using var one = Initialize.Ramp(1, 1, first: 0.25, last: 3, within: 2);
        Assert.Equal(0.25, one.item<float>());
        using var heads = Initialize.Ramp(3, 1, first: 1, last: 5, within: 2, dtype: ScalarType.Float64);
        Assert.Equal([1.0, 3, 5], heads.detach().data<double>().ToArray());
    }

    [Fact]
    public void NormalNumbersHaveTheirDeviation()
    {
        using var table = Initialize.Normal([50, 40], 0.3, dtype: ScalarType.Float64);
        double[] values = table.detach().data<double>().ToArray();
        Assert.InRange(values.Average(), -0.03, 0.03);
        Assert.InRange(Math.Sqrt(values.Average(v => v * v)), 0.28, 0.32);
    }

    /// <summary>Of what the pages say of fresh weights, what no layer's own test holds.</summary>
    [Fact]
    public void FreshModelsBeginAsTheirPagesSay()
    {
        using var scope = NewDisposeScope();
        using var model = new LongTextModel(dtype: ScalarType.Float64);
        Assert.InRange(Deviation(model, "embedding.weight"), 0.0195, 0.0205);
        foreach (string rows in new[] { "initial_memory", "summary_prompt" })
            Assert.InRange(Deviation(model, rows), 0.01, 0.03);
        using var written = new LearnedRecurrentModel(dtype: ScalarType.Float64);
        foreach (string rows in new[] { "initial_memory", "write_memory" })
            Assert.InRange(Deviation(written, rows), 0.001, 0.08);

        // From the slowest feature of the first head to the fastest of the last, e^-0.00020 to e^-0.578.
        using var rwkv7 = new GeneralizedDeltaModel(dtype: ScalarType.Float64);
        double[] speeds = [.. Values(rwkv7, "layers.0.mixer.decay_bias").Select(b => Math.Exp(-0.5) / (1 + Math.Exp(-b)))];
        Assert.Equal((0.00020, 0.578), (Math.Round(speeds[0], 5), Math.Round(speeds[^1], 3)));
        Assert.Equal([-0.69, 0.31], new[] { 0, ^1 }.Select(i => Math.Round(Values(rwkv7, "layers.0.mixer.rate_bias")[i], 10)));
        Assert.Equal([0.76, 0.66], new[] { 0, ^1 }.Select(i => Math.Round(Values(rwkv7, "layers.0.mixer.removal")[i], 10)));
        Assert.All(Values(rwkv7, "layers.0.mixer.replacement"), value => Assert.Equal(1.02, value));
        Assert.All(Values(rwkv7, "layers.0.mixer.bonus"), value => Assert.Equal(-0.04, value));

        using var mamba2 = new TwoGroupStateSpace(dtype: ScalarType.Float64);
        Assert.All(Values(mamba2, "mixer.skip"), value => Assert.Equal(1, value));
        Assert.All(Values(mamba2, "mixer.decay_rate"), value => Assert.InRange(Math.Exp(value), 1 - 1e-6, 16 + 1e-6));
        Assert.All(Values(mamba2, "mixer.step_bias"), value => Assert.InRange(Math.Log(1 + Math.Exp(value)), 1e-3 - 1e-7, 0.1 + 1e-6));

        static double[] Values(nn.Module module, string name) => module.get_parameter(name)!.detach().contiguous().data<double>().ToArray();

        static double Deviation(nn.Module module, string name) => Math.Sqrt(Values(module, name).Average(value => value * value));
    }

    [Fact]
    public void ASeedGivesTheSameValuesInEveryElementType()
    {
        manual_seed(5);
        using var narrow = Initialize.Uniform([4, 3], 0.5, dtype: ScalarType.Float32);
        manual_seed(5);
        using var wide = Initialize.Uniform([4, 3], 0.5, dtype: ScalarType.Float64);
        Assert.Equal(narrow.detach().data<float>().ToArray().Select(v => (double)v), wide.detach().data<double>().ToArray());
    }

    [Fact]
    public void NothingIsDrawnOnTheMetaDevice()
    {
        manual_seed(5);
        using var before = rand(1);
        manual_seed(5);
        using var rate = Initialize.DecayRate(8, META);
        using var after = rand(1);
        Assert.Equal(before.item<float>(), after.item<float>());
        Assert.Equal(DeviceType.META, rate.device_type);
    }
}
