using Memory.Gen.Runtime.Operators;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>
/// Window and causal attention against the dense masked softmax, with shared key heads, a past, rows of different age, several
/// keys a token, and a prefix that every query sees.
/// </summary>
public sealed class SegmentAttentionTests
{
    private const long B = 2, H = 4, K = 5, V = 3;

    public static TheoryData<long, long?, long, long, OperatorForm> Shapes()
    {
        var data = new TheoryData<long, long?, long, long, OperatorForm>();
        foreach (OperatorForm form in new[] { OperatorForm.Reference, OperatorForm.Chunked })
        {
            foreach (long? window in new long?[] { null, 1, 5, 16, 64 })
            {
                foreach ((long T, long L, long G) in new[] { (1L, 0L, 4L), (1, 4, 2), (17, 0, 4), (33, 7, 2), (40, 20, 1), (15, 3, 4) })
                {
                    data.Add(T, window, L, G, form);
                }
            }
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Equals_dense_masked_softmax(long T, long? window, long L, long G, OperatorForm form)
    {
        using var scope = NewDisposeScope();
        var r = new Randoms(21);
        Tensor[] inputs = [r.Normal(B, T, H, K), r.Normal(B, T, G, K), r.Normal(B, T, G, V), r.Normal(B, L, G, K), r.Normal(B, L, G, V)];
        Tensor lengths = tensor(new long[] { Math.Max(0, L - 2), L + 5 });
        Compare(
            inputs,
            x => Dense(x, lengths, window),
            x => SegmentAttention.Apply(x[0], x[1], x[2], window, L == 0 ? null : x[3], L == 0 ? null : x[4], lengths, null, form, 16));
    }

    [Theory]
    [InlineData(1, 4, 5L, OperatorForm.Reference)]
    [InlineData(21, 0, 5L, OperatorForm.Reference)]
    [InlineData(1, 4, null, OperatorForm.Chunked)]
    [InlineData(21, 7, 5L, OperatorForm.Chunked)]
    [InlineData(40, 3, null, OperatorForm.Chunked)]
    public void Keys_of_one_token_are_seen_together_and_the_prefix_always(long T, long L, long? window, OperatorForm form)
    {
        const long G = 2, each = 2, P = 3;
        using var scope = NewDisposeScope();
        var r = new Randoms(24);
        Tensor[] inputs =
        [
            r.Normal(B, T, H, K), r.Normal(B, each * T, G, K), r.Normal(B, each * T, G, V), r.Normal(B, each * L, G, K), r.Normal(B, each * L, G, V),
            r.Normal(B, T, H, K), r.Normal(B, P, G, K), r.Normal(B, P, G, V),
        ];
        Tensor lengths = tensor(new long[] { Math.Max(0, L - 2), L + 5 });
        Compare(
            inputs,
            x => Dense(x, lengths, window),
            x => SegmentAttention.Apply(
                x[0], x[1], x[2], window, x[3], x[4], lengths, null, form, 16, prefixKeys: x[6], prefixValues: x[7], prefixQueries: x[5]));
    }

    [Fact]
    public void A_prefix_alone_meets_the_queries_themselves()
    {
        using var scope = NewDisposeScope();
        var r = new Randoms(25);
        Tensor q = r.Normal(B, 9, H, K), k = r.Normal(B, 9, H, K), v = r.Normal(B, 9, H, V), keys = r.Normal(B, 4, H, K), values = r.Normal(B, 4, H, V);
        Tensor expected = SegmentAttention.Apply(q, k, v, 3, prefixKeys: keys, prefixValues: values, prefixQueries: q.clone());
        Numbers.Close(expected, SegmentAttention.Apply(q, k, v, 3, prefixKeys: keys, prefixValues: values), 0, "with a prefix");
        Numbers.Close(
            SegmentAttention.Apply(q, k, v, 3),
            SegmentAttention.Apply(q, k, v, 3, prefixKeys: keys.narrow(1, 0, 0), prefixValues: values.narrow(1, 0, 0)), 0, "with an empty one");
    }

    [Fact]
    public void Keys_that_do_not_go_round_are_refused()
    {
        using var scope = NewDisposeScope();
        Tensor q = zeros(1, 4, 2, 3), k = zeros(1, 6, 2, 3), two = zeros(1, 8, 2, 3), odd = zeros(1, 3, 2, 3);
        Assert.Contains("6 keys for 4 tokens", Assert.Throws<ArgumentException>(() => SegmentAttention.Apply(q, k, k)).Message);
        Assert.Contains("3 keys, and k has 2 a token", Assert.Throws<ArgumentException>(() => SegmentAttention.Apply(q, two, two, null, odd, odd)).Message);
    }

    [Fact]
    public void Without_lengths_the_whole_past_counts()
    {
        using var scope = NewDisposeScope();
        var r = new Randoms(22);
        Tensor q = r.Normal(B, 9, H, K), k = r.Normal(B, 9, H, K), v = r.Normal(B, 9, H, V), keys = r.Normal(B, 6, H, K), values = r.Normal(B, 6, H, V);
        Tensor whole = SegmentAttention.Apply(cat(new[] { r.Normal(B, 6, H, K), q }, 1), cat(new[] { keys, k }, 1), cat(new[] { values, v }, 1), 4);
        Numbers.Close(whole.narrow(1, 6, 9), SegmentAttention.Apply(q, k, v, 4, keys, values), 1e-12, "continued");
    }

    [Fact]
    public void Later_tokens_change_nothing_before_them()
    {
        using var scope = NewDisposeScope();
        var r = new Randoms(23);
        Tensor q = r.Normal(B, 40, H, K), k = r.Normal(B, 40, H, K), v = r.Normal(B, 40, H, V);
        Tensor before = SegmentAttention.Apply(q, k, v, 8, chunk: 16);
        k = k.clone();
        k.narrow(1, 20, 20).fill_(3);
        Tensor after = SegmentAttention.Apply(q, k, v, 8, chunk: 16);
        Numbers.Close(before.narrow(1, 0, 20), after.narrow(1, 0, 20), 0, "tokens before the change");
        Assert.True(Numbers.Error(after.narrow(1, 20, 20), before.narrow(1, 20, 20)) > 1e-3);
    }

    private static void Compare(Tensor[] inputs, Func<Tensor[], Tensor> reference, Func<Tensor[], Tensor> call)
    {
        (Tensor expected, Tensor[] expectedGradients) = Differentiate(inputs, reference);
        (Tensor actual, Tensor[] gradients) = Differentiate(inputs, call);
        Numbers.Close(expected, actual, 1e-10, "output");
        foreach ((Tensor e, Tensor a) in expectedGradients.Zip(gradients)) Numbers.Close(e, a, 1e-10, "gradient");
    }

    /// <summary>Padded rows and packed ones, continued: every sequence has a past, as much of it as counts, and a prefix.</summary>
    [Theory]
    [InlineData(OperatorForm.Reference)]
    [InlineData(OperatorForm.Chunked)]
    public void Sequences_with_a_past_and_a_prefix_equal_each_alone(OperatorForm form)
    {
        using var scope = NewDisposeScope();
        var r = new Randoms(25);
        const int T = 20;
        const long G = 2;
        long[] counted = [20, 3, 0, 11], past = [6, 0, 2, 4];
        int rows = counted.Length;
        Tensor q = r.Normal(rows, T, H, K), k = r.Normal(rows, T, G, K), v = r.Normal(rows, T, G, V), p = r.Normal(rows, T, H, K);
        Tensor[] own = [r.Normal(rows, 6, G, K), r.Normal(rows, 6, G, V), r.Normal(rows, 3, G, K), r.Normal(rows, 3, G, V)];
        Tensor[] Row(Tensor[] all, int n) => [.. all.Select(x => x.narrow(0, n, 1))];
        Tensor Read(Tensor[] x, Tensor[] each, Tensor lengths, Segments? segments) => SegmentAttention.Apply(
            x[0], x[1], x[2], 7, each[0], each[1], lengths, null, form, 8, each[2], each[3], x[3], segments);

        Tensor[] tokens = [q, k, v, p];
        Tensor[] expected = [.. Enumerable.Range(0, rows).Select(n =>
            Read([.. Row(tokens, n).Select(x => x.narrow(1, 0, counted[n]))], Row(own, n), tensor(past[n..(n + 1)]), null))];
        Tensor padded = Read(tokens, own, tensor(past), Segments.Lengths(tensor(counted)));
        Tensor[] packed = [.. tokens.Select(x => cat([.. counted.Select((length, n) => x.narrow(0, n, 1).narrow(1, 0, length))], 1))];
        Tensor joined = Read(packed, own, tensor(past), Segments.Packed(tensor(new long[] { 0, 20, 23, 23, 34 })));
        Numbers.Close(cat(expected, 1), joined, form == OperatorForm.Reference ? 0 : 1e-12, "packed");
        for (int n = 0; n < rows; n++)
        {
            Numbers.Close(expected[n], padded.narrow(0, n, 1).narrow(1, 0, counted[n]), form == OperatorForm.Reference ? 0 : 1e-12, $"row {n}");
            Assert.Equal(0, padded.narrow(0, n, 1).narrow(1, counted[n], T - counted[n]).abs().sum().item<double>());
        }
    }

    private static (Tensor Output, Tensor[] Gradients) Differentiate(Tensor[] inputs, Func<Tensor[], Tensor> call)
    {
        Tensor[] leaves = [.. inputs.Select(x => x.detach().clone().requires_grad_())];
        Tensor output = call(leaves);
        Numbers.Objective([output]).backward();
        return (output, [.. leaves.Select(x => x.grad is { } g ? g : zeros_like(x))]);
    }

    private static Tensor Dense(Tensor[] x, Tensor lengths, long? window)
    {
        long T = x[0].shape[1], G = x[1].shape[2], each = x[1].shape[1] / T, L = x[3].shape[1] / each;
        Tensor Heads(Tensor a) => a.repeat_interleave(H / G, 2);
        Tensor keys = Heads(cat(new[] { x[3], x[1] }, 1)), values = Heads(cat(new[] { x[4], x[2] }, 1));
        Tensor query = arange(L, L + T).view(1, 1, T, 1), key = arange(0, L + T).repeat_interleave(each).view(1, 1, 1, -1);
        Tensor seen = key.le(query) & key.gt(query - (window ?? L + T)) & key.ge(L - lengths.view(B, 1, 1, 1));
        Tensor scores = torch.einsum("bthk,bshk->bhts", x[0], keys).masked_fill(~seen, double.NegativeInfinity);
        if (x.Length > 5)
        {
            scores = cat(new[] { torch.einsum("bthk,bshk->bhts", x[5], Heads(x[6])), scores }, -1);
            values = cat(new[] { Heads(x[7]), values }, 1);
        }

        return torch.einsum("bhts,bshv->bthv", (scores / Math.Sqrt(K)).softmax(-1), values);
    }
}
