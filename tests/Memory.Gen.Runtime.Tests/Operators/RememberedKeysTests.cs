using Memory.Gen.Runtime.Operators;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>One softmax over window, slots and fading tokens.</summary>
public sealed class RememberedKeysTests
{
    private static readonly Dictionary<string, RememberedKeysCase> Cases = new()
    {
        ["sliding"] = new(),
        ["blocked"] = new() { Window = null },
        ["blocked, one long chunk"] = new() { Window = null, Chunk = 64 },
        ["sliding, rows at other places"] = new() { Read = [3, 1] },
        ["blocked, rows at other places"] = new() { Window = null, Read = [0, 3] },
        ["sliding, continued"] = new() { Past = 13, Lengths = [13, 2], Read = [1, 2] },
        ["blocked, continued"] = new() { Window = null, Past = 13, Lengths = [5, 40], Read = [1, 0] },
        ["blocked, all of the past"] = new() { Window = null, Past = 7, Read = [3, 3] },
        ["one token"] = new() { T = 1, Past = 9, Lengths = [9, 2], Read = [1, 2], Window = null },
        ["strided fading"] = new() { Fading = 3, Stride = 4, Past = 5, Read = [1, 1] },
        ["fading at the query"] = new() { Offset = 0, Fading = 2, Stride = 3 },
        ["fading overlaps the window"] = new() { Offset = 2, Fading = 9 },
        ["fading without a window"] = new() { Window = 0, Slots = 0, Fading = 4 },
        ["slots without a window"] = new() { Window = 0, Fading = 0 },
        ["slots alone beside a window"] = new() { Fading = 0, Chunk = 7, G = 4 },
        ["chunks of one token"] = new() { Chunk = 1 },
        ["one key head"] = new() { G = 1, Chunk = 16, T = 50, Slots = 8, Window = 16, Fading = 16 },
    };

    public static TheoryData<string, OperatorForm> Shapes()
    {
        var data = new TheoryData<string, OperatorForm>();
        foreach (string name in Cases.Keys)
        {
            foreach (OperatorForm form in new[] { OperatorForm.Reference, OperatorForm.Chunked }) data.Add(name, form);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Equals_dense_attention_over_the_concatenated_keys(string name, OperatorForm form)
    {
        using var scope = NewDisposeScope();
        EqualsDense(Cases[name], new Randoms(31), form, 8, 1e-10, name);
    }

    [Fact]
    public void Random_shapes_equal_dense_attention()
    {
        var random = new Random(5);
        for (int i = 0; i < 60; i++)
        {
            using var scope = NewDisposeScope();
            long chunk = random.Next(1, 12), past = random.Next(2) * random.Next(1, 30), G = random.Next(1, 3), window = random.Next(0, 14);
            bool blocked = random.Next(2) == 0;
            var each = new RememberedKeysCase
            {
                T = random.Next(1, 40), G = G, H = G * random.Next(1, 4), K = random.Next(1, 9), V = random.Next(1, 9), Chunk = chunk, Window = blocked ? null : window, Past = past,
                Read = [random.Next((int)chunk), random.Next((int)chunk)], Lengths = random.Next(2) == 0 ? null : [random.Next(40), random.Next(40)],
                Slots = random.Next(0, 5), Fading = random.Next(1, 9), Stride = random.Next(1, 4), Offset = random.Next(3) == 0 ? random.Next(4) : null,
            };
            EqualsDense(each, new Randoms((ulong)i), i % 2 == 0 ? OperatorForm.Chunked : OperatorForm.Reference, random.Next(1, 20), 1e-10, each.ToString());
        }
    }

    public static TheoryData<string, OperatorForm> SingleShapes()
    {
        var data = new TheoryData<string, OperatorForm>();
        foreach (string name in Cases.Keys)
        {
            foreach (OperatorForm form in Enum.GetValues<OperatorForm>()) data.Add(name, form);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(SingleShapes))]
    public void Float32_is_near_float64(string name, OperatorForm form)
    {
        using var scope = NewDisposeScope();
        var r = new Randoms(32);
        RememberedKeysCase each = Cases[name];
        Tensor[] inputs = [.. each.Inputs(r).Select(x => x.to(ScalarType.Float32))];
        Tensor present = each.Present(r);
        (Tensor expected, Tensor[] expectedGradients) = Differentiate([.. inputs.Select(x => x.to(ScalarType.Float64))], x => each.Dense(x, present));
        (Tensor actual, Tensor[] gradients) = Differentiate(inputs, x => each.Call(x, present, form));
        Numbers.Close(expected, actual, 1e-5, "output");
        foreach ((Tensor e, Tensor a) in expectedGradients.Zip(gradients)) Numbers.Close(e, a, 5e-5, "gradient");
    }

    [Fact]
    public void Random_shapes_in_the_kernels_are_near_float64()
    {
        var random = new Random(6);
        for (int i = 0; i < 60; i++)
        {
            using var scope = NewDisposeScope();
            long chunk = random.Next(1, 40), past = random.Next(2) * random.Next(1, 90), G = random.Next(1, 3);
            var each = new RememberedKeysCase
            {
                T = random.Next(1, 120), G = G, H = G * random.Next(1, 7), K = random.Next(1, 70), V = random.Next(1, 70), Chunk = chunk, Window = random.Next(2) == 0 ? null : random.Next(0, 90),
                Past = past, Read = [random.Next((int)chunk), random.Next((int)chunk)], Lengths = random.Next(2) == 0 ? null : [random.Next(99), random.Next(99)],
                Slots = random.Next(0, 20), Fading = random.Next(1, 70), Stride = random.Next(1, 4), Offset = random.Next(3) == 0 ? random.Next(9) : null,
            };
            var r = new Randoms((ulong)i);
            Tensor[] inputs = [.. each.Inputs(r).Select(x => x.to(ScalarType.Float32))];
            Tensor present = each.Present(r);
            (Tensor expected, Tensor[] expectedGradients) = Differentiate([.. inputs.Select(x => x.to(ScalarType.Float64))], x => each.Dense(x, present));
            (Tensor actual, Tensor[] gradients) = Differentiate(inputs, x => each.Call(x, present, OperatorForm.Native));
            Numbers.Close(expected, actual, 1e-5, $"{each}, output");
            for (int n = 0; n < gradients.Length; n++) Numbers.Close(expectedGradients[n], gradients[n], 5e-5, $"{each}, gradient {n}");
        }
    }

    [Theory]
    [InlineData(OperatorForm.Reference)]
    [InlineData(OperatorForm.Chunked)]
    public void A_query_that_sees_nothing_reads_zero_and_gives_no_gradient(OperatorForm form)
    {
        using var scope = NewDisposeScope();
        var r = new Randoms(33);
        RememberedKeysCase each = new() { Window = 0, Fading = 2, Offset = 3, T = 9 };
        Tensor[] inputs = each.Inputs(r);
        Tensor none = zeros_like(each.Present(r));
        (Tensor output, Tensor[] gradients) = Differentiate(inputs, x => each.Call(x, none, form));
        Assert.Equal(0, output.narrow(1, 0, 3).abs().max().item<double>());
        Assert.True(output.narrow(1, 3, 6).abs().amin(new long[] { 2, 3 }).gt(0).all().item<bool>());
        Assert.All(gradients, gradient => Assert.True(gradient.isfinite().all().item<bool>()));
        Assert.Equal(0, gradients[5].abs().max().item<double>());
    }

    [Fact]
    public void Without_a_window_and_without_slots_nothing_is_read()
    {
        using var scope = NewDisposeScope();
        Tensor q = ones(2, 3, 4, 5), v = ones(2, 3, 2, 7), slots = zeros([2, 1, 0, 2, 5]);
        var none = new ChunkKeys(slots, zeros([2, 1, 0, 2, 7]), zeros([2, 1, 0], dtype: ScalarType.Bool));
        foreach (OperatorForm form in Enum.GetValues<OperatorForm>())
            Numbers.Close(zeros(2, 3, 4, 7), SegmentAttention.Apply(q, q.narrow(2, 0, 2), v, 0, form: form, chunks: new(4), slots: none), 0, $"{form}");
    }

    [Fact]
    public void The_order_of_slots_does_not_matter()
    {
        using var scope = NewDisposeScope();
        var r = new Randoms(34);
        RememberedKeysCase each = new() { Slots = 5 };
        Tensor[] inputs = each.Inputs(r), turned = [.. inputs];
        Tensor present = each.Present(r);
        (turned[5], turned[6]) = (inputs[5].flip(2), inputs[6].flip(2));
        Numbers.Close(each.Call(inputs, present, OperatorForm.Chunked), each.Call(turned, present.flip(2), OperatorForm.Chunked), 1e-14, "turned");
    }

    /// <summary>Every kind of keys in the place of another: the softmax does not ask where a key stands.</summary>
    [Theory]
    [InlineData(OperatorForm.Reference)]
    [InlineData(OperatorForm.Chunked)]
    public void The_same_keys_in_another_segment_are_read_alike(OperatorForm form)
    {
        using var scope = NewDisposeScope();
        var r = new Randoms(35);
        const long B = 2, T = 9, H = 2, K = 4, M = 3;
        Tensor q = r.Normal(B, T, H, K), k = r.Normal(B, T, H, K), v = r.Normal(B, T, H, K), keys = r.Normal(B, M, H, K), values = r.Normal(B, M, H, K);
        Tensor expected = SegmentAttention.Apply(q, k, v, 4, form: form, prefixKeys: keys, prefixValues: values);
        var slots = new ChunkKeys(keys.unsqueeze(1), values.unsqueeze(1), ones(B, 1, M, dtype: ScalarType.Bool));
        Numbers.Close(expected, SegmentAttention.Apply(q, k, v, 4, form: form, chunks: new(T), slots: slots), 1e-14, "slots for the prefix");

        Tensor window = SegmentAttention.Apply(q, k, v, 4, form: form);
        Numbers.Close(window, SegmentAttention.Apply(q, k, v, 0, form: form, fading: new FadingKeys(k, v, 4, 1, 0)), 1e-14, "fading tokens for the window");
        Numbers.Close(SegmentAttention.Apply(q, k, v, 7, form: form), SegmentAttention.Apply(q, k, v, 4, form: form, fading: new FadingKeys(k, v, 3)), 1e-14, "a longer window");
    }

    [Theory]
    [InlineData(OperatorForm.Reference)]
    [InlineData(OperatorForm.Chunked)]
    public void Shifting_all_scores_changes_nothing(OperatorForm form)
    {
        using var scope = NewDisposeScope();
        var r = new Randoms(36);
        RememberedKeysCase each = new() { K = 6, Past = 4 };
        Tensor[] inputs = each.Inputs(r), shifted = [.. inputs.Select(x => x.clone())];
        Tensor present = each.Present(r);
        foreach (int key in new[] { 1, 3, 5, 7, 9 }) inputs[key].select(-1, 0).fill_(0);
        foreach (int key in new[] { 1, 3, 5, 7, 9 }) shifted[key].select(-1, 0).fill_(1e4 * Math.Sqrt(6));
        foreach (Tensor[] x in new[] { inputs, shifted }) x[0].select(-1, 0).fill_(1);
        Numbers.Close(each.Call(inputs, present, form), each.Call(shifted, present, form), 1e-9, "shifted");
    }

    [Theory]
    [InlineData(OperatorForm.Reference)]
    [InlineData(OperatorForm.Chunked)]
    public void One_fading_token_at_the_query_is_read_as_it_is(OperatorForm form)
    {
        using var scope = NewDisposeScope();
        var r = new Randoms(37);
        Tensor q = r.Normal(2, 9, 4, 5), k = r.Normal(2, 9, 4, 5), v = r.Normal(2, 9, 4, 3), fading = r.Normal(2, 9, 4, 3);
        Numbers.Close(fading, SegmentAttention.Apply(q, k, v, 0, form: form, fading: new FadingKeys(k, fading, 1, Offset: 0)), 1e-15, "the value itself");
    }

    /// <summary>A text read in pieces, rows of different age beside each other, with no more of the past than is seen.</summary>
    [Theory]
    [InlineData(false, OperatorForm.Reference)]
    [InlineData(false, OperatorForm.Chunked)]
    [InlineData(true, OperatorForm.Reference)]
    [InlineData(true, OperatorForm.Chunked)]
    public void Any_split_equals_the_whole(bool blocked, OperatorForm form)
    {
        using var scope = NewDisposeScope();
        var r = new Randoms(38);
        const long R = 4, Past = 12, T = 30, Ahead = 6;
        RememberedKeysCase each = new() { T = T, Window = blocked ? null : 5, Fading = 3, Stride = 2 };
        Tensor[] x = each.Inputs(r);
        Tensor present = each.Present(r), whole = each.Call(x, present, form);

        // The second row is some tokens behind the first.
        for (long start = 0, length; start + Ahead < T; start += length)
        {
            length = Math.Min(1 + (start % 7), T - Ahead - start);
            long[] at = [start + Ahead, start];
            Tensor Rows(Tensor y, Func<int, Tensor> row) => cat(new[] { row(0), row(1) }, 0);
            Tensor Piece(Tensor y) => Rows(y, b => y.narrow(0, b, 1).narrow(1, at[b], length));
            Tensor Before(Tensor y) => Rows(y, b => cat(new[] { full([1, Past, y.shape[2], y.shape[3]], 7.0, dtype: y.dtype), y.narrow(0, b, 1) }, 1).narrow(1, at[b], Past));
            Tensor Chunked(Tensor y) => Rows(y, b => cat(new[] { y.narrow(0, b, 1), zeros_like(y.narrow(0, b, 1)) }, 1).narrow(1, at[b] / R, (length + R - 2) / R + 1));
            Tensor part = SegmentAttention.Apply(
                Piece(x[0]), Piece(x[1]), Piece(x[2]), each.Window, Before(x[1]), Before(x[2]), tensor(at), form: form,
                chunks: new QueryChunks(R, tensor(at) % R, blocked), slots: new ChunkKeys(Chunked(x[5]), Chunked(x[6]), Chunked(present)),
                fading: new FadingKeys(Piece(x[7]), Piece(x[8]), 3, 2, null, Before(x[7]), Before(x[8])));
            Numbers.Close(Piece(whole), part, 1e-12, $"tokens {start} to {start + length}");
        }
    }

    /// <summary>Past lengths, places and flags may go, with the scope that the call was made in, before backward comes.</summary>
    [Theory]
    [InlineData(OperatorForm.Chunked)]
    [InlineData(OperatorForm.Native)]
    public void Backward_needs_no_tensor_of_numbers(OperatorForm form)
    {
        using var scope = NewDisposeScope();
        RememberedKeysCase each = new() { Past = 3, Read = [1, 2], Lengths = [3, 1] };
        Tensor[] Gradients(bool dispose)
        {
            var r = new Randoms(40);
            Tensor[] leaves = [.. each.Inputs(r).Select(x => x.to(ScalarType.Float32).requires_grad_())];
            Tensor present = each.Present(r), output;
            using (var inner = dispose ? NewDisposeScope() : null)
            {
                output = each.Call(leaves, present, form);
                if (dispose) output.MoveToOuterDisposeScope();
            }

            if (dispose) present.Dispose();
            output.sum().backward();
            return [.. leaves.Select(x => x.grad!)];
        }

        foreach ((Tensor e, Tensor a) in Gradients(false).Zip(Gradients(true))) Numbers.Close(e, a, 0, "gradient");
    }

    [Theory]
    [InlineData(OperatorForm.Chunked)]
    [InlineData(OperatorForm.Native)]
    public void A_step_leaves_nothing(OperatorForm form)
    {
        using var scope = NewDisposeScope();
        var r = new Randoms(39);
        RememberedKeysCase each = new() { Past = 3, Read = [1, 2], Lengths = [3, 1] };
        Tensor[] inputs = [.. each.Inputs(r).Select(x => x.to(ScalarType.Float32))];
        Tensor present = each.Present(r);
        void Step()
        {
            using var inner = NewDisposeScope();
            Differentiate(inputs, x => each.Call(x, present, form));
        }

        Step();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        long live = Tensor.TotalCount;
        for (int i = 0; i < 3; i++) Step();
        Assert.Equal(live, Tensor.TotalCount);
    }

    [Fact]
    public void What_does_not_go_together_is_refused()
    {
        using var scope = NewDisposeScope();
        Tensor q = zeros(2, 8, 2, 3), keys = zeros([2, 2, 3, 2, 3]), present = ones(2, 2, 3, dtype: ScalarType.Bool);
        var slots = new ChunkKeys(keys, keys, present);
        var fading = new FadingKeys(q, q, 4);
        void Refused<T>(string sentence, Func<object> call) where T : ArgumentException =>
            Assert.StartsWith($"segment_attention: {sentence}", Assert.Throws<T>(call).Message, StringComparison.Ordinal);

        Refused<ArgumentException>("slots belong to chunks", () => SegmentAttention.Apply(q, q, q, 4, slots: slots));
        Refused<ArgumentException>("slots has 2 chunks, and the queries are in 3 of 3 tokens", () => SegmentAttention.Apply(q, q, q, 4, chunks: new(3), slots: slots));
        Refused<ArgumentException>("slots has 2 chunks, and the queries are in 3 of 4 tokens", () => SegmentAttention.Apply(q, q, q, 4, chunks: new(4, tensor(new long[] { 0, 1 })), slots: slots));
        Refused<ArgumentException>("slots.Present is Float32; expected Bool", () => SegmentAttention.Apply(q, q, q, 4, chunks: new(4), slots: slots with { Present = zeros(2, 2, 3) }));
        Refused<ArgumentException>("slots.Values has shape [2, 2, 4, 2, 3]", () => SegmentAttention.Apply(q, q, q, 4, chunks: new(4), slots: slots with { Values = zeros([2, 2, 4, 2, 3]) }));
        Refused<ArgumentException>("window is 4, and chunks.Blocked", () => SegmentAttention.Apply(q, q, q, 4, chunks: new(4, Blocked: true)));
        Refused<ArgumentException>("chunks.Read has 4 for row 1; expected 0 to 3", () => SegmentAttention.Apply(q, q, q, 4, chunks: new(4, tensor(new long[] { 0, 4 }))));
        Refused<ArgumentOutOfRangeException>("chunks.Length is 0; expected at least 1", () => SegmentAttention.Apply(q, q, q, 4, chunks: new(0)));
        Refused<ArgumentException>("fading tokens stand before the window, which has no beginning", () => SegmentAttention.Apply(q, q, q, fading: fading));
        Refused<ArgumentOutOfRangeException>("fading.Stride is 0; expected at least 1", () => SegmentAttention.Apply(q, q, q, 4, fading: fading with { Stride = 0 }));
        Refused<ArgumentOutOfRangeException>("fading.Offset is -1; expected at least 0", () => SegmentAttention.Apply(q, q, q, 4, fading: fading with { Offset = -1 }));
        Refused<ArgumentException>("fading.Keys has shape [2, 7, 2, 3]", () => SegmentAttention.Apply(q, q, q, 4, fading: fading with { Keys = zeros(2, 7, 2, 3) }));
        Refused<ArgumentException>("segments do not go with chunks, slots or fading", () => SegmentAttention.Apply(q, q, q, 4, fading: fading, segments: Segments.Lengths(tensor(new long[] { 8, 3 }))));
        Refused<ArgumentOutOfRangeException>("window is -1; expected at least 0", () => SegmentAttention.Apply(q, q, q, -1, fading: fading));
    }

    private static void EqualsDense(RememberedKeysCase each, Randoms r, OperatorForm form, int block, double limit, string what)
    {
        Tensor[] inputs = each.Inputs(r);
        Tensor present = each.Present(r);
        (Tensor expected, Tensor[] expectedGradients) = Differentiate(inputs, x => each.Dense(x, present));
        (Tensor actual, Tensor[] gradients) = Differentiate(inputs, x => each.Call(x, present, form, block));
        Numbers.Close(expected, actual, limit, $"{what}, output");
        for (int i = 0; i < gradients.Length; i++) Numbers.Close(expectedGradients[i], gradients[i], limit, $"{what}, gradient {i}");
    }

    private static (Tensor Output, Tensor[] Gradients) Differentiate(Tensor[] inputs, Func<Tensor[], Tensor> call)
    {
        Tensor[] leaves = [.. inputs.Select(x => x.detach().clone().requires_grad_())];
        Tensor output = call(leaves);
        Numbers.Objective([output]).backward();
        return (output.detach(), [.. leaves.Select(x => x.grad is { } g ? g : zeros_like(x))]);
    }
}
