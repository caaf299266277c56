using Memory.Gen.Runtime.Operators;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>The block form of the Titans memories against the token loop, and the parts it is made of.</summary>
public sealed class TitansChunkTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Randoms r = new(71);

    public void Dispose() => scope.Dispose();

    [Theory]
    [InlineData(1, TitansActivation.Silu)]
    [InlineData(2, TitansActivation.Silu)]
    [InlineData(2, TitansActivation.Gelu)]
    [InlineData(3, TitansActivation.Silu)]
    [InlineData(3, TitansActivation.Gelu)]
    [InlineData(4, TitansActivation.Gelu)]
    public void Blocks_equal_the_token_loop(int depth, TitansActivation activation)
    {
        foreach (int block in new[] { 1, 2, 7, 16 })
        {
            foreach (TitansCase each in TitansCase.All.Where(each => each.Widths.Length == Math.Min(depth, 3) + 1))
            {
                long[] widths = depth == 4 ? [.. each.Widths[..^1], 4, each.Widths[^1]] : each.Widths;
                TitansCase variant = each with { Widths = widths, Options = each.Options with { Block = block, Activation = activation } };
                (Tensor[] x, Tensor[] others, Tensor[] states) = (variant.Sequences(r, 37, 2, 2), variant.Others(r, 2), variant.States(r, 2, 2));
                (Tensor expected, Tensor[] expectedFinals) = variant.Call(x, others, states, OperatorForm.Reference);
                (Tensor actual, Tensor[] finals) = variant.Call(x, others, states, OperatorForm.Chunked);
                Numbers.Close(expected, actual, 1e-12, $"{variant.Name}, block {block}: outputs");
                foreach ((Tensor e, Tensor a) in expectedFinals.Zip(finals)) Numbers.Close(e, a, 1e-12, $"{variant.Name}, block {block}: final state");
            }
        }
    }

    [Theory]
    [InlineData(false, false)]
    [InlineData(true, false)]
    [InlineData(false, true)]
    [InlineData(true, true)]
    public void Gradients_in_formulas_equal_those_of_autograd(bool normalised, bool gated)
    {
        foreach (TitansActivation activation in Enum.GetValues<TitansActivation>())
        {
            Tensor[] W = [.. (gated ? new[] { r.Normal(1, 4, 6), r.Normal(1, 6, 4), r.Normal(1, 4, 6) } : [r.Normal(1, 4, 6), r.Normal(1, 6, 5), r.Normal(1, 5, 4)]).Select(w => w.requires_grad_())];
            Tensor k = r.Normal(1, 1, 4), v = r.Normal(1, 1, 4);
            var perceptron = new TitansPerceptron(3, new TitansOptions(1) { Activation = activation, GatedLinearUnit = gated }, normalised ? r.Normal(1, 1, 4) : null);
            ((perceptron.Read(k, (l, x) => x.bmm(W[l])) - v).pow(2).sum() / 2).backward();
            (Tensor[] inputs, Tensor[] errors) = perceptron.Gradients(k, v, (l, x) => x.bmm(W[l]), (l, x) => x.bmm(W[l].transpose(1, 2)));
            for (int l = 0; l < 3; l++) Numbers.Close(W[l].grad!, inputs[l].transpose(1, 2).bmm(errors[l]), 1e-13, $"{activation}, layer {l}");
        }
    }

    [Fact]
    public void Coefficients_are_sums_of_products()
    {
        const int C = 9;
        double[] eta = Random(C), alpha = Random(C);
        AssertCoefficients(eta, alpha);

        // The limits of the gates, exactly: everything forgotten, momentum ended, momentum kept whole.
        (alpha[3], eta[3], eta[5], eta[6], alpha[6]) = (1, 0, 1, 0, 1);
        AssertCoefficients(eta, alpha);
        AssertCoefficients([.. eta.Select(_ => 1.0)], [.. alpha.Select(_ => 0.0)]);
    }

    private static void AssertCoefficients(double[] eta, double[] alpha)
    {
        int C = eta.Length;
        Tensor gates = tensor(eta).view(1, C);
        TitansCoefficients all = TitansCoefficients.Of(gates, tensor(alpha).view(1, C), gates);
        double Product(Func<int, double> factor, int after, int upTo) => Enumerable.Range(after + 1, upTo - after).Aggregate(1.0, (product, i) => product * factor(i));
        double Decay(int t, int i) => Product(j => 1 - alpha[j], i, t);
        double Impulse(int t, int i) => Product(j => eta[j], i, t);
        double At(Tensor x, int t, int i) => x[0, t, i].item<double>();

        for (int t = 0; t < C; t++)
        {
            Assert.Equal(Decay(t, -1), At(all.Kept!, t, 0), 1e-15);
            Assert.Equal(Impulse(t, -1), At(all.MomentumKept!, t, 0), 1e-15);
            Assert.Equal(Enumerable.Range(0, t + 1).Sum(j => Decay(t, j) * Impulse(j, -1)), At(all.Momentum!, t, 0), 1e-14);
            for (int i = 0; i < C; i++)
            {
                double writes = i > t ? 0 : Enumerable.Range(i, t - i + 1).Sum(j => Decay(t, j) * Impulse(j, i));
                Assert.Equal(writes, At(all.Writes, t, i), 1e-14);
                Assert.Equal(i > t ? 0 : Impulse(t, i), At(all.MomentumWrites!, t, i), 1e-15);
            }
        }
    }

    [Theory]
    [MemberData(nameof(OperatorCase.TitansNames), MemberType = typeof(OperatorCase))]
    public void Rows_and_heads_do_not_see_each_other(string name)
    {
        TitansCase variant = TitansCase.All.Single(each => each.Name == name);
        foreach (OperatorForm form in new[] { OperatorForm.Reference, OperatorForm.Chunked })
        {
            (Tensor[] x, Tensor[] others, Tensor[] states) = (variant.Sequences(r, 11, 3, 2), variant.Others(r, 2), variant.States(r, 3, 2));
            (Tensor whole, Tensor[] finals) = variant.Call(x, others, states, form);

            // Row 2 and head 1 alone; the others have no rows.
            Tensor[] Head(Tensor[] all, int axis) => [.. all.Select(t => t.narrow(axis, 1, 1))];
            Tensor[] Row(Tensor[] all) => [.. all.Select(t => t.narrow(0, 2, 1))];
            (Tensor part, Tensor[] parts) = variant.Call(Head(Row(x), 2), Head(others, 0), Head(Row(states), 1), form);
            Numbers.Close(whole.narrow(0, 2, 1).narrow(2, 1, 1), part, 1e-14, $"{form} output");
            foreach ((Tensor e, Tensor a) in finals.Zip(parts)) Numbers.Close(e.narrow(0, 2, 1).narrow(1, 1, 1), a, 1e-14, $"{form} final state");
        }
    }

    [Theory]
    [MemberData(nameof(OperatorCase.TitansNames), MemberType = typeof(OperatorCase))]
    public void Later_tokens_change_nothing_before(string name)
    {
        TitansCase variant = TitansCase.All.Single(each => each.Name == name);
        (Tensor[] x, Tensor[] others, Tensor[] states) = (variant.Sequences(r, 22, 2, 2), variant.Others(r, 2), variant.States(r, 2, 2));
        Tensor[] changed = [.. x.Select(each => each.clone())];
        foreach (Tensor each in changed) each.narrow(1, 13, 1).mul_(0.5);
        Tensor before = variant.Call(x, others, states, OperatorForm.Chunked).Output, after = variant.Call(changed, others, states, OperatorForm.Chunked).Output;
        Assert.Equal(0, Numbers.Error(after.narrow(1, 0, 13), before.narrow(1, 0, 13)));
        Assert.NotEqual(0, Numbers.Error(after.narrow(1, 13, 9), before.narrow(1, 13, 9)));
    }

    private double[] Random(int n) => r.Uniform(0, 1, n).data<double>().ToArray();
}
