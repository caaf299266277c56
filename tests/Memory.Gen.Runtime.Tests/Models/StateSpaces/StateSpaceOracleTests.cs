using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models.StateSpaces;

/// <summary>The layers of Mamba and Mamba-2 against their equations, in float64.</summary>
public sealed class StateSpaceOracleTests : IDisposable
{
    private const int Rows = 2, Tokens = 19;
    private readonly DisposeScope scope = NewDisposeScope();

    public static TheoryData<string> All => StateSpaceCase.All;

    public void Dispose() => scope.Dispose();

    [Theory, MemberData(nameof(All))]
    public void ALayerIsItsEquationsTokenByToken(string name)
    {
        using var layer = new StateSpaceCase(name);
        Check(layer, layer.Normal(Rows, Tokens, 6), 1e-10);
    }

    [Theory, MemberData(nameof(All))]
    public void ALayerOfManyTokensIsItsEquations(string name)
    {
        using var layer = new StateSpaceCase(name);
        Check(layer, layer.Normal(Rows, 150, 6), 1e-10);
    }

    // A step size in softplus's linear branch; states that forget at once; states that never fade.
    [Theory, MemberData(nameof(All))]
    public void ExtremeStepsAndDecaysAreStillTheEquations(string name)
    {
        foreach (var (weight, value) in new[] { ("step_bias", 30.0), ("decay_rate", Math.Log(1e4)), ("decay_rate", -800.0), ("step_bias", -60.0) })
        {
            using var layer = new StateSpaceCase(name);
            using (no_grad())
                layer.Weight(weight).fill_(value);
            Check(layer, layer.Normal(Rows, Tokens, 6), 1e-10);
        }
    }

    [Theory, MemberData(nameof(All))]
    public void OutputsAndGradientsStayFinite(string name)
    {
        foreach (ScalarType dtype in new[] { ScalarType.Float64, ScalarType.Float32 })
            foreach (double size in new[] { 0, 1e-42, 1, 1e3 })
                foreach (var (bias, rate) in new[] { (0.0, 0.0), (100.0, Math.Log(1e4)), (100.0, -80.0), (-100.0, Math.Log(1e4)) })
                {
                    using var inner = NewDisposeScope();
                    using var layer = new StateSpaceCase(name, dtype);
                    using (no_grad())
                    {
                        layer.Weight("step_bias").fill_(bias);
                        layer.Weight("decay_rate").fill_(rate);
                    }
                    Tensor x = (layer.Normal(1, Tokens, 6) * size).requires_grad_();
                    Tensor y = layer.Layer.call(x);
                    y.sum().backward();
                    string what = $"{dtype}, inputs of {size}, bias {bias}, rate {rate}";
                    Assert.True(y.isfinite().all().item<bool>(), what);
                    Assert.True(x.grad!.isfinite().all().item<bool>(), what);
                    Assert.All(layer.Layer.named_parameters(), p => Assert.True(p.parameter.grad!.isfinite().all().item<bool>(), $"{p.name}, {what}"));
                }
    }

    [Theory, MemberData(nameof(All))]
    public void WhatSetsTheDecayStaysInFloat32(string name)
    {
        using nn.Module<Tensor, Tensor> layer = StateSpaceCase.New(name, ScalarType.BFloat16);
        Assert.All(layer.named_parameters(), p => Assert.Equal(
            p.name is "mixer.decay_rate" or "mixer.step_bias" or "mixer.skip" ? ScalarType.Float32 : ScalarType.BFloat16, p.parameter.dtype));
        Assert.Equal(ScalarType.BFloat16, layer.call(ones([1, 3, 6], dtype: ScalarType.BFloat16)).dtype);
    }

    [Theory, MemberData(nameof(All))]
    public void ALayerOfAnotherTypeIsItsEquations(string name)
    {
        using var layer = new StateSpaceCase(name, ScalarType.Float32);
        layer.Layer.to(ScalarType.Float64);
        Check(layer, layer.Normal(Rows, Tokens, 6).to(ScalarType.Float64), 1e-10);
        layer.Layer.to(ScalarType.BFloat16);
        Assert.Equal(ScalarType.BFloat16, layer.Layer.call(ones([1, 3, 6], dtype: ScalarType.BFloat16)).dtype);
    }

    // To the limit of a single operator in float32: what the kernels compute, against float64, which central differences check elsewhere.
    [Theory, MemberData(nameof(All))]
    public void GradientsInFloat32AreThoseInFloat64(string name)
    {
        using StateSpaceCase narrow = new(name, ScalarType.Float32), wide = new(name);
        using (no_grad())
            foreach (var (a, b) in narrow.Layer.parameters().Zip(wide.Layer.parameters()))
                b.copy_(a);
        Tensor x = narrow.Normal(Rows, 70, 6), upstream = narrow.Normal(Rows, 70, 6);
        Tensor[] expected = Gradients(wide, x.to(ScalarType.Float64), upstream.to(ScalarType.Float64)), actual = Gradients(narrow, x, upstream);
        for (int i = 0; i < expected.Length; i++)
            Numbers.Near(expected[i], actual[i], 1e-4, $"gradient {i}");

        static Tensor[] Gradients(StateSpaceCase layer, Tensor x, Tensor upstream)
        {
            x.requires_grad_();
            (layer.Layer.call(x) * upstream).sum().backward();
            return [x.grad!, .. layer.Layer.parameters().Select(p => p.grad!)];
        }
    }

    [Fact]
    public void ASelectiveLayerBeginsAsInThePaper()
    {
        using var layer = new UnusualSelective(dtype: ScalarType.Float64);
        double[] rates = Values("decay_rate"), steps = Values("step_bias");
        for (int i = 0; i < rates.Length; i++)
            Assert.Equal(Math.Log(1 + i % 5), rates[i], 6);
        Assert.All(steps, bias => Assert.InRange(PlainMath.Softplus(bias), 1e-3 - 1e-7, 0.1 + 1e-6));
        Assert.All(Values("skip"), value => Assert.Equal(1, value));
        Assert.All(Values("step_up.weight"), value => Assert.InRange(value, -0.5, 0.5));

        double[] Values(string name) => layer.get_parameter("mixer." + name)!.detach().contiguous().data<double>().ToArray();
    }

    private static void Check(StateSpaceCase layer, Tensor x, double limit)
    {
        using MemoryState state = layer.Memory.NewState(x.shape[0]);
        Tensor actual = layer.Memory.Prefill(x, state), memory = state.Tensors.Single(t => t.Name == "mixer.memory").Value;
        for (int b = 0; b < x.shape[0]; b++)
        {
            (Tensor outputs, Tensor last) = layer.Expected(x[b]);
            Numbers.Near(outputs, actual[b], limit, $"outputs of row {b}");
            Numbers.Near(last, memory[b].flatten(), limit, $"state of row {b}");
        }
    }
}
