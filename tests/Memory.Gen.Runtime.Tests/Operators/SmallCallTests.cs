using Memory.Gen.Runtime.Modules;
using Memory.Gen.Runtime.Operators;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>Operators that take several steps in one call where no gradient is wanted: the same numbers as the steps, and their gradients where one is.</summary>
public sealed class SmallCallTests
{
    [Theory]
    [InlineData(1, 16, 33, 5)]
    [InlineData(3, 7, 40, 7)]
    [InlineData(64, 24, 65, 17)]
    [InlineData(400, 16, 200, 16)] // too many rows to lie in the cache
    [InlineData(0, 16, 33, 5)]
    public void A_network_equals_its_formula(long rows, long features, long hidden, long outputs)
    {
        using var scope = NewDisposeScope();
        using Linear gate = nn.Linear(features, hidden, hasBias: false), up = nn.Linear(features, hidden, hasBias: false), down = nn.Linear(hidden, outputs, hasBias: false);
        Tensor exact = new Randoms(91).Normal(rows, 1, features), x = exact.to(ScalarType.Float32);
        Tensor[] wide = [.. new[] { gate, up, down }.Select(layer => layer.weight!.detach().to(ScalarType.Float64).requires_grad_(true))];
        Tensor expected = nn.functional.linear(nn.functional.linear(exact, wide[0]).silu() * nn.functional.linear(exact, wide[1]), wide[2]);
        using (no_grad())
        {
            Numbers.Close(expected, SwiGlu.Network(x, gate, up, down), 2e-5, "without gradients");
            Tensor spread = cat(new[] { x, x }, -1).narrow(-1, 0, features);
            Numbers.Close(expected, SwiGlu.Network(spread, gate, up, down), 2e-5, "from rows that do not lie together");
        }

        Tensor actual = SwiGlu.Network(x, gate, up, down);
        Numbers.Close(expected, actual, 2e-5, "with gradients");
        if (rows == 0) return;
        IList<Tensor> gradients = autograd.grad([actual.square().sum()], [gate.weight!, up.weight!, down.weight!]);
        foreach ((Tensor e, Tensor a) in autograd.grad([expected.square().sum()], wide).Zip(gradients)) Numbers.Close(e, a, 1e-4, "gradient");
    }

    [Fact]
    public void A_network_with_biases_or_that_does_not_fit_is_left_to_its_operators()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using Linear gate = nn.Linear(6, 8), up = nn.Linear(6, 8), down = nn.Linear(8, 6), narrow = nn.Linear(5, 8, hasBias: false);
        Tensor x = ones(2, 6);
        Numbers.Close(down.call(gate.call(x).silu() * up.call(x)), SwiGlu.Network(x, gate, up, down), 1e-6, "with biases");
        Assert.Throws<ArgumentException>(() => SwiGlu.Network(ones(5), narrow, up, down));
        Assert.Throws<ArgumentException>(() => SwiGlu.Network(x, narrow, narrow, down));
    }

    [Fact]
    public void A_network_counts_as_uses_of_its_kernels()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using Linear gate = nn.Linear(4, 8, hasBias: false), down = nn.Linear(8, 4, hasBias: false);
        Tensor x = ones(1, 4);
        var uses = new List<OperatorUse>();
        int thread = Environment.CurrentManagedThreadId;
        void Add(OperatorUse use)
        {
            if (Environment.CurrentManagedThreadId == thread) uses.Add(use);
        }

        OperatorForms.Used += Add;
        SwiGlu.Network(x, gate, gate, down);
        OperatorForms.Used -= Add;
        Assert.Equal([new("linear", OperatorForm.Native), new("swiglu", OperatorForm.Native)], uses);
    }

    [Theory]
    [InlineData(1, 4, 3, true, false)]
    [InlineData(1, 4, 1, true, true)]
    [InlineData(5, 4, 3, false, true)]
    [InlineData(7, 1, 2, true, true)]
    [InlineData(0, 4, 2, true, false)]
    [InlineData(40, 3, 17, true, false)]
    public void Convolution_into_heads_equals_its_steps(long tokens, long width, long features, bool unit, bool hasBias)
    {
        const long Batch = 2, Heads = 3;
        using var scope = NewDisposeScope();
        var r = new Randoms(92);
        Tensor[] exact = [r.Normal(Batch, tokens, Heads * features), r.Normal(Heads * features, width), r.Normal(Heads * features), r.Normal(Batch, width - 1, Heads * features)];
        var steps = CausalConvolution.Apply(exact[0], exact[1], hasBias ? exact[2] : null, exact[3], OperatorForm.Reference);
        Tensor expected = steps.Output.view(Batch, tokens, Heads, features);
        if (unit) expected = expected / (expected.square().sum(-1, keepdim: true) + 1e-6).sqrt();
        foreach (bool gradients in new[] { false, true })
        {
            using var mode = set_grad_enabled(gradients);
            Tensor[] x = [.. exact.Select(each => each.to(ScalarType.Float32))];
            if (gradients) x[0].requires_grad_(true);
            var read = CausalConvolution.Heads(x[0], x[1], hasBias ? x[2] : null, x[3], Heads, unit);
            Numbers.Close(expected, read.Output, 2e-5, $"gradients {gradients}, output");
            Numbers.Close(steps.FinalState, read.FinalState, 1e-6, $"gradients {gradients}, final state");
            Assert.Equal(gradients, read.Output.requires_grad);
        }
    }

    [Fact]
    public void Convolution_into_heads_that_do_not_fit_says_so()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using var convolution = new ShortConvolution(6, 4);
        Assert.Contains("4 heads do not divide 6 channels", Assert.Throws<ArgumentException>(() => convolution.Heads(ones(1, 1, 6), 4, null)).Message);
        Assert.Contains("7", Assert.Throws<ArgumentException>(() => convolution.UnitHeads(ones(1, 1, 7), 7, null)).Message);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(300)]
    public void Log_decay_equals_its_formula_with_gradients(long tokens)
    {
        const long Heads = 5;
        using var scope = NewDisposeScope();
        var r = new Randoms(93);
        Tensor[] exact = [.. new[] { 20 * r.Normal(1, tokens, Heads), r.Normal(Heads), r.Normal(Heads) }.Select(x => x.detach().requires_grad_(true))];
        Tensor expected = -exact[1].exp() * (1 + (exact[0] + exact[2]).exp()).log();
        Tensor[] single = [.. exact.Select(x => x.detach().to(ScalarType.Float32).requires_grad_(true))];
        using (no_grad())
        {
            Tensor small = LogDecay.Apply(single[0], single[1], single[2]);
            Numbers.Close(expected, small, 1e-6, "without gradients");
            Assert.True((small <= 0).all().item<bool>());
        }

        Tensor actual = LogDecay.Apply(single[0], single[1], single[2]);
        Numbers.Close(expected, actual, 1e-6, "with gradients");
        IList<Tensor> gradients = autograd.grad([actual.square().mean()], single);
        foreach ((Tensor e, Tensor a) in autograd.grad([expected.square().mean()], exact).Zip(gradients)) Numbers.Close(e, a, 1e-5, "gradient");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(60)]
    public void The_log_decay_of_channels_is_that_of_heads_with_a_rate_for_several(long tokens)
    {
        const long H = 3, K = 4;
        using var scope = NewDisposeScope();
        var r = new Randoms(97);
        Tensor[] leaves = [.. new[] { 5 * r.Normal(2, tokens, H * K), r.Normal(H), r.Normal(H * K) }.Select(x => x.to(ScalarType.Float32).requires_grad_(true))];
        Tensor expected = LogDecay.Apply(leaves[0], leaves[1].unsqueeze(1).expand(H, K).reshape(H * K), leaves[2]).view(2, tokens, H, K), actual = LogDecay.Channels(leaves[0], leaves[1], leaves[2]);
        Numbers.Close(expected, actual, 1e-6, "with gradients");
        foreach ((Tensor e, Tensor a) in autograd.grad([expected.square().mean()], leaves).Zip(autograd.grad([actual.square().mean()], leaves))) Numbers.Close(e, a, 1e-6, "gradient");
        using var quiet = no_grad();
        Numbers.Close(expected, LogDecay.Channels(leaves[0], leaves[1], leaves[2]), 1e-6, "without gradients");
    }

    /// <summary>A bias of -5 leaves a 16-bit sum steps of 1/32, which is 3 % of a decay.</summary>
    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void A_log_decay_of_16_bit_inputs_is_computed_in_float32(ScalarType rates)
    {
        using var scope = NewDisposeScope();
        var r = new Randoms(94);
        Tensor x = r.Normal(1, 300, 5).to(ScalarType.BFloat16), rate = r.Normal(5).to(rates), bias = (r.Normal(5) - 5).to(rates);
        Tensor Exact(Tensor of) => of.to(ScalarType.Float64);
        Tensor expected = -Exact(rate).exp() * (1 + (Exact(x) + Exact(bias)).exp()).log(), actual = LogDecay.Apply(x, rate, bias);
        Assert.Equal(ScalarType.Float32, actual.dtype);
        Assert.True(((actual - expected) / expected).abs().max().item<double>() < 1e-6);
    }

    [Fact]
    public void A_small_log_decay_is_not_nothing()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        Tensor x = tensor(new[] { -18.5f, -25, -40, -80 }).view(1, 4, 1), none = zeros(1);
        Tensor expected = -x.to(ScalarType.Float64).exp();
        Assert.True(((LogDecay.Apply(x, none, none) - expected) / expected).abs().max().item<double>() < 1e-6);
    }

    /// <summary>Also where the sigmoid is 0 or 1 to 32 bits.</summary>
    [Theory]
    [InlineData(0)]
    [InlineData(0.75)]
    public void A_log_decay_with_a_least_decay_equals_its_formula(double least)
    {
        using var scope = NewDisposeScope();
        double[] at = [-30, -3, 0, 0.5, 7, 30, 80];
        // ln(least + (1 - least) sigmoid(x)), above 0 as ln(1 - y) = -2 artanh(y / (2 - y)).
        Tensor expected = tensor([.. at.Select(x => x >= 0 ? Below(Key(x)) : least == 0 ? x - Math.Log(1 + Math.Exp(x)) : Math.Log(1 - Key(x)))]);
        Tensor slopes = tensor([.. at.Select(x => Key(x) / (1 + Math.Exp(-x)) / (least + ((1 - least) / (1 + Math.Exp(-x)))))]);
        foreach ((ScalarType dtype, double limit) in new[] { (ScalarType.Float64, 1e-13), (ScalarType.Float32, 1e-5) })
        {
            Tensor x = tensor(at).to(dtype).requires_grad_(), actual = LogDecay.Sigmoid(x, least);
            Assert.Equal(dtype, actual.dtype);
            Assert.True(((actual - expected) / expected).abs().max().item<double>() < limit);
            Numbers.Close(slopes, autograd.grad([actual.sum()], [x])[0], limit, "slope");
        }

        Assert.Equal(least == 0 ? -200 : Math.Log(least), LogDecay.Sigmoid(tensor(-200f), least).item<float>(), 1e-4);
        Assert.Equal(ScalarType.Float32, LogDecay.Sigmoid(zeros(2, dtype: ScalarType.BFloat16), least).dtype);
        Assert.Contains("least is 1; expected 0 to below 1", Assert.Throws<ArgumentOutOfRangeException>(() => LogDecay.Sigmoid(zeros(2), 1)).Message);

        double Key(double x) => (1 - least) / (1 + Math.Exp(x));

        static double Below(double y) => -2 * Math.Atanh(y / (2 - y));
    }

    [Fact]
    public void Nine_axes_are_a_network_too()
    {
        using var scope = NewDisposeScope();
        using Linear gate = nn.Linear(3, 4, hasBias: false), up = nn.Linear(3, 4, hasBias: false), down = nn.Linear(4, 2, hasBias: false);
        Tensor x = ones(new long[] { 1, 1, 1, 1, 1, 1, 1, 2, 3 }), recorded = SwiGlu.Network(x, gate, up, down);
        using var quiet = no_grad();
        Numbers.Close(recorded, SwiGlu.Network(x, gate, up, down), 1e-6, "without gradients");
    }

    [Theory]
    [InlineData(1)]
    [InlineData(9)]
    public void Memories_without_gradients_equal_the_token_loop(long tokens)
    {
        const long B = 2, H = 3, K = 20, V = 17;
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var r = new Randoms(94);
        Tensor q = r.Normal(B, tokens, H, K), k = 0.1 * r.Normal(B, tokens, H, K), v = r.Normal(B, tokens, H, V), beta = r.Normal(B, tokens, H).sigmoid();
        Tensor decay = -r.Normal(B, tokens, H).exp(), channels = -r.Normal(B, tokens, H, K).exp(), state = r.Normal(B, H, K, V), b = 0.1 * r.Normal(B, tokens, H, K), bonus = r.Normal(H, K);
        Assert.All(
            new (string Name, Func<Func<Tensor, Tensor>, OperatorForm?, MemoryRead> Call)[]
            {
                ("linear_attention", (to, f) => LinearAttention.Apply(to(q), to(k), to(v), to(state), form: f)),
                ("scalar_decay", (to, f) => ScalarDecay.Apply(to(q), to(k), to(v), to(decay), null, 0.5, f)),
                ("channel_decay", (to, f) => ChannelDecay.Apply(to(q), to(k), to(v), to(channels), to(state), form: f)),
                ("bonus_decay", (to, f) => BonusDecay.Apply(to(q), to(k), to(v), to(channels), to(bonus), to(state), form: f)),
                ("delta_rule", (to, f) => DeltaRule.Apply(to(q), to(k), to(v), to(beta), null, form: f)),
                ("gated_delta_rule", (to, f) => GatedDeltaRule.Apply(to(q), to(k), to(v), to(beta), to(decay), to(state), form: f)),
                ("channel_delta_rule", (to, f) => ChannelDeltaRule.Apply(to(q), to(k), to(v), to(beta), to(channels), to(state), form: f)),
                ("generalized_delta_rule", (to, f) => GeneralizedDeltaRule.Apply(to(q), to(k), to(v), to(-k), to(b), to(channels), to(state), form: f)),
            },
            rule =>
            {
                MemoryRead expected = rule.Call(x => x, OperatorForm.Reference);
                foreach ((string how, Func<Tensor, Tensor> to) in new (string, Func<Tensor, Tensor>)[] { ("as they lie", Single), ("turned", x => Single(x.transpose(0, 1)).contiguous().transpose(0, 1)) })
                {
                    MemoryRead read = rule.Call(to, null);
                    Assert.Equal(new OperatorUse(rule.Name, OperatorForm.Native), OperatorForms.LastUsed);
                    Numbers.Close(expected.Output, read.Output, 2e-5, $"{rule.Name}, {how}, output");
                    Numbers.Close(expected.FinalState, read.FinalState, 2e-5, $"{rule.Name}, {how}, final state");
                }
            });
        Assert.Contains("beta has shape", Assert.Throws<ArgumentException>(() => DeltaRule.Apply(Single(q), Single(k), Single(v), Single(channels))).Message);
        Assert.Contains("initialState has shape", Assert.Throws<ArgumentException>(() => DeltaRule.Apply(Single(q), Single(k), Single(v), Single(beta), Single(k))).Message);
        Assert.Throws<ArgumentOutOfRangeException>(() => LinearAttention.Apply(Single(q), Single(k), Single(v), scale: double.NaN));

        static Tensor Single(Tensor x) => x.to(ScalarType.Float32);
    }

    [Theory]
    [InlineData(1, 64)]
    [InlineData(5, 33)]
    [InlineData(0, 8)]
    public void A_norm_without_gradients_equals_its_formula(long rows, long features)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        var r = new Randoms(95);
        Tensor x = r.Normal(2, rows, features), weight = r.Normal(features), gate = r.Normal(2, rows, features);
        Tensor expected = x / (x.square().mean(new long[] { -1 }, keepdim: true) + 1e-6).sqrt() * weight;
        Tensor single = x.to(ScalarType.Float32), weights = weight.to(ScalarType.Float32), gates = gate.to(ScalarType.Float32);
        Numbers.Close(expected, RootMeanSquareNorm.Apply(single, weights), 2e-6, "norm");
        Numbers.Close(expected * gate * gate.sigmoid(), RootMeanSquareNorm.Gated(single, weights, gates), 2e-6, "gated");
        Tensor side = gates.flatten(1), heads = RootMeanSquareNorm.GatedHeads(single, weights, side);
        Assert.Equal(side.shape, heads.shape);
        Assert.True(heads.view(single.shape).equal(RootMeanSquareNorm.Gated(single, weights, gates)).all().item<bool>());
        Assert.Contains("gate has shape [2, 7]; expected [S, J] = [2, ", Assert.Throws<ArgumentException>(() => RootMeanSquareNorm.GatedHeads(single, weights, ones(2, 7))).Message);
        Assert.Contains("weight has shape", Assert.Throws<ArgumentException>(() => RootMeanSquareNorm.Apply(single, ones(features + 1))).Message);
        Assert.Contains("gate has shape", Assert.Throws<ArgumentException>(() => RootMeanSquareNorm.Gated(single, weights, ones(features))).Message);
    }
}
