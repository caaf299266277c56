using Memory.Gen.Runtime.Operators;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models.Mixtures;

/// <summary>What the routers of a model ask for beside the loss of the text.</summary>
public sealed class BalanceLossTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    [Fact]
    public void ALayerAsksForItsRoutersBalance()
    {
        using var layer = MixtureCase.New(nameof(GatedDeltaMixture));
        using MemoryState state = layer.Memory.NewState(2);
        Tensor x = layer.Normal(2, 9, 6), router = layer.Weight("router.weight")!;
        Tensor padding = zeros([2, 9], dtype: ScalarType.Bool);
        padding.narrow(1, 7, 2).fill_(true);
        foreach (bool padded in new[] { false, true })
        {
            if (padded)
                state.MarkPadding(padding.clone());
            layer.Memory.Prefill(x, state);
            Tensor expected = 1e-3 * Routing.TopK(nn.functional.linear(padded ? x.narrow(1, 0, 7) : x, router), 2).BalanceLoss();
            Assert.Equal(expected.item<double>(), state.AuxiliaryLoss!.item<double>(), 15);
            Numbers.Near(autograd.grad([expected], [router])[0] * 1e3, autograd.grad([state.AuxiliaryLoss!], [router])[0] * 1e3, 1e-13, "gradient");
        }
    }

    [Fact]
    public void AModelAsksForTheSumOfItsLayers()
    {
        using var subject = new Subject(nameof(MixtureModel));
        using var state = subject.NewState(2);
        var logits = new List<Tensor>();
        Routing.Chooser = (l, count) => { logits.Add(l.clone().DetachFromDisposeScope()); return Routing.Largest(l, count); };
        try
        {
            subject.Prefill(subject.Input(2, 7), state);
        }
        finally
        {
            Routing.Chooser = null;
        }
        Assert.Equal(2, logits.Count);
        Assert.Equal(logits.Sum(l => 1e-3 * Routing.TopK(l, 2).BalanceLoss().item<double>()), state.AuxiliaryLoss!.item<double>(), 14);
        logits.ForEach(l => l.Dispose());
    }
}
