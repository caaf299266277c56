using Memory.Gen.Runtime.Modules;
using Memory.Gen.Runtime.Operators;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models.BMojo;

[MemoryLayer(Dim = 8)]
[BMojoMemory(Heads = 2, Window = 4, EideticTokens = 100, FadingTokens = 2, Threshold = 1e-3)]
public sealed partial class PredictingBMojo;

/// <summary>Which tokens a B'MOJO layer finds worth keeping, and how it learns to.</summary>
public sealed class InnovationTests : IDisposable
{
    private const ScalarType Wide = ScalarType.Float64;
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Generator random = new(21, CPU);

    public void Dispose()
    {
        random.Dispose();
        scope.Dispose();
    }

    /// <summary>The same token over and over is foreseen once the memory has settled; one that breaks in is not.</summary>
    [Fact]
    public void WhatIsForeseenIsNotStoredAndWhatBreaksInIs()
    {
        const int Settled = 40, Planted = 71, Tokens = 140;
        using var layer = New();
        using var quiet = no_grad();
        Tensor same = Normal(8);
        layer.get_parameter("mixer.fading.step_bias")!.fill_(4);  // long steps: it settles soon
        var memory = new FadingOracle(FadingState.SelectiveScan, 2, name => layer.get_parameter("mixer.fading." + name));
        Tensor y = same;
        for (int t = 0; t < 200; t++)
            y = memory.Step(same).Output;
        layer.get_parameter("mixer.predictor.weight")!.copy_(same.unsqueeze(1) * y / y.square().sum());
        layer.get_parameter("mixer.predictor.bias")!.zero_();

        Tensor x = same.unsqueeze(0).repeat(Tokens, 1);
        Assert.All(Stored(layer, x), place => Assert.InRange(place, 0, Settled));
        x[Planted].copy_(Normal(8));
        long[] stored = Stored(layer, x);
        Assert.Contains(Planted, stored);
        Assert.All(stored, place => Assert.True(place <= Settled || (place >= Planted && place <= Planted + Settled), $"token {place} was foreseen and is stored"));
    }

    [Fact]
    public void TheScaleOfWhatComesInDoesNotMatter()
    {
        using var layer = New();
        using var quiet = no_grad();
        using var norm = new RmsNorm(8, dtype: Wide);
        Tensor x = Normal(1, 30, 8) + 2;
        Numbers.Near(Scores(layer, norm.call(x)), Scores(layer, norm.call(1e3 * x)), 1e-5, "scores");
    }

    /// <summary>No token changes what is kept for the chunks before it, and it is not kept before it has left the window.</summary>
    [Fact]
    public void TheFutureChangesNoSlots()
    {
        using var layer = new BMojoCase(nameof(ReadoutBMojo));
        using var quiet = no_grad();
        Tensor x = layer.Normal(1, 40, 8), other = x.clone();
        other.narrow(1, 22, 18).copy_(layer.Normal(1, 18, 8) * 3);
        using MemoryState one = layer.Memory.NewState(1), two = layer.Memory.NewState(1);
        bool differed = false;
        for (int t = 0; t < 40; t++)
        {
            layer.Memory.Step(x.select(1, t), one);
            layer.Memory.Step(other.select(1, t), two);
            bool same = Places(one).SequenceEqual(Places(two));
            Assert.True(same || t >= 28, $"slots differ at token {t}");
            differed |= !same;
        }
        Assert.True(differed);
    }

    [Theory]
    [InlineData(nameof(ReadoutBMojo))]
    [InlineData(nameof(ResidualBMojo))]
    [InlineData(nameof(StateSpaceResidualBMojo))]
    public void NothingAndVeryMuchStayFinite(string name)
    {
        using var layer = new BMojoCase(name);
        foreach (double size in new[] { 0, 1e-42, 1e6 })
        {
            Tensor x = (layer.Normal(1, 30, 8) * size).requires_grad_();
            Tensor y = layer.Layer.call(x);
            Assert.True(y.isfinite().all().item<bool>(), $"outputs at size {size}");
            Assert.True(autograd.grad([y.sum()], [x])[0].isfinite().all().item<bool>(), $"gradients at size {size}");
        }
    }

    [Fact]
    public void ThePredictionsLossIsTheMeanSquareAndReachesThePredictorAlone()
    {
        using var layer = new BMojoCase(nameof(ReadoutBMojo));
        Tensor x = layer.Normal(2, 9, 8), predictor = layer.Weight("predictor.weight")!, bias = layer.Weight("predictor.bias")!, padding = zeros([2, 9], dtype: ScalarType.Bool);
        padding.narrow(1, 7, 2).fill_(true);
        foreach (long counted in new[] { 9, 7 })
        {
            using MemoryState state = layer.Memory.NewState(2);
            if (counted < 9)
                state.MarkPadding(padding.clone());
            layer.Memory.Prefill(x, state);
            Tensor sum = 0.0;
            foreach (Tensor row in x.unbind(0))
            {
                var memory = new FadingOracle(FadingState.SelectiveScan, 2, name => layer.Weight("fading." + name));
                Tensor[] y = [.. row.unbind(0).Select(token => memory.Step(token).Output.detach())];
                for (int t = 1; t < counted; t++)
                    sum = sum + (row[t] - predictor.mv(y[t - 1]) - bias).square().mean();
            }
            Tensor expected = 0.1 * sum / (2 * (counted - 1));
            Numbers.Near(expected, state.AuxiliaryLoss!, 1e-13, "loss");
            IList<Tensor> gradients = autograd.grad([state.AuxiliaryLoss!], [predictor, bias], retain_graph: true);
            foreach (var (wanted, found) in autograd.grad([expected], [predictor, bias]).Zip(gradients)) Numbers.Near(wanted, found, 1e-13, "gradient");
            IList<Tensor?> others = autograd.grad([state.AuxiliaryLoss!], [.. layer.Layer.named_parameters().Where(p => !p.name.Contains("predictor")).Select(p => p.parameter)], allow_unused: true)!;
            Assert.All(others, gradient => Assert.True(gradient is null || gradient.IsInvalid));
        }
    }

    private PredictingBMojo New()
    {
        using var quiet = no_grad();
        var layer = new PredictingBMojo(dtype: Wide);
        foreach (var parameter in layer.parameters())
            parameter.copy_(Normal(parameter.shape) * 0.5);
        return layer;
    }

    private Tensor Normal(params long[] shape) => randn(shape, dtype: Wide, generator: random);

    private static long[] Stored(PredictingBMojo layer, Tensor x)
    {
        using PredictingBMojo.State state = layer.NewState(1);
        layer.Prefill(x.unsqueeze(0), state);
        return Places(state);
    }

    private static long[] Places(MemoryState state) =>
        [.. state.Tensors.Single(tensor => tensor.Name == "mixer.eidetic_places").Value.data<long>().ToArray().Where(place => place > 0).Select(place => place - 1)];

    private static Tensor Scores(PredictingBMojo layer, Tensor x)
    {
        Tensor? scores = null;
        EideticSelection.Scorer = (e, _) =>
        {
            scores = e.narrow(1, 1, e.shape[1] - 1).clone().DetachFromDisposeScope();
            return e;
        };
        try
        {
            layer.call(x);
        }
        finally
        {
            EideticSelection.Scorer = null;
        }
        return scores!;
    }
}
