using Memory.Gen.Runtime.Operators;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models;

/// <summary>When models ask for nothing beside the loss of the text.</summary>
public class AuxiliaryLossTests
{
    [Theory]
    [InlineData(nameof(MixtureModel), nameof(LinearMixtureModel))]
    [InlineData(nameof(BMojoModel), nameof(SlidingBMojoModel))]
    public void NothingIsAskedForWithoutGradientsOrWithoutTheOption(string asking, string silent)
    {
        using var scope = NewDisposeScope();
        using var subject = new Subject(asking);
        using var state = subject.NewState(2);
        using (no_grad())
            subject.Prefill(subject.Input(2, 7), state);
        Assert.Null(state.AuxiliaryLoss);

        using var without = new Subject(silent);
        using var other = without.NewState(2);
        without.Prefill(without.Input(2, 7), other);
        Assert.Null(other.AuxiliaryLoss);
    }

    // A segment that one call reads whole needs no state to be read, but its layers do to ask.
    [Theory]
    [InlineData(nameof(HierarchicalMixtureModel))]
    [InlineData(nameof(HierarchicalBMojoModel))]
    public void LayersAskFromWithinWholeSegmentsToo(string name)
    {
        using var scope = NewDisposeScope();
        using var subject = new Subject(name);
        using var state = subject.NewState(2);
        subject.Prefill(subject.Input(2, 12), state);
        Assert.NotNull(state.AuxiliaryLoss);
        state.AuxiliaryLoss.backward();
        Assert.Contains(subject.Module.named_parameters(), p => (p.name.Contains("predictor") || p.name.Contains("router")) && p.parameter.grad is { } gradient && gradient.abs().sum().item<double>() > 0);
    }

    /// <summary>Segments of three tokens weigh by their tokens; in their windows the memory's and the sensory rows count, and padding does not.</summary>
    [Fact]
    public void PaddingDoesNotCountWithinSegments()
    {
        using var scope = NewDisposeScope();
        using var subject = new Subject(nameof(HierarchicalMixtureModel));
        using var state = subject.NewState(2);
        Tensor padding = zeros([2, 6], dtype: ScalarType.Bool);
        padding[1, 2].fill_(true);
        padding[1].narrow(0, 3, 3).fill_(true);
        state.MarkPadding(padding.clone());
        var logits = new List<Tensor>();
        Routing.Chooser = (l, count) => { logits.Add(l.clone().DetachFromDisposeScope()); return Routing.Largest(l, count); };
        try
        {
            subject.Prefill(subject.Input(2, 6), state);
        }
        finally
        {
            Routing.Chooser = null;
        }

        // [P ; x ; P], a summary, which asks for nothing, and [P ; sensory token ; x ; P].
        Assert.Equal([5, 4, 6], logits.Select(l => l.shape[1]));
        double expected = Loss(logits[0], 1) + Loss(logits[2], 2);
        Assert.Equal(expected, state.AuxiliaryLoss!.item<double>(), 14);
        logits.ForEach(l => l.Dispose());

        double Loss(Tensor window, long front)
        {
            Tensor mask = zeros(window.shape[..2], dtype: ScalarType.Bool);
            mask.narrow(1, front, 3).copy_(padding.narrow(1, front == 1 ? 0 : 3, 3));
            return 0.5 * 0.1 * Routing.TopK(window, 1).BalanceLoss(mask).item<double>();
        }
    }
}
