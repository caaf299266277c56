using Memory.Gen.Runtime.Operators;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>Gates at the ends of their range, badly conditioned keys, and what each rule becomes when a gate does nothing.</summary>
public sealed class GateTests
{
    private const long B = 2, T = 70, H = 2, K = 8, V = 4;
    private static readonly double[] Extremes = [0, -1e-8, -5, -50, -1e4, double.NegativeInfinity];

    private static readonly string[] Rules = ["scalar_decay", "channel_decay", "bonus_decay", "gated_delta_rule", "channel_delta_rule", "generalized_delta_rule"];

    public static TheoryData<string> Gated => [.. Rules];

    [Theory]
    [MemberData(nameof(Gated))]
    public void Extreme_gates_are_finite_and_exact(string name)
    {
        using var scope = NewDisposeScope();
        Tensor[] inputs = Inputs(name, 11);
        Tensor gates = inputs[^2];
        var random = new Random(5);
        double[] drawn = [.. Enumerable.Range(0, (int)gates.numel()).Select(_ => Extremes[random.Next(Extremes.Length)])];
        inputs[^2] = tensor(drawn).reshape(gates.shape);

        (Tensor[] expected, Tensor[] expectedGradients) = Run(name, inputs, OperatorForm.Reference, ScalarType.Float64);
        foreach (Tensor x in expected.Concat(expectedGradients)) Assert.True(x.isfinite().all().item<bool>());
        (Tensor[] actual, Tensor[] gradients) = Run(name, inputs, OperatorForm.Chunked, ScalarType.Float64);
        foreach ((Tensor e, Tensor a) in expected.Zip(actual)) Numbers.Close(e, a, 1e-10, "float64 output");
        foreach ((Tensor e, Tensor a) in expectedGradients.Zip(gradients)) Numbers.Close(e, a, 1e-10, "float64 gradient");
        foreach (OperatorForm form in Fast(name))
        {
            (actual, gradients) = Run(name, inputs, form, ScalarType.Float32);
            foreach ((Tensor e, Tensor a) in expected.Zip(actual)) Numbers.Close(e, a, 1e-5, $"{form}, float32 output");
            foreach ((Tensor e, Tensor a) in expectedGradients.Zip(gradients)) Numbers.Close(e, a, 5e-5, $"{form}, float32 gradient");
        }
    }

    [Theory]
    [MemberData(nameof(Gated))]
    public void Complete_forgetting_is_a_fresh_start(string name)
    {
        using var scope = NewDisposeScope();
        Tensor[] inputs = Inputs(name, 12);
        inputs[^2] = inputs[^2].clone();
        inputs[^2].select(1, 33).fill_(double.NegativeInfinity);
        // Its low-rank term recalls what was there before the decay.
        if (name == "generalized_delta_rule") inputs[3].select(1, 33).zero_();
        Tensor[] rest = [.. inputs[..^1].Select(x => x.dim() == 2 ? x : x.narrow(1, 33, T - 33)), zeros_like(inputs[^1])];
        foreach (OperatorForm form in Fast(name))
        {
            (ScalarType dtype, double limit) = form == OperatorForm.Native ? (ScalarType.Float32, 1e-6) : (ScalarType.Float64, 1e-12);
            (Tensor[] whole, _) = Run(name, inputs, form, dtype);
            (Tensor[] fresh, _) = Run(name, rest, form, dtype);
            int first = name == "bonus_decay" ? 34 : 33; // it reads before the decay
            Numbers.Close(fresh[0].narrow(1, first - 33, T - first), whole[0].narrow(1, first, T - first), limit, $"{form}, outputs");
            Numbers.Close(fresh[1], whole[1], limit, $"{form}, final state");
        }
    }

    [Fact]
    public void Long_strong_decay_stays_exact_in_float32()
    {
        using var scope = NewDisposeScope();
        foreach (string name in Rules)
        {
            Tensor[] inputs = Inputs(name, 13);
            inputs[^2] = full_like(inputs[^2], -50);
            inputs[^2].narrow(1, 40, 1).fill_(-1e-3);
            (Tensor[] expected, _) = Run(name, inputs, OperatorForm.Reference, ScalarType.Float64);
            foreach (OperatorForm form in Fast(name))
            {
                (Tensor[] actual, _) = Run(name, inputs, form, ScalarType.Float32);
                Numbers.Close(expected[0].select(1, 40), actual[0].select(1, 40), 1e-5, $"{name}, {form}");
            }
        }
    }

    [Theory]
    [InlineData("gated_delta_rule", 1.0)]
    [InlineData("gated_delta_rule", 2.0)]
    [InlineData("channel_delta_rule", 1.0)]
    [InlineData("channel_delta_rule", 2.0)]
    [InlineData("generalized_delta_rule", 1.0)]
    [InlineData("generalized_delta_rule", 2.0)]
    public void Repeated_keys_with_full_write_strength_stay_solvable(string name, double strength)
    {
        using var scope = NewDisposeScope();
        Tensor[] inputs = Inputs(name, 14);
        inputs[1] = inputs[1].narrow(1, 0, 1).expand(B, T, H, K).contiguous();
        (inputs[3], inputs[4]) = name == "generalized_delta_rule" ? (-inputs[1], strength * inputs[1]) : (full_like(inputs[3], strength), inputs[4]);
        inputs[^2] = zeros_like(inputs[^2]);
        (Tensor[] expected, Tensor[] expectedGradients) = Run(name, inputs, OperatorForm.Reference, ScalarType.Float64);
        foreach (OperatorForm form in Fast(name))
        {
            (Tensor[] actual, Tensor[] gradients) = Run(name, inputs, form, ScalarType.Float32);
            foreach ((Tensor e, Tensor a) in expected.Zip(actual)) Numbers.Close(e, a, 1e-5, $"{form}, output");
            foreach ((Tensor e, Tensor a) in expectedGradients.Zip(gradients)) Numbers.Close(e, a, 5e-5, $"{form}, gradient");
        }
    }

    /// <summary>Nothing forgotten or everything, no momentum or all of it, no step, each with chance numbers between.</summary>
    [Theory]
    [InlineData("titans_linear in blocks")]
    [InlineData("titans_mlp in blocks")]
    [InlineData("titans of matrix toward a target")]
    public void Gates_of_Titans_at_their_ends_are_exact(string name)
    {
        using var scope = NewDisposeScope();
        OperatorCase each = OperatorCase.Of(name);
        var r = new Randoms(16);
        Tensor[] x = each.Sequences(r, 41), others = each.Others(r), states = each.States(r);
        Tensor Ends(Tensor between, params double[] ends)
        {
            Tensor drawn = r.Uniform(0, 2 * ends.Length, between.shape);
            for (int i = 0; i < ends.Length; i++) between = between.masked_fill(drawn.ge(i) & drawn.lt(i + 1), ends[i]);
            return between;
        }

        (x[3], x[4], x[5]) = (Ends(x[3] / 4, 0), Ends(x[4], 0, 1), Ends(x[5], 0, 1));
        (Tensor[] expected, Tensor[] expectedGradients) = Numbers.ForwardBackward(each, x, others, states, OperatorForm.Reference, null);
        foreach ((OperatorForm form, ScalarType dtype, double limit, double gradientLimit) in new[] { (OperatorForm.Chunked, ScalarType.Float64, 1e-10, 1e-10), (OperatorForm.Native, ScalarType.Float32, 1e-5, 5e-5) })
        {
            (Tensor[] actual, Tensor[] gradients) = Numbers.ForwardBackward(each, [.. x.Select(t => t.to(dtype))], [.. others.Select(t => t.to(dtype))], [.. states.Select(t => t.to(dtype))], form, null);
            foreach ((Tensor e, Tensor a) in expected.Zip(actual)) Numbers.Close(e, a, limit, $"{form}, output");
            foreach ((Tensor e, Tensor a) in expectedGradients.Zip(gradients)) Numbers.Close(e, a, gradientLimit, $"{form}, gradient");
        }
    }

    [Fact]
    public void Without_gates_the_rules_are_the_simpler_ones()
    {
        using var scope = NewDisposeScope();
        Tensor[] x = Inputs("gated_delta_rule", 15);
        Tensor none = zeros_like(x[4]), S = x[5];
        const OperatorForm Form = OperatorForm.Chunked;
        Tensor delta = DeltaRule.Apply(x[0], x[1], x[2], x[3], S, form: Form).Output, linear = LinearAttention.Apply(x[0], x[1], x[2], S, form: Form).Output;
        Numbers.Close(delta, GatedDeltaRule.Apply(x[0], x[1], x[2], x[3], none, S, form: Form).Output, 1e-12, "gated delta without decay");
        Numbers.Close(linear, ScalarDecay.Apply(x[0], x[1], x[2], none, S, form: Form).Output, 1e-12, "scalar decay of nothing");
        Tensor spread = x[4].unsqueeze(3).expand(B, T, H, K);
        Tensor scalar = ScalarDecay.Apply(x[0], x[1], x[2], x[4], S, form: Form).Output;
        Numbers.Close(scalar, ChannelDecay.Apply(x[0], x[1], x[2], spread, S, form: Form).Output, 1e-12, "the same decay in every channel");
        Tensor unwritten = GatedDeltaRule.Apply(x[0], x[1], x[2], none, x[4], S, form: Form).FinalState;
        Numbers.Close(S * x[4].sum(1).exp().unsqueeze(2).unsqueeze(3), unwritten, 1e-12, "write strength zero only decays");
    }

    [Fact]
    public void The_channel_delta_rule_is_each_simpler_rule_in_its_place()
    {
        using var scope = NewDisposeScope();
        Tensor[] x = Inputs("channel_delta_rule", 17);
        Tensor S = x[5], everywhere = Inputs("gated_delta_rule", 18)[4];
        foreach (OperatorForm form in Fast("channel_delta_rule"))
        {
            double limit = form == OperatorForm.Native ? 1e-5 : 1e-12;
            void Same(MemoryRead expected, Tensor beta, Tensor logDecay, Tensor? k = null, string what = "")
            {
                Tensor To(Tensor from) => form == OperatorForm.Native ? from.to(ScalarType.Float32) : from;
                MemoryRead actual = ChannelDeltaRule.Apply(To(x[0]), To(k ?? x[1]), To(x[2]), To(beta), To(logDecay), To(S), form: form);
                Numbers.Close(expected.Output, actual.Output, limit, $"{form}, {what}, output");
                Numbers.Close(expected.FinalState, actual.FinalState, limit, $"{form}, {what}, final state");
            }

            const OperatorForm Loop = OperatorForm.Reference;
            Same(GatedDeltaRule.Apply(x[0], x[1], x[2], x[3], everywhere, S, form: Loop), x[3], everywhere.unsqueeze(3).expand(B, T, H, K).contiguous(), what: "the same decay in every channel");
            Same(DeltaRule.Apply(x[0], x[1], x[2], x[3], S, form: Loop), x[3], zeros_like(x[4]), what: "no decay");
            Tensor nothing = zeros_like(x[2]);
            Same(ChannelDecay.Apply(x[0], x[1], nothing, x[4], S, form: Loop), zeros_like(x[3]), x[4], what: "write strength zero only decays");

            // One key of its own for each of K tokens, and nothing in front: what is read of it is zero, whatever was kept of the others.
            MemoryRead first = ChannelDecay.Apply(x[0].narrow(1, 0, K), Basis(), x[2].narrow(1, 0, K), x[4].narrow(1, 0, K), form: Loop);
            Tensor Cut(Tensor from) => from.narrow(1, 0, K).to(form == OperatorForm.Native ? ScalarType.Float32 : ScalarType.Float64);
            MemoryRead read = ChannelDeltaRule.Apply(Cut(x[0]), Cut(Basis()), Cut(x[2]), Cut(ones_like(x[3])), Cut(x[4]), form: form);
            Numbers.Close(first.Output, read.Output, limit, $"{form}, orthonormal keys, output");
            Numbers.Close(first.FinalState, read.FinalState, limit, $"{form}, orthonormal keys, final state");
        }

        static Tensor Basis() => eye(K, dtype: ScalarType.Float64).view(1, K, 1, K).expand(B, K, H, K).contiguous();
    }

    [Fact]
    public void The_generalized_delta_rule_is_each_simpler_rule_in_its_place()
    {
        using var scope = NewDisposeScope();
        Tensor[] x = Inputs("channel_delta_rule", 19);
        Tensor q = x[0], k = x[1], v = x[2], beta = x[3].unsqueeze(3), g = x[4], S = x[5], nothing = zeros_like(k), any = new Randoms(20).Normal(B, T, H, K);
        const OperatorForm Loop = OperatorForm.Reference;
        foreach (OperatorForm form in SequencePack.FormsOf("generalized_delta_rule"))
        {
            double limit = form == OperatorForm.Native ? 1e-5 : 1e-12;
            void Same(MemoryRead expected, string what, Tensor values, Tensor a, Tensor b, Tensor logDecay)
            {
                Tensor To(Tensor from) => form == OperatorForm.Native ? from.to(ScalarType.Float32) : from;
                MemoryRead actual = GeneralizedDeltaRule.Apply(To(q), To(k), To(values), To(a), To(b), To(logDecay), To(S), form: form);
                Numbers.Close(expected.Output, actual.Output, limit, $"{form}, {what}, output");
                Numbers.Close(expected.FinalState, actual.FinalState, limit, $"{form}, {what}, final state");
            }

            Same(ChannelDeltaRule.Apply(q, k, v, x[3], g, S, form: Loop), "erasing the decayed state", beta * v, -g.exp() * k, beta * k, g);
            Same(DeltaRule.Apply(q, k, v, x[3], S, form: Loop), "no decay", beta * v, -k, beta * k, nothing);
            Same(ChannelDecay.Apply(q, k, v, g, S, form: Loop), "nothing recalled", v, nothing, any, g);
            Same(ChannelDecay.Apply(q, k, v, g, S, form: Loop), "recalled for nothing", v, any, nothing, g);
        }
    }

    /// <summary>At every token all is forgotten, but that the row of one channel goes on in the next: only a state before its decay has it.</summary>
    [Fact]
    public void The_low_rank_term_recalls_the_state_before_its_decay()
    {
        using var scope = NewDisposeScope();
        Tensor S = new Randoms(21).Normal(1, 1, K, V), place = eye(K, dtype: ScalarType.Float64).view(1, K, 1, K);
        Tensor nothing = zeros([1, K, 1, K], dtype: ScalarType.Float64), values = zeros([1, K, 1, V], dtype: ScalarType.Float64);
        foreach (OperatorForm form in Fast("generalized_delta_rule"))
        {
            for (long tokens = 1; tokens < K; tokens++)
            {
                Tensor Cut(Tensor from, long first = 0) => from.narrow(1, first, tokens).to(form == OperatorForm.Native ? ScalarType.Float32 : ScalarType.Float64);
                Tensor final = GeneralizedDeltaRule.Apply(
                    Cut(nothing), Cut(nothing), Cut(values), Cut(place), Cut(place, 1), Cut(full_like(nothing, double.NegativeInfinity)), S.to(Cut(values).dtype), form: form).FinalState;
                Tensor expected = zeros_like(S);
                expected.select(2, tokens).copy_(S.select(2, 0));
                Numbers.Close(expected, final, form == OperatorForm.Native ? 1e-6 : 0, $"{form}, {tokens} tokens");
            }
        }
    }

    /// <summary>The forms that are held to the token loop.</summary>
    private static IEnumerable<OperatorForm> Fast(string name) => SequencePack.FormsOf(name).Except([OperatorForm.Reference]);

    private static Tensor[] Inputs(string name, ulong seed)
    {
        var r = new Randoms(seed);
        Tensor k = r.Normal(B, T, H, K);
        Tensor[] qkv = [r.Normal(B, T, H, K), k / k.norm(-1, keepdim: true), r.Normal(B, T, H, V)];
        Tensor S = r.Normal(B, H, K, V), g = r.Uniform(-0.3, 0, B, T, H), beta = r.Uniform(0, 1, B, T, H);
        return name switch
        {
            "scalar_decay" => [.. qkv, g, S],
            "channel_decay" => [.. qkv, r.Uniform(-0.3, 0, B, T, H, K), S],
            "bonus_decay" => [.. qkv, r.Normal(H, K), r.Uniform(-0.3, 0, B, T, H, K), S],
            "channel_delta_rule" => [.. qkv, beta, r.Uniform(-0.3, 0, B, T, H, K), S],
            "generalized_delta_rule" => [.. qkv, qkv[1].flip(3), 0.2 * r.Normal(B, T, H, K), r.Uniform(-0.3, 0, B, T, H, K), S],
            _ => [.. qkv, beta, g, S],
        };
    }

    private static (Tensor[] Outputs, Tensor[] Gradients) Run(string name, Tensor[] inputs, OperatorForm form, ScalarType dtype)
    {
        Tensor[] x = [.. inputs.Select(each => each.to(dtype).detach().clone().requires_grad_())];
        MemoryRead read = name switch
        {
            "scalar_decay" => ScalarDecay.Apply(x[0], x[1], x[2], x[3], x[4], form: form),
            "channel_decay" => ChannelDecay.Apply(x[0], x[1], x[2], x[3], x[4], form: form),
            "bonus_decay" => BonusDecay.Apply(x[0], x[1], x[2], x[4], x[3], x[5], form: form),
            "channel_delta_rule" => ChannelDeltaRule.Apply(x[0], x[1], x[2], x[3], x[4], x[5], form: form),
            "generalized_delta_rule" => GeneralizedDeltaRule.Apply(x[0], x[1], x[2], x[3], x[4], x[5], x[6], form: form),
            _ => GatedDeltaRule.Apply(x[0], x[1], x[2], x[3], x[4], x[5], form: form),
        };
        Tensor[] outputs = [read.Output, read.FinalState];
        Numbers.Objective(outputs).backward();
        return (outputs, [.. x.Select(each => each.grad!)]);
    }
}
