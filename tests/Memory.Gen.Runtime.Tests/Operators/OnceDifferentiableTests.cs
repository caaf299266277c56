using Memory.Gen.Runtime.Modules;
using Memory.Gen.Runtime.Operators;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

public sealed class OnceDifferentiableTests
{
    // Of five tensors [1, 5, 2, 4].
    private static readonly Dictionary<string, Func<Tensor[], OperatorForm, Tensor>> Calls = new()
    {
        ["linear_attention"] = (x, form) => LinearAttention.Apply(x[0], x[1], x[2], form: form).Output,
        ["gated_delta_rule"] = (x, form) => GatedDeltaRule.Apply(x[0], UnitLength.Apply(x[1], form), x[2], x[3].sum(-1).sigmoid(), -x[4].sum(-1).square(), form: form).Output,
        ["segment_attention"] = (x, form) => SegmentAttention.Apply(x[0], x[1], x[2], 3, form: form),
        ["linear_scan"] = (x, form) => LinearScan.Apply(x[0].flatten(2).sigmoid(), x[1].flatten(2), form: form).Output,
        ["causal_conv"] = (x, form) => CausalConvolution.Apply(x[0].flatten(2), x[1].view(8, 5), form: form).Output,
        ["rms_norm"] = (x, form) => RootMeanSquareNorm.Gated(x[0], x[1].flatten(0, 2).select(0, 0), x[2], form: form),
        ["unit_length"] = (x, form) => UnitLength.Apply(x[0], form),
        ["rotary"] = (x, form) => Rotary.Apply(x[0], arange(5, dtype: ScalarType.Int64), form: form),
        ["swiglu"] = (x, form) => SwiGlu.Apply(x[0], x[1], form),
        // Two tokens, each in two of three memories.
        ["copies"] = (x, form) => TokenCopies.Run(form, TokenCopies.None, x[0].view(2, 20), Indices(0, 1, 0, 1), Indices(0, 2, 1, 3).view(2, 2))[0],
        ["mixed_copies"] = (x, form) => MixedCopies.Run(form, MixedCopies.None, x[0].view(4, 10), x[1].flatten().narrow(0, 0, 4).view(2, 2), Indices(0, 1, 0, 1), Indices(0, 2, 1, 3), Indices(0, 2, 1, 3).view(2, 2))[0],
        ["rows_moved"] = (x, form) => RowMove.Run(form, new RowMove.Move([0, 3], [4, 1], 10, 6, 0.5), x[0].view(10, 4))[0],
        ["routed_linear"] = (x, form) => RoutedProjection.Apply(x[0].view(1, 10, 4), Route(), [x[1].flatten().narrow(0, 0, 36).view(3, 3, 4)], form)[0],
        ["linear"] = (x, form) => Projection.Apply(x[0], [x[1].flatten(0, 2)], form)[0],
    };

    public static TheoryData<string> Operators => [.. Calls.Keys];

    private static Tensor Indices(params long[] numbers) => tensor(numbers);

    // Five tokens in two of three memories each: ten copies.
    private static Routing Route() => Routing.TopK(new Randoms(8).Normal(1, 5, 3), 2);

    /// <summary>The second derivative along a direction against differences of the first: what the message of the other forms promises.</summary>
    [Theory, MemberData(nameof(Operators))]
    public void The_form_Reference_has_a_second_derivative(string name)
    {
        using var scope = NewDisposeScope();
        var random = new Randoms(5);
        Tensor[] x = [.. Enumerable.Range(0, 5).Select(_ => random.Normal(1, 5, 2, 4).requires_grad_())], direction = [.. x.Select(_ => random.Normal(1, 5, 2, 4))];
        const double step = 1e-5;

        double exact = Along(autograd.grad([Slope(true)], x, allow_unused: true)).item<double>();
        double difference = (At(step) - At(-step)) / (2 * step);

        Assert.NotEqual(0, exact);
        Assert.Equal(difference, exact, 1e-6 * Math.Max(1, Math.Abs(difference)));

        Tensor Slope(bool graph) => Along(autograd.grad([Calls[name](x, OperatorForm.Reference).pow(3).sum()], x, retain_graph: graph, create_graph: graph, allow_unused: true));

        Tensor Along(IList<Tensor> gradients) => x.Select((_, i) => gradients[i] is { IsInvalid: false } gradient ? (gradient * direction[i]).sum() : zeros([], dtype: ScalarType.Float64)).Aggregate((a, b) => a + b);

        double At(double distance)
        {
            Tensor[] here = x;
            x = [.. here.Select((each, i) => (each.detach() + (direction[i] * distance)).requires_grad_())];
            double slope = Slope(false).item<double>();
            x = here;
            return slope;
        }
    }

    // Whoever differentiates it meets an error: with TorchSharp the last thing the process says, so it is not asked for here.
    [Fact]
    public void A_gradient_with_a_graph_is_no_constant()
    {
        using var scope = NewDisposeScope();
        Tensor x = new Randoms(4).Normal(3, 5).requires_grad_();
        Tensor Gradient(bool create_graph) => autograd.grad([UnitLength.Apply(x, OperatorForm.Chunked).square().sum()], [x], retain_graph: create_graph, create_graph: create_graph)[0];

        Tensor recorded = Gradient(true);

        Assert.True(recorded.requires_grad);
        Assert.True(recorded.allclose(Gradient(false)));
    }
}
