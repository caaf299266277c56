using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models;

public sealed class GradientTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public static TheoryData<string> All => Subject.All;

    public static TheoryData<string> Held => Subject.Held;

    public void Dispose() => scope.Dispose();

    [Theory, MemberData(nameof(Held))]
    public void GradientsAreThoseOfCentralDifferences(string name)
    {
        const double step = 1e-5;
        using var subject = new Subject(name);
        Tensor input = subject.Input(2, 7), weights = Weights(subject, input);
        Parameter[] parameters = subject.Trained;
        using var choices = new HeldChoices();
        var gradients = Gradients(Loss(), parameters);
        choices.Hold();

        // One random direction per parameter sums its whole gradient, so no entry can be wrong unseen.
        using var quiet = no_grad();
        for (int i = 0; i < parameters.Length; i++)
        {
            using var inner = NewDisposeScope();
            Tensor start = parameters[i].clone(), direction = subject.Normal(parameters[i].shape);
            double expected = (direction * gradients[i]).sum().item<double>();
            double actual = (8 * Difference(step) - Difference(2 * step)) / (12 * step);
            parameters[i].copy_(start);
            Assert.True(Math.Abs(actual - expected) <= 1e-6 * Math.Max(1, Math.Abs(expected)),
                $"parameter {i} [{string.Join(", ", parameters[i].shape)}]: {expected:r} where central differences give {actual:r}");

            double Difference(double size) => At(size) - At(-size);

            double At(double size)
            {
                parameters[i].copy_(start + direction * size);
                return Loss().item<double>();
            }
        }

        Tensor Loss() => (subject.Forward(input) * weights).sum();
    }

    [Theory, MemberData(nameof(All))]
    public void GradientsFlowThroughTheStateAcrossASplit(string name) => CheckSplits(name, [[5, 1, 6]]);

    /// <summary>Within what a convolution keeps, at the end of a window, where slots are chosen: anywhere.</summary>
    [Theory]
    [InlineData(nameof(SelectiveModel))]
    [InlineData(nameof(StateSpaceModel))]
    [InlineData(nameof(GatedDeltaModel))]
    [InlineData(nameof(BMojoModel))]
    [InlineData(nameof(HierarchicalBMojoModel))]
    public void GradientsFlowAcrossASplitAnywhere(string name) => CheckSplits(name, Enumerable.Range(1, 11).Select(s => new long[] { s, 12 - s }));

    private static void CheckSplits(string name, IEnumerable<long[]> splits)
    {
        using var subject = new Subject(name);
        Tensor input = subject.Input(2, 12), weights = Weights(subject, input);
        Parameter[] parameters = subject.Trained;
        var whole = Gradients((subject.Forward(input) * weights).sum(), parameters);
        foreach (long[] pieces in splits)
        {
            using var state = subject.NewState(2);
            var through = Gradients((subject.Read(input, state, pieces, () => true) * weights).sum(), parameters);
            for (int i = 0; i < parameters.Length; i++)
                Numbers.Near(whole[i], through[i], 1e-10, $"parameter {i}, split {string.Join(' ', pieces)}");
        }
    }

    // What torch makes in inference mode is of a kind of its own, which is neither written in place outside it nor saved for a gradient.
    [Theory, MemberData(nameof(All))]
    public void AStateOfInferenceModeGoesOnOutsideIt(string name)
    {
        using var subject = new Subject(name);
        using MemoryState state = subject.NewState(2);
        Tensor input = subject.Input(2, 20), whole;
        using (no_grad()) whole = subject.Forward(input);
        using (inference_mode())
        {
            subject.Prefill(input.narrow(1, 0, 8), state);
            subject.Step(input.select(1, 8), state);
        }

        using (no_grad())
            foreach (long token in new[] { 9, 10, 11 }) Numbers.Near(whole.select(1, token), subject.Step(input.select(1, token), state), 1e-10, $"token {token}");
        MemoryState copy;
        using (inference_mode())
        {
            copy = state.Rows(0, 1);
            subject.Prefill(input.narrow(1, 12, 3), copy);
            copy.Reset([]);
        }

        using (copy)
        {
            Tensor last = subject.Prefill(input.narrow(1, 15, 5), copy);
            Numbers.Near(whole.narrow(1, 15, 5), last, 1e-10, "the last tokens");
            Assert.NotNull(autograd.grad([last.sum()], [.. subject.Trained], allow_unused: true)[0]);
        }
    }

    [Theory, MemberData(nameof(All))]
    public void DetachCutsTheGradient(string name)
    {
        using var subject = new Subject(name);
        using var state = subject.NewState(1);
        subject.Prefill(subject.Input(1, 5), state);
        state.Detach();
        Assert.All(state.Tensors, tensor => Assert.False(tensor.Value.requires_grad));
    }

    private static Tensor Weights(Subject subject, Tensor input) => subject.Normal(subject.Forward(input).shape);

    private static IList<Tensor> Gradients(Tensor loss, Parameter[] parameters) => autograd.grad([loss], [.. parameters]);
}
