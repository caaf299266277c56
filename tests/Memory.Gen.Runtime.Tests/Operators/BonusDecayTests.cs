using Memory.Gen.Runtime.Operators;
using TorchSharp;
using Xunit;
using static Memory.Gen.Runtime.Tests.Operators.FormNumbers;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>What a read before the write, and a bonus in its place, become in special cases.</summary>
public sealed class BonusDecayTests
{
    private const long B = 2, T = 37, H = 2, K = 6, V = 5;

    public static TheoryData<OperatorForm> Forms => [.. Enum.GetValues<OperatorForm>()];

    private readonly Randoms r = new(72);

    /// <summary>Where nothing fades, a bonus of one puts a token's own write into its read.</summary>
    [Theory]
    [MemberData(nameof(Forms))]
    public void A_bonus_of_one_without_decays_is_linear_attention(OperatorForm form)
    {
        using var scope = NewDisposeScope();
        Tensor q = r.Normal(B, T, H, K), k = r.Normal(B, T, H, K), v = r.Normal(B, T, H, V), S = r.Normal(B, H, K, V);
        MemoryRead expected = LinearAttention.Apply(q, k, v, S, form: OperatorForm.Reference);
        MemoryRead actual = BonusDecay.Apply(To(form, q), To(form, k), To(form, v), To(form, zeros_like(k)), To(form, ones(H, K)), To(form, S), form: form);
        Numbers.Close(expected.Output, actual.Output, Limit(form), "output");
        Numbers.Close(expected.FinalState, actual.FinalState, Limit(form), "final state");
    }

    /// <summary>A token reads what stood there before it: its own decay and, without a bonus, its own value come later.</summary>
    [Theory]
    [MemberData(nameof(Forms))]
    public void Without_a_bonus_a_token_does_not_read_its_own_write(OperatorForm form)
    {
        using var scope = NewDisposeScope();
        Tensor q = To(form, r.Normal(B, T, H, K)), k = To(form, r.Normal(B, T, H, K)), v = To(form, r.Normal(B, T, H, V)), g = To(form, -r.Uniform(0, 0.3, B, T, H, K)), S = To(form, r.Normal(B, H, K, V));
        Tensor Read(Tensor keys, Tensor values, Tensor decays) => BonusDecay.Apply(q, keys, values, decays, To(form, zeros(H, K)), S, form: form).Output;
        Tensor before = Read(k, v, g);
        foreach (long t in new long[] { 0, 1, 16, T - 1 })
        {
            Tensor[] changed = [k.clone(), v.clone(), g.clone()];
            foreach (Tensor x in changed) x.select(1, t).sub_(1.5);
            Tensor after = Read(changed[0], changed[1], changed[2]);
            Numbers.Close(before.narrow(1, 0, t + 1), after.narrow(1, 0, t + 1), Limit(form), $"up to token {t}");
            if (t < T - 1) Assert.True(Numbers.Error(before.select(1, t + 1), after.select(1, t + 1)) > 1e-2);
        }
    }

    [Fact]
    public void What_does_not_fit_is_said()
    {
        using var scope = NewDisposeScope();
        static Tensor Ones(params long[] shape) => ones(shape);
        Tensor q = Ones(2, 3, 4, 5), v = Ones(2, 3, 4, 6);
        Assert.Contains("bonus_decay: bonus has shape [5, 4]; expected [H, K] = [4, 5], as given by q", Assert.Throws<ArgumentException>(() => BonusDecay.Apply(q, q, v, q, Ones(5, 4))).Message);
        Assert.Contains("bonus_decay: logDecay has shape [2, 3, 4]; expected [B, T, H, K] = [2, 3, 4, 5]", Assert.Throws<ArgumentException>(() => BonusDecay.Apply(q, q, v, Ones(2, 3, 4), Ones(4, 5))).Message);
        Assert.Contains("bonus_decay: bonus is null", Assert.Throws<ArgumentNullException>(() => BonusDecay.Apply(q, q, v, q, null!)).Message);
        Assert.Contains("bonus_decay: initialState has shape [2, 4, 5, 5]; expected [B, H, K, V] = [2, 4, 5, 6]", Assert.Throws<ArgumentException>(() => BonusDecay.Apply(q, q, v, q, Ones(4, 5), Ones(2, 4, 5, 5))).Message);
    }
}
