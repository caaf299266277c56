using Memory.Gen.Runtime.Operators;
using TorchSharp;
using Xunit;
using static Memory.Gen.Runtime.Tests.Operators.FormNumbers;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>What attention over slots becomes where its slots hold something that is known.</summary>
public sealed class SlotTests
{
    private const long B = 2, T = 21, H = 2, K = 6, V = 5;

    public static TheoryData<OperatorForm> Forms => [OperatorForm.Reference, OperatorForm.Chunked, OperatorForm.Native];

    private static readonly Randoms Random = new(71);

    private readonly Tensor q = Random.Normal(B, T, H, K), k = Random.Normal(B, T, H, K), v = Random.Normal(B, T, H, V);

    /// <summary>With a slot for every token, which takes that token alone and keeps it, it is causal softmax attention.</summary>
    [Theory]
    [MemberData(nameof(Forms))]
    public void A_slot_for_each_token_is_softmax_attention(OperatorForm form)
    {
        using var scope = NewDisposeScope();
        // Slot m is filled by token m and passed over by all others. Empty slots have a key that no query meets.
        Tensor g = zeros([B, T, H, T], dtype: ScalarType.Float64);
        g.diagonal(0, 1, 3).fill_(double.NegativeInfinity);
        Tensor queries = cat(new[] { q, ones([B, T, H, 1], dtype: ScalarType.Float64) }, 3), keys = cat(new[] { k, zeros([B, T, H, 1], dtype: ScalarType.Float64) }, 3);
        Tensor empty = zeros([B, H, T, K + 1], dtype: ScalarType.Float64);
        empty.select(3, K).fill_(-1e4);
        SlotRead read = GatedSlotAttention.Apply(To(form, queries), To(form, keys), To(form, v), To(form, g), To(form, empty), scale: 0.5, form: form);
        Tensor scores = 0.5 * torch.einsum("bthk,bshk->bhts", q, k);
        Tensor later = ones([T, T], dtype: ScalarType.Bool).triu(1);
        Tensor expected = torch.einsum("bhts,bshv->bthv", scores.masked_fill(later, double.NegativeInfinity).softmax(3), v);
        Numbers.Close(expected, read.Output, Limit(form), "output");
        Numbers.Close(v.transpose(1, 2), read.FinalValues, Limit(form), "values of the slots");
    }

    /// <summary>One slot is read whatever the query is: a mean of the values that fades.</summary>
    [Theory]
    [MemberData(nameof(Forms))]
    public void One_slot_is_a_running_mean(OperatorForm form)
    {
        using var scope = NewDisposeScope();
        Tensor g = full([B, T, H, 1], Math.Log(0.9), dtype: ScalarType.Float64), mean = zeros([B, H, V], dtype: ScalarType.Float64);
        var means = new List<Tensor>();
        for (long t = 0; t < T; t++) means.Add(mean = (0.9 * mean) + (0.1 * v.select(1, t)));
        SlotRead read = GatedSlotAttention.Apply(To(form, q), To(form, k), To(form, v), To(form, g), form: form);
        Numbers.Close(stack(means, 1), read.Output, Limit(form), "output");
    }

    /// <summary>A token at which all slots forget everything stands alone: whatever they held, its value is read.</summary>
    [Theory]
    [MemberData(nameof(Forms))]
    public void Where_every_slot_forgets_the_own_value_is_read(OperatorForm form)
    {
        using var scope = NewDisposeScope();
        Tensor g = -Random.Uniform(0, 0.5, B, T, H, 4);
        g.select(1, 9).fill_(double.NegativeInfinity);
        SlotRead read = GatedSlotAttention.Apply(To(form, q), To(form, k), To(form, v), To(form, g), To(form, Random.Normal(B, H, 4, K)), To(form, Random.Normal(B, H, 4, V)), form: form);
        Numbers.Close(v.select(1, 9), read.Output.select(1, 9), Limit(form), "output");
    }

    /// <summary>No later token changes a bit of what was read before it, wherever chunks and groups of tokens begin.</summary>
    [Fact]
    public void The_kernels_are_causal_to_the_last_bit()
    {
        using var scope = NewDisposeScope();
        const long tokens = 70, kept = 37;
        Tensor[] x = [Random.Normal(B, tokens, H, K), Random.Normal(B, tokens, H, K), Random.Normal(B, tokens, H, V), -Random.Uniform(0, 0.5, B, tokens, H, 4)];
        Tensor Read() => GatedSlotAttention.Apply(To(OperatorForm.Native, x[0]), To(OperatorForm.Native, x[1]), To(OperatorForm.Native, x[2]), To(OperatorForm.Native, x[3]), form: OperatorForm.Native).Output.narrow(1, 0, kept);
        Tensor before = Read();
        foreach (Tensor each in x) each.narrow(1, kept, tokens - kept).mul_(3);
        Assert.True(before.equal(Read()).all().item<bool>());
    }

    [Fact]
    public void What_does_not_fit_is_said()
    {
        using var scope = NewDisposeScope();
        static Tensor Ones(params long[] shape) => ones(shape);
        Assert.Contains("gated_slot_attention: initialKeys has shape [2, 4, 6, 5]; expected [B, H, M, K] = [2, 4, 7, 5]", Assert.Throws<ArgumentException>(
            () => GatedSlotAttention.Apply(Ones(2, 3, 4, 5), Ones(2, 3, 4, 5), Ones(2, 3, 4, 6), Ones(2, 3, 4, 7), Ones(2, 4, 6, 5))).Message);
        Assert.Contains("gated_slot_attention: logDecay has size 0 along M; expected at least 1", Assert.Throws<ArgumentException>(
            () => GatedSlotAttention.Apply(Ones(2, 3, 4, 5), Ones(2, 3, 4, 5), Ones(2, 3, 4, 6), Ones(2, 3, 4, 0))).Message);
        Assert.Contains("gated_slot_attention: v is Float64; expected Float32", Assert.Throws<ArgumentException>(
            () => GatedSlotAttention.Apply(Ones(2, 3, 4, 5), Ones(2, 3, 4, 5), Ones(2, 3, 4, 6).to(ScalarType.Float64), Ones(2, 3, 4, 7))).Message);
    }
}
