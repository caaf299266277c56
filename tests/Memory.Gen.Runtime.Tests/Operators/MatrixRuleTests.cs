using Memory.Gen.Runtime.Operators;
using TorchSharp;
using Xunit;
using static Memory.Gen.Runtime.Tests.Operators.FormNumbers;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>What the matrix memories are in special cases that have another name, and laws that all of them keep.</summary>
public sealed class MatrixRuleTests : IDisposable
{
    private const long B = 2, T = 70, H = 2, K = 8, V = 5;

    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Randoms r = new(80);

    public static TheoryData<OperatorForm> Forms => [.. Enum.GetValues<OperatorForm>()];

    public void Dispose() => scope.Dispose();

    [Theory]
    [MemberData(nameof(Forms))]
    public void A_constant_decay_is_the_formula_of_retention(OperatorForm form)
    {
        Tensor q = r.Normal(B, T, H, K), k = r.Normal(B, T, H, K), v = r.Normal(B, T, H, V), rates = tensor(new[] { -0.03, -0.4 });
        Tensor steps = arange(T, dtype: ScalarType.Float64), apart = steps.unsqueeze(1) - steps;
        Tensor decays = (apart * rates.view(H, 1, 1)).exp().tril();
        Tensor expected = einsum("bhts,bshv->bthv", einsum("bthk,bshk->bhts", q, k) * decays, v);
        Tensor actual = ScalarDecay.Apply(To(form, q), To(form, k), To(form, v), To(form, rates.expand(B, T, H).contiguous()), scale: 1, form: form).Output;
        Numbers.Close(expected, actual, Limit(form), "retention");
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Orthonormal_keys_make_the_delta_rule_additive(OperatorForm form)
    {
        Tensor k = linalg.qr(r.Normal(B * H, K, K)).Item1.view(B, H, K, K).transpose(1, 2), q = r.Normal(B, K, H, K), v = r.Normal(B, K, H, V);
        MemoryRead expected = LinearAttention.Apply(q, k, v, form: OperatorForm.Reference);
        MemoryRead actual = DeltaRule.Apply(To(form, q), To(form, k), To(form, v), To(form, ones([B, K, H], dtype: ScalarType.Float64)), form: form);
        Numbers.Close(expected.Output, actual.Output, Limit(form), "outputs");
        Numbers.Close(expected.FinalState, actual.FinalState, Limit(form), "final state");
    }

    /// <summary>Unit keys and write strengths up to 2 reflect at most: without values a state never grows.</summary>
    [Theory]
    [MemberData(nameof(Forms))]
    public void A_state_does_not_grow_by_erasing(OperatorForm form)
    {
        Tensor keys = r.Normal(B, 600, H, K), nothing = zeros([B, 600, H, V], dtype: ScalarType.Float64), S = r.Normal(B, H, K, V);
        keys = keys / keys.norm(-1, keepdim: true);
        keys.narrow(1, 200, 200).copy_(keys.narrow(1, 200, 1).expand(B, 200, H, K).clone());
        foreach (Tensor beta in new[] { full([B, 600, H], 2, dtype: ScalarType.Float64), r.Uniform(0, 2, B, 600, H) })
        {
            Tensor final = DeltaRule.Apply(To(form, keys), To(form, keys), To(form, nothing), To(form, beta), To(form, S), form: form).FinalState;
            double before = S.norm().item<double>(), after = final.to(ScalarType.Float64).norm().item<double>();
            Assert.True(after <= before * (1 + Limit(form)), $"{after} after {before}");
        }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void The_first_decay_of_an_empty_state_has_no_gradient(OperatorForm form)
    {
        foreach (string name in Served(form, "scalar_decay", "channel_decay", "gated_delta_rule", "delta_product", "channel_delta_rule", "generalized_delta_rule"))
        {
            (OperatorCase each, Tensor[] x, Tensor[] states) = Drawn(name, form);
            (_, Tensor[] gradients) = Numbers.ForwardBackward(each, x, [], [.. states.Select(state => zeros_like(state))], form, 16);
            double first = gradients[x.Length - 1].select(1, 0).abs().max().to(ScalarType.Float64).item<double>();
            // The chunked form takes it from a difference of sums.
            Assert.True(first <= (form == OperatorForm.Chunked ? 1e-12 : 0), $"{name}: {first}");
        }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Outputs_scale_with_values_and_queries_to_the_bit(OperatorForm form)
    {
        foreach (string name in Served(form, "linear_attention", "scalar_decay", "channel_decay", "delta_rule", "gated_delta_rule", "delta_product", "channel_delta_rule", "generalized_delta_rule"))
        {
            (OperatorCase each, Tensor[] x, Tensor[] states) = Drawn(name, form);
            (Tensor output, Tensor[] finals) = each.Call(x, [], states, form, 16);
            (Tensor values, Tensor[] twice) = each.Call([x[0], x[1], 2 * x[2], .. x[3..]], [], [2 * states[0]], form, 16);
            (Tensor queries, Tensor[] same) = each.Call([2 * x[0], .. x[1..]], [], states, form, 16);
            Assert.Equal((0, 0), (Numbers.Error(values, 2 * output), Numbers.Error(twice[0], 2 * finals[0])));
            Assert.Equal((0, 0), (Numbers.Error(queries, 2 * output), Numbers.Error(same[0], finals[0])));
        }
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void The_order_of_rows_and_heads_changes_nothing_but_the_order(OperatorForm form)
    {
        foreach (string name in Served(form, "linear_attention", "linear_attention_normalized", "scalar_decay", "channel_decay", "delta_rule", "gated_delta_rule", "channel_delta_rule", "generalized_delta_rule", "gated_slot_attention"))
        {
            (OperatorCase each, Tensor[] x, Tensor[] states) = Drawn(name, form);
            (Tensor output, Tensor[] finals) = each.Call(x, [], states, form, 16);
            Tensor Turned(Tensor tensor, long heads) => tensor.flip(0, heads);
            (Tensor turned, Tensor[] turnedFinals) = each.Call([.. x.Select(t => Turned(t, 2))], [], [.. states.Select(t => Turned(t, 1))], form, 16);
            Numbers.Close(Turned(output, 2), turned, form == OperatorForm.Native ? 0 : 1e-13, name);
            foreach ((Tensor e, Tensor a) in finals.Zip(turnedFinals)) Numbers.Close(Turned(e, 1), a, form == OperatorForm.Native ? 0 : 1e-13, name);
        }
    }

    /// <summary>Tokens that neither write nor decay, put in anywhere, are as if they were not there.</summary>
    [Theory]
    [MemberData(nameof(Forms))]
    public void A_token_that_does_nothing_is_not_there(OperatorForm form)
    {
        long[] kept = [.. Enumerable.Range(0, 40).Where(t => t is not (0 or 7 or 8 or 9 or 16 or 39) and not (> 20 and < 30)).Select(t => (long)t)];
        Tensor places = tensor(kept);
        foreach (string name in Served(form, "linear_attention", "scalar_decay", "channel_decay", "delta_rule", "gated_delta_rule", "delta_product", "channel_delta_rule", "generalized_delta_rule", "gated_slot_attention", "bonus_decay", "linear_scan", "selective_scan"))
        {
            OperatorCase each = OperatorCase.Of(name);
            Tensor[] x = [.. each.Sequences(r, kept.Length).Select(t => To(form, t))], others = [.. each.Others(r).Select(t => To(form, t))], states = [.. each.States(r).Select(t => To(form, t))];
            (Tensor expected, Tensor[] expectedFinals) = each.Call(x, others, states, form, 16);
            Tensor[] wider = [.. x.Select((t, i) => (name == "linear_scan" && i == 0 ? ones(Long(t), dtype: t.dtype) : zeros(Long(t), dtype: t.dtype)).index_copy(1, places, t))];
            (Tensor actual, Tensor[] finals) = each.Call(wider, others, states, form, 16);
            // In chunks of tokens, which it moves, sums are taken in another order.
            double limit = form switch { OperatorForm.Reference => 0, OperatorForm.Chunked => 1e-12, _ => 1e-6 };
            Numbers.Close(expected, actual.index_select(1, places), limit, name);
            foreach ((Tensor e, Tensor a) in expectedFinals.Zip(finals)) Numbers.Close(e, a, limit, name);
        }

        static long[] Long(Tensor t) => [t.shape[0], 40, .. t.shape[2..]];
    }

    private (OperatorCase Case, Tensor[] Sequences, Tensor[] States) Drawn(string name, OperatorForm form)
    {
        OperatorCase each = OperatorCase.Of(name);
        return (each, [.. each.Sequences(r, 37).Select(x => To(form, x))], [.. each.States(r).Select(x => To(form, x))]);
    }

    private static IEnumerable<string> Served(OperatorForm form, params string[] names) => names.Where(name => SequencePack.FormsOf(name).Contains(form));

    private static double Limit(OperatorForm form) => form == OperatorForm.Native ? 2e-5 : 1e-10;
}
