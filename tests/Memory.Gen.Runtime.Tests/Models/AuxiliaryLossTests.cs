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
}
