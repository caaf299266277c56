using Memory.Gen.Runtime.Operators;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>What the Titans memories are in special cases that have another name.</summary>
public sealed class TitansRuleTests : IDisposable
{
    private const long B = 2, T = 23, H = 2, K = 5, V = 3;

    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Randoms r = new(70);

    public static TheoryData<OperatorForm> Forms => [OperatorForm.Reference, OperatorForm.Chunked];

    public void Dispose() => scope.Dispose();

    [Theory]
    [MemberData(nameof(Forms))]
    public void One_matrix_and_blocks_of_one_token_are_the_delta_rule(OperatorForm form)
    {
        (Tensor q, Tensor k, Tensor v, Tensor theta) = (r.Normal(B, T, H, K), Unit(r.Normal(B, T, H, K)), r.Normal(B, T, H, V), r.Uniform(0, 1, B, T, H));
        Tensor W = r.Normal(B, H, K, V);
        MemoryRead expected = DeltaRule.Apply(q, k, v, theta, W, scale: 1, form: OperatorForm.Reference);
        TitansMlpRead actual = TitansMlp.Apply(q, k, v, theta, null, null, [W], new TitansOptions(1), form: form);
        Numbers.Close(expected.Output, actual.Output, 1e-12, "outputs");
        Numbers.Close(expected.FinalState, actual.FinalWeights[0], 1e-12, "final state");
        Assert.Empty(actual.FinalMomenta);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void A_whole_step_stores_a_pair_exactly(OperatorForm form)
    {
        (Tensor k, Tensor v) = (Unit(r.Normal(B, T, H, K)), r.Normal(B, T, H, V));
        TitansMlpRead read = TitansMlp.Apply(k, k, v, ones([B, T, H], dtype: ScalarType.Float64), null, null, [r.Normal(B, H, K, V)], new TitansOptions(1), form: form);
        Numbers.Close(v, read.Output, 1e-12, "what was just written");
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Decaying_first_is_the_gated_delta_rule(OperatorForm form)
    {
        (Tensor q, Tensor k, Tensor v) = (r.Normal(B, T, H, K), Unit(r.Normal(B, T, H, K)), r.Normal(B, T, H, V));
        (Tensor theta, Tensor alpha, Tensor W) = (r.Uniform(0, 1, B, T, H), r.Uniform(0, 0.5, B, T, H), r.Normal(B, H, K, V));
        MemoryRead expected = GatedDeltaRule.Apply(q, k, v, theta, (1 - alpha).log(), W, scale: 1, form: OperatorForm.Reference);
        TitansMlpRead actual = TitansMlp.Apply(q, k, v, theta, null, alpha, [W], new TitansOptions(1) { DecaysFirst = true }, form: form);
        Numbers.Close(expected.Output, actual.Output, 1e-12, "outputs");
        Numbers.Close(expected.FinalState, actual.FinalWeights[0], 1e-12, "final state");
    }

    [Fact]
    public void Titans_erases_with_what_has_not_decayed_yet()
    {
        (Tensor k, Tensor v, Tensor theta, Tensor alpha) = (Unit(r.Normal(1, 1, 1, K)), r.Normal(1, 1, 1, V), r.Uniform(0, 1, 1, 1, 1), r.Uniform(0, 1, 1, 1, 1));
        Tensor W = r.Normal(1, 1, K, V), key = k.view(1, 1, K, 1);
        Tensor After(bool decaysFirst) =>
            TitansMlp.Apply(k, k, v, theta, null, alpha, [W], new TitansOptions(1) { DecaysFirst = decaysFirst }).FinalWeights[0];
        Numbers.Close(-theta * alpha * key.matmul(key.transpose(-1, -2)).matmul(W), After(false) - After(true), 1e-14, "difference of the two orders");
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void One_block_from_nothing_is_linear_attention(OperatorForm form)
    {
        (Tensor q, Tensor k, Tensor v) = (r.Normal(B, T, H, K), r.Normal(B, T, H, K), r.Normal(B, T, H, V));
        Tensor one = ones([B, T, H], dtype: ScalarType.Float64), alpha = r.Uniform(0, 0.5, B, T, H), nothing = zeros([B, H, K, V], dtype: ScalarType.Float64);
        MemoryRead plain = LinearAttention.Apply(q, k, v, scale: 1, form: OperatorForm.Reference);
        TitansMlpRead actual = TitansMlp.Apply(q, k, v, one, null, null, [nothing], new TitansOptions((int)T), form: form);
        Numbers.Close(plain.Output, actual.Output, 1e-12, "outputs");
        Numbers.Close(plain.FinalState, actual.FinalWeights[0], 1e-12, "final state");

        MemoryRead decaying = ScalarDecay.Apply(q, k, v, (1 - alpha).log(), scale: 1, form: OperatorForm.Reference);
        actual = TitansMlp.Apply(q, k, v, one, null, alpha, [nothing], new TitansOptions((int)T), form: form);
        Numbers.Close(decaying.Output, actual.Output, 1e-12, "outputs with decay");
        Numbers.Close(decaying.FinalState, actual.FinalWeights[0], 1e-12, "final state with decay");
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Without_steps_and_gates_a_token_reads_the_first_weights(OperatorForm form)
    {
        foreach (TitansCase variant in TitansCase.All.Where(each => !each.Momentum || !each.Forgetting || each.Residual))
        {
            (Tensor[] x, Tensor[] others, Tensor[] states) = (variant.Sequences(r, T, B, H), variant.Others(r, H), variant.States(r, B, H));
            for (int i = 3; i < x.Length; i++) x[i].zero_();
            if (variant.Momentum) foreach (Tensor momentum in states[variant.Depth..]) momentum.zero_();
            (Tensor output, Tensor[] finals) = variant.Call(x, others, states, form);
            Tensor expected = TitansMlp.Retrieve(x[0], states[..variant.Depth], variant.Options.Activation, variant.Residual ? others[^1] : null, variant.Options.GatedLinearUnit);
            Numbers.Close(expected, output, 1e-12, $"{variant.Name}: outputs");
            for (int l = 0; l < variant.Depth; l++) Numbers.Close(states[l], finals[l], 1e-12, $"{variant.Name}: weights");
        }
    }

    [Theory]
    [InlineData(TitansActivation.Silu)]
    [InlineData(TitansActivation.Gelu)]
    public void A_gated_linear_unit_reads_what_its_formula_says(TitansActivation activation)
    {
        (Tensor x, Tensor[] W) = (r.Normal(B, T, H, K), [r.Normal(B, H, K, 7), r.Normal(B, H, 7, V), r.Normal(B, H, K, 7)]);
        Tensor u = einsum("bthk,bhke->bthe", x, W[0]), passed = einsum("bthk,bhke->bthe", x, W[2]);
        Tensor open = activation == TitansActivation.Gelu ? u * (1 + (u / Math.Sqrt(2)).erf()) / 2 : u / (1 + (-u).exp());
        Numbers.Close(einsum("bthe,bhev->bthv", open * passed, W[1]), TitansMlp.Retrieve(x, W, activation, gatedLinearUnit: true), 1e-13, "output");
    }

    [Fact]
    public void The_matrices_of_a_gated_linear_unit_are_three()
    {
        (Tensor x, Tensor theta, TitansOptions options) = (r.Normal(B, T, H, K), r.Uniform(0, 1, B, T, H), new TitansOptions(4) { GatedLinearUnit = true });
        Tensor[] W = [r.Normal(B, H, K, 7), r.Normal(B, H, 7, K), r.Normal(B, H, 7, K)];
        string Refused(Tensor[] weights) => Assert.Throws<ArgumentException>(() => TitansMlp.Apply(x, x, x, theta, null, null, weights, options)).Message;
        Assert.Contains("weights has 2 matrices; expected the three of a gated linear unit, W_1, W_2 and W_3", Refused(W[..2]));
        Assert.Contains("weights[2]", Refused(W));
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Forgetting_everything_leaves_the_momentum_alone(OperatorForm form)
    {
        TitansCase variant = TitansCase.All.Single(each => each.Name == "two layers");
        (Tensor[] x, Tensor[] states) = (variant.Sequences(r, T, B, H), variant.States(r, B, H));
        const long Total = 13;
        x[5].select(1, Total).fill_(1);
        (_, Tensor[] finals) = variant.Call([.. x.Select(each => each.narrow(1, 0, Total + 1))], [], states, form);
        for (int l = 0; l < 2; l++) Numbers.Close(finals[2 + l], finals[l], 1e-12, "W = S where alpha = 1");

        // Nothing from before is visible when the momentum ends there too; the token's own gradient is taken out by theta.
        x[4].select(1, Total).fill_(0);
        x[3].narrow(1, Total, T - Total).zero_();
        x[4].narrow(1, Total, T - Total).zero_();
        (Tensor output, finals) = variant.Call(x, [], states, form);
        Assert.Equal(0, output.narrow(1, Total, T - Total).abs().max().item<double>());
        Assert.All(finals, final => Assert.Equal(0, final.abs().max().item<double>()));
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Without_momentum_is_a_momentum_factor_of_zero(OperatorForm form)
    {
        foreach (int depth in new[] { 1, 2 })
        {
            long[] widths = [K, .. Enumerable.Repeat(7L, depth - 1), V];
            TitansCase with = new("with", new TitansOptions(6), widths), without = with with { Momentum = false };
            (Tensor[] x, Tensor[] states) = (with.Sequences(r, T, B, H), with.States(r, B, H));
            x[4].zero_();
            (Tensor expected, Tensor[] finals) = with.Call(x, [], states, form);
            (Tensor actual, Tensor[] weights) = without.Call([.. x[..4], x[5]], [], states[..depth], form);
            Numbers.Close(expected, actual, 1e-13, "outputs");
            foreach ((Tensor e, Tensor a) in finals[..depth].Zip(weights)) Numbers.Close(e, a, 1e-13, "weights");
        }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void One_write_goes_on_by_its_momentum(OperatorForm form)
    {
        const double Eta = 0.8, Theta = 0.3;
        (Tensor k, Tensor v, Tensor W) = (Unit(r.Normal(1, T, 1, K)), r.Normal(1, T, 1, V), r.Normal(1, 1, K, V));
        Tensor theta = zeros([1, T, 1], dtype: ScalarType.Float64), eta = theta + Eta;
        theta.select(1, 0).fill_(Theta);
        TitansMlpRead read = TitansMlp.Apply(k, k, v, theta, eta, null, [W], new TitansOptions(4), form: form);
        Tensor key = k.select(1, 0).view(1, 1, K, 1), G = key.matmul(key.transpose(-1, -2).matmul(W) - v.select(1, 0).view(1, 1, 1, V));
        Numbers.Close(-Theta * (1 - Math.Pow(Eta, T)) / (1 - Eta) * G, read.FinalWeights[0] - W, 1e-12, "what one write has moved");
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Decay_toward_the_first_weights_keeps_them(OperatorForm form)
    {
        foreach (TitansCase variant in TitansCase.All.Where(each => each.Target))
        {
            (Tensor[] x, Tensor[] others, Tensor[] states) = (variant.Sequences(r, T, B, H), variant.Others(r, H), variant.States(r, B, H));
            x[3].zero_();
            foreach (Tensor momentum in states[variant.Depth..]) momentum.zero_();
            variant.TargetOf(others, B)!.CopyTo(states, 0);
            (_, Tensor[] finals) = variant.Call(x, others, states, form);
            for (int l = 0; l < variant.Depth; l++) Numbers.Close(states[l], finals[l], 1e-12, variant.Name);
        }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Clipping_bounds_a_step_and_leaves_small_ones(OperatorForm form)
    {
        TitansCase free = TitansCase.All.Single(each => each.Name == "two layers") with { Options = new TitansOptions(1), Momentum = false, Forgetting = false };
        (Tensor[] x, Tensor[] states) = (free.Sequences(r, 1, 1, 1), free.States(r, 1, 1));
        x[3].fill_(1);
        double StepOf(TitansCase variant)
        {
            (_, Tensor[] finals) = variant.Call(x, [], states, form);
            return Math.Sqrt(finals.Zip(states).Sum(pair => (pair.First - pair.Second).pow(2).sum().item<double>()));
        }

        double whole = StepOf(free);
        Assert.Equal(whole, StepOf(free with { Options = new TitansOptions(1) { Clip = whole * 1.01 } }), 1e-14);
        Assert.Equal(whole / 3, StepOf(free with { Options = new TitansOptions(1) { Clip = whole / 3 } }), 1e-12);
    }

    [Fact]
    public void Orthonormal_pairs_are_recalled_without_error()
    {
        Tensor k = linalg.qr(r.Normal(B * H, K, K)).Item1.view(B, H, K, K).transpose(1, 2), v = r.Normal(B, K, H, V);
        Tensor one = ones([B, K, H], dtype: ScalarType.Float64);
        Tensor W = TitansMlp.Apply(k, k, v, one, null, null, [zeros([B, H, K, V], dtype: ScalarType.Float64)], new TitansOptions(1)).FinalWeights[0];
        Numbers.Close(v, TitansMlp.Retrieve(k, [W]), 1e-12, "after one pass");
    }

    [Fact]
    public void A_repeated_pair_is_learned_in_small_steps_without_overshooting()
    {
        const int Block = 8;
        Tensor k = Unit(r.Normal(1, 1, 1, K)).expand(1, 10 * Block, 1, K), v = r.Normal(1, 1, 1, V).expand(1, 10 * Block, 1, V);
        Tensor theta = zeros([1, 10 * Block, 1], dtype: ScalarType.Float64) + (1.0 / Block);
        Tensor read = TitansMlp.Apply(k, k, v, theta, null, null, [r.Normal(1, 1, K, V)], new TitansOptions(Block)).Output;
        double[] loss = (read - v).pow(2).sum(-1).view(-1).data<double>().ToArray();
        for (int t = 1; t < loss.Length; t++) Assert.True(loss[t] <= loss[t - 1] + 1e-12, $"token {t}: {loss[t]} after {loss[t - 1]}");
    }

    private static Tensor Unit(Tensor x) => x / x.norm(-1, keepdim: true);
}
