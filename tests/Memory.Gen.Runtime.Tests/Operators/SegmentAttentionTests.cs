using Memory.Gen.Runtime.Operators;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>Window and causal attention against the dense masked softmax, with shared key heads, a past, and rows of different age.</summary>
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
        (Tensor expected, Tensor[] expectedGradients) = Differentiate(inputs, x => Dense(x, lengths, window));
        (Tensor actual, Tensor[] gradients) = Differentiate(
            inputs, x => SegmentAttention.Apply(x[0], x[1], x[2], window, L == 0 ? null : x[3], L == 0 ? null : x[4], lengths, null, form, 16));
        Numbers.Close(expected, actual, 1e-10, "output");
        foreach ((Tensor e, Tensor a) in expectedGradients.Zip(gradients)) Numbers.Close(e, a, 1e-10, "gradient");
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

    private static (Tensor Output, Tensor[] Gradients) Differentiate(Tensor[] inputs, Func<Tensor[], Tensor> call)
    {
        Tensor[] leaves = [.. inputs.Select(x => x.detach().clone().requires_grad_())];
        Tensor output = call(leaves);
        Numbers.Objective([output]).backward();
        return (output, [.. leaves.Select(x => x.grad is { } g ? g : zeros_like(x))]);
    }

    private static Tensor Dense(Tensor[] x, Tensor lengths, long? window)
    {
        long T = x[0].shape[1], L = x[3].shape[1], G = x[1].shape[2];
        Tensor keys = cat(new[] { x[3], x[1] }, 1).repeat_interleave(H / G, 2), values = cat(new[] { x[4], x[2] }, 1).repeat_interleave(H / G, 2);
        Tensor query = arange(L, L + T).view(1, 1, T, 1), key = arange(0, L + T).view(1, 1, 1, L + T);
        Tensor seen = key.le(query) & key.gt(query - (window ?? L + T)) & key.ge(L - lengths.view(B, 1, 1, 1));
        Tensor scores = torch.einsum("bthk,bshk->bhts", x[0], keys) / Math.Sqrt(K);
        return torch.einsum("bhts,bshv->bthv", scores.masked_fill(~seen, double.NegativeInfinity).softmax(-1), values);
    }
}
