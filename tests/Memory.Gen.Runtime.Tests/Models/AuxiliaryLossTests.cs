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
}
