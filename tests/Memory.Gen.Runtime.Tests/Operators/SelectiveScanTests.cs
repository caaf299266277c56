using Memory.Gen.Runtime.Operators;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>The selective scan where nothing fades and where everything is forgotten at once, outputs and all gradients.</summary>
public sealed class SelectiveScanTests : IDisposable
{
    private const long B = 2, T = 23, C = 3, N = 4;
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    public static TheoryData<string> Rates => ["nothing fades", "everything is forgotten", "both", "at any rate"];

    [Theory, MemberData(nameof(Rates))]
    public void Extreme_rates_are_the_closed_form(string rates)
    {
        Tensor[] inputs = Inputs(rates);
        (Tensor[] expected, Tensor[] expectedGradients) = Differentiated(inputs, ClosedForm);
        foreach (var (form, chunk) in new[] { (OperatorForm.Reference, (int?)null), (OperatorForm.Chunked, 1), (OperatorForm.Chunked, 5), (OperatorForm.Chunked, 64) })
        {
            (Tensor[] actual, Tensor[] gradients) = Differentiated(inputs, x => Scan(x, form, chunk));
            foreach ((Tensor e, Tensor a) in expected.Zip(actual)) Numbers.Close(e, a, 1e-12, $"{form} {chunk} output");
            foreach ((int i, Tensor e) in expectedGradients.Index()) Numbers.Close(e, gradients[i], 1e-11, $"{form} {chunk} gradient {i}");
        }

        (Tensor[] single, Tensor[] singleGradients) = Differentiated([.. inputs.Select(x => x.to(ScalarType.Float32))], x => Scan(x, OperatorForm.Native, null));
        foreach ((Tensor e, Tensor a) in expected.Zip(single)) Numbers.Close(e, a, 2e-5, "native output");
        foreach ((int i, Tensor e) in expectedGradients.Index()) Numbers.Close(e, singleGradients[i], 1e-4, $"native gradient {i}");
    }

    [Theory, MemberData(nameof(Rates))]
    public void Gradients_at_extreme_rates_are_central_differences(string rates)
    {
        Tensor[] inputs = Inputs(rates);
        OperatorCase each = OperatorCase.Of("selective_scan");
        foreach (OperatorForm form in new[] { OperatorForm.Reference, OperatorForm.Chunked })
            Numbers.GradientsAreDerivatives(each, [inputs[0], inputs[1], inputs[3], inputs[4]], [inputs[2], inputs[5]], [inputs[6]], form, 4);
    }

    // What is forgotten at once has no past to have a gradient of, whatever the steps.
    [Fact]
    public void What_is_forgotten_has_no_gradient()
    {
        Tensor[] inputs = Inputs("everything is forgotten");
        foreach (OperatorForm form in new[] { OperatorForm.Reference, OperatorForm.Chunked })
        {
            (_, Tensor[] gradients) = Differentiated(inputs, x => Scan(x, form, 5));
            foreach (int i in new[] { 2, 6 }) Assert.Equal(0, gradients[i].abs().max().item<double>());
        }
    }

    // In the operator's order: u, delta, A, B, C, D, initial state.
    private static Tensor[] Inputs(string rates)
    {
        var random = new Randoms(17);
        Tensor A = rates switch
        {
            "nothing fades" => zeros([C, N], dtype: ScalarType.Float64),
            "everything is forgotten" => full([C, N], -1e4, dtype: ScalarType.Float64),
            "both" => (arange(C * N, dtype: ScalarType.Float64).view(C, N) % 2) * -1e4,
            _ => random.Uniform(-3, 0, C, N),
        };
        return [random.Normal(B, T, C), random.Uniform(0.1, 0.5, B, T, C), A, random.Normal(B, T, N), random.Normal(B, T, N), random.Normal(C), random.Normal(B, C, N)];
    }

    private static Tensor[] Scan(Tensor[] x, OperatorForm form, int? chunk)
    {
        MemoryRead read = SelectiveScan.Apply(x[0], x[1], x[2], x[3], x[4], x[5], x[6], form, chunk);
        return [read.Output, read.FinalState];
    }

    /// <summary>Every state as a sum over all tokens before it: x_t = e^(A (s_t - s_0)) x_0 + sum_(r &lt;= t) e^(A (s_t - s_r)) delta_r u_r B_r, s the sums of the steps.</summary>
    private static Tensor[] ClosedForm(Tensor[] x)
    {
        var states = new List<Tensor>();
        for (long t = 0; t < T; t++)
        {
            Tensor state = (x[1].narrow(1, 0, t + 1).sum(1).unsqueeze(2) * x[2]).exp() * x[6];
            for (long r = 0; r <= t; r++)
            {
                Tensor input = (x[1].select(1, r) * x[0].select(1, r)).unsqueeze(2) * x[3].select(1, r).unsqueeze(1);
                state = state + ((x[1].narrow(1, r + 1, t - r).sum(1).unsqueeze(2) * x[2]).exp() * input);
            }

            states.Add(state);
        }

        Tensor all = stack(states, 1); // [B, T, C, N]
        return [(all * x[4].unsqueeze(2)).sum(3) + (x[0] * x[5]), states[^1]];
    }

    private static (Tensor[] Outputs, Tensor[] Gradients) Differentiated(Tensor[] inputs, Func<Tensor[], Tensor[]> read)
    {
        Tensor[] leaves = [.. inputs.Select(x => x.detach().clone().requires_grad_())];
        Tensor[] outputs = read(leaves);
        return (outputs, [.. autograd.grad([Numbers.Objective(outputs)], leaves)]);
    }
}
