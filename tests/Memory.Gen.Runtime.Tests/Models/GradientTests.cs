using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models;

public sealed class GradientTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public static TheoryData<string> All => Subject.All;

    public void Dispose() => scope.Dispose();

    [Theory, MemberData(nameof(All))]
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
    public void GradientsFlowThroughTheStateAcrossASplit(string name)
    {
        using var subject = new Subject(name);
        Tensor input = subject.Input(2, 12), weights = Weights(subject, input);
        Parameter[] parameters = subject.Trained;
        var whole = Gradients((subject.Forward(input) * weights).sum(), parameters);
        using var state = subject.NewState(2);
        Tensor split = subject.Read(input, state, [5, 1, 6], () => true);
        var through = Gradients((split * weights).sum(), parameters);
        for (int i = 0; i < parameters.Length; i++)
            Numbers.Near(whole[i], through[i], 1e-10, $"parameter {i}");
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
