using Memory.Gen.Runtime.Operators;
using Memory.Gen.Runtime.Tests.Harness;
using Memory.Gen.Runtime.Tests.Operators;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using Numbers = Memory.Gen.Runtime.Tests.Models.Numbers;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.State;

/// <summary>A Titans memory read in pieces is the memory read at once.</summary>
public sealed class TitansBlocksTests : IDisposable
{
    private const long B = TitansCase.B, H = TitansCase.H, T = 23;

    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Randoms r = new(80);

    public static TheoryData<string> Names => OperatorCase.TitansNames;

    public void Dispose() => scope.Dispose();

    [Theory, MemberData(nameof(Names))]
    public void Any_split_equals_the_whole(string name)
    {
        TitansCase variant = Variant(name);
        (Tensor[] x, Tensor[] others, Tensor[] initial) = Inputs(variant);
        using var whole = new TitansState(variant, B);
        Tensor expected = variant.Call(x, others, initial, OperatorForm.Reference).Output;
        Numbers.Near(expected, whole.Advance(x, others, initial), 1e-10, "at once");

        var random = new Random(81);
        IEnumerable<IReadOnlyList<long>> splits = [[.. Enumerable.Repeat(1L, (int)T)], [0, 2, 0, T - 3, 1, 0], .. Enumerable.Range(0, 4).Select(_ => Numbers.Split(T, random))];
        foreach (IReadOnlyList<long> pieces in splits)
        {
            string what = $"split {string.Join(' ', pieces)}";
            using var state = new TitansState(variant, B);
            long bytes = state.Bytes;
            Numbers.Near(expected, InPieces(state, x, others, initial, pieces), 1e-10, what);
            Numbers.Near(whole, state, 1e-10, what);
            Assert.Equal(bytes, state.Bytes);
        }
    }

    [Theory, MemberData(nameof(Names))]
    public void Rows_stand_at_different_places_of_their_blocks(string name)
    {
        TitansCase variant = Variant(name);
        (Tensor[] x, Tensor[] others, Tensor[] initial) = Inputs(variant);
        using var state = new TitansState(variant, B);
        const long Before = 5;
        state.Advance([.. x.Select(each => each.narrow(1, 0, Before))], others, initial);
        state.Reset(1);
        Tensor[] rest = [.. x.Select(each => each.narrow(1, Before, T - Before))];
        Tensor read = InPieces(state, rest, others, initial, [1, 1, 9, 7]);

        Tensor going = variant.Call(x, others, initial, OperatorForm.Reference).Output.narrow(1, Before, T - Before);
        Tensor fresh = variant.Call(rest, others, initial, OperatorForm.Reference).Output;
        Numbers.Near(going.narrow(0, 0, 1), read.narrow(0, 0, 1), 1e-10, "the row that went on");
        Numbers.Near(fresh.narrow(0, 1, 1), read.narrow(0, 1, 1), 1e-10, "the row that was reset");
        Assert.Equal([T, T - Before], state.Positions.data<long>().ToArray());

        using var alone = new TitansState(variant, B);
        alone.Advance(rest, others, initial);
        foreach ((StateTensor mixed, StateTensor single) in state.Tensors.Zip(alone.Tensors))
            Numbers.Near(single.Value.narrow(0, 1, 1), mixed.Value.narrow(0, 1, 1), 1e-10, mixed.Name);
    }

    [Fact]
    public void Float32_is_within_its_limit()
    {
        TitansCase variant = Variant("two layers");
        (Tensor[] x, Tensor[] others, Tensor[] initial) = Inputs(variant, ScalarType.Float32);
        using var whole = new TitansState(variant, B, ScalarType.Float32);
        Tensor expected = whole.Advance(x, others, initial);
        using var state = new TitansState(variant, B, ScalarType.Float32);
        Numbers.Near(expected, InPieces(state, x, others, initial, [.. Enumerable.Repeat(1L, (int)T)]), 1e-5, "token by token");
        Numbers.Near(whole, state, 1e-5, "final state");
    }

    // The kernel library reads such a token where the block lies.
    [Theory, MemberData(nameof(Names))]
    public void Without_gradients_tokens_are_read_one_by_one_and_a_call_that_is_given_up_leaves_nothing(string name) => ReadOneByOne(Variant(name), ScalarType.Float32, 1e-5);

    [Fact]
    public void The_kernel_library_takes_a_target_of_all_rows()
    {
        using var quiet = no_grad();
        Tensor[] Tokens(long count) => [zeros(2, count, 3, 5), zeros(2, count, 3, 4), zeros(2, count, 3), zeros(2, count, 3)];
        foreach (Tensor target in new[] { zeros(1, 3, 5, 4), zeros(1, 3, 4, 5).transpose(2, 3) })
            Assert.NotNull(TitansStepKernel.Run(zeros(2, 1, 3, 5), Tokens(1), Tokens(7), 3, [zeros(2, 3, 5, 4)], [], [target.expand(2, 3, 5, 4)], null, true, new TitansOptions(8)));
    }

    [Fact]
    public void The_kernel_library_takes_a_residual_that_fits()
    {
        using var quiet = no_grad();
        Tensor[] Tokens(long count) => [zeros(2, count, 3, 5), zeros(2, count, 3, 5), zeros(2, count, 3)];
        bool Takes(Tensor gamma) => TitansStepKernel.Run(zeros(2, 1, 3, 5), Tokens(1), Tokens(7), 3, [zeros(2, 3, 5, 5)], [], null, gamma, false, new TitansOptions(8)) is not null;
        Assert.True(Takes(zeros(3, 5)));
        Assert.True(Takes(zeros(5, 3).transpose(0, 1)));
        Assert.True(Takes(zeros([3, 5], dtype: ScalarType.BFloat16)));
        Assert.False(Takes(zeros(1, 5))); // refused by name elsewhere
        Assert.False(Takes(zeros(3, 4)));
    }

    // By the operator, whether or not the kernel of one token could have read it.
    [Fact]
    public void A_target_that_does_not_fit_is_refused_without_gradients_too()
    {
        using var quiet = no_grad();
        TitansCase variant = Variant("two layers toward a target, clipped"), remembering = variant with { Forgetting = false };
        (Tensor[] x, Tensor[] others, Tensor[] initial) = Inputs(variant, ScalarType.Float32);
        Tensor[] token = [.. x.Select(each => each.narrow(1, 0, 1).contiguous())], square = [.. initial.Select(each => each.narrow(2, 0, 3).narrow(3, 0, 3))];
        void Refused(TitansCase each, Tensor[] target, string message)
        {
            using var state = new TitansState(each, B, ScalarType.Float32);
            Assert.Contains(message, Assert.Throws<ArgumentException>(() => state.Blocks.Read(
                token[0], token[1], token[2], token[3], token[4], each.Forgetting ? token[5] : null, initial[..2], initial[2..], each.Options, target)).Message);
        }

        Refused(variant, [], "target has 0 matrices");
        Refused(variant, [others[0].expand(B, -1, -1, -1)], "target has 1 matrices");
        Refused(variant, square[..2], "target[0]");
        Refused(remembering, variant.TargetOf(others, B)!, "target was given, but alpha is null");
    }

    // On CUDA that of a 16-bit model too.
    [Theory, MemberData(nameof(Names))]
    public void Without_gradients_tokens_of_a_16_bit_model_are_read_one_by_one(string name) => ReadOneByOne(Variant(name), ScalarType.BFloat16, 1e-2);

    private void ReadOneByOne(TitansCase variant, ScalarType dtype, double limit)
    {
        using var quiet = no_grad();
        (Tensor[] x, Tensor[] others, Tensor[] initial) = Inputs(variant, dtype);
        (others, initial) = (Of(others, ScalarType.Float32), Of(initial, ScalarType.Float32));
        static Tensor[] Of(Tensor[] tensors, ScalarType dtype) => [.. tensors.Select(each => each.to(dtype))];
        using var whole = new TitansState(variant, B);
        Tensor expected = whole.Advance(Of(x, ScalarType.Float64), Of(others, ScalarType.Float64), Of(initial, ScalarType.Float64));
        using var state = new TitansState(variant, B, dtype);
        var outputs = new List<Tensor>();
        for (long t = 0; t < T; t++)
        {
            Tensor[] token = [.. x.Select(each => each.narrow(1, t, 1).contiguous())];
            using (TitansState before = state.Clone())
            {
                state.Try(token, others, initial);
                Numbers.Near(before, state, 0, $"given up at {t}");
            }

            outputs.Add(state.Advance(token, others, initial));
        }

        Numbers.Near(expected, cat(outputs, 1), limit, "outputs");
        Numbers.Near(whole, state, 1e-5, "final state");
    }

    [Fact]
    public void A_state_of_a_16_bit_model_keeps_weights_in_float32_and_tokens_as_they_are()
    {
        TitansCase variant = Variant("two layers");
        (Tensor[] x, Tensor[] others, Tensor[] initial) = Inputs(variant, ScalarType.BFloat16);
        initial = [.. initial.Select(each => each.to(ScalarType.Float32))];
        using var whole = new TitansState(variant, B, ScalarType.BFloat16);
        using var state = new TitansState(variant, B, ScalarType.BFloat16);
        whole.Advance(x, others, initial);
        InPieces(state, x, others, initial, [3, 1, 19]);
        Numbers.Near(whole, state, 1e-5, "final state");
        (long memory, long cache) = TitansBlocks.Elements(H, variant.Widths, variant.Options.Block);
        Assert.Equal(B * ((4 * memory) + (2 * cache) + 8), state.Bytes);
    }

    [Theory, MemberData(nameof(Names))]
    public void Bytes_are_those_of_the_formula_at_any_time(string name)
    {
        TitansCase variant = Variant(name);
        (Tensor[] x, Tensor[] others, Tensor[] initial) = Inputs(variant);
        (long memory, long cache) = TitansBlocks.Elements(H, variant.Widths, variant.Options.Block, variant.Momentum, variant.Forgetting, variant.Options.GatedLinearUnit);
        using var state = new TitansState(variant, B);
        Assert.Equal(B * 8 * (memory + cache + 1), state.Bytes);
        InPieces(state, x, others, initial, [1, 3, 4, 15]);
        Assert.Equal(B * 8 * (memory + cache + 1), state.Bytes);
    }

    [Theory, MemberData(nameof(Names))]
    public void A_state_saved_in_the_middle_of_a_block_goes_on(string name)
    {
        TitansCase variant = Variant(name);
        (Tensor[] x, Tensor[] others, Tensor[] initial) = Inputs(variant);
        using var folder = new TemporaryFolder();
        using var state = new TitansState(variant, B);
        state.Advance([.. x.Select(each => each.narrow(1, 0, 9))], others, initial);
        state.Reset(0);
        state.Save(folder.File("memory"));
        using TitansState loaded = TitansState.Load(variant, folder.File("memory")), copy = state.Clone();
        Numbers.Near(state, loaded, 0, "as loaded");
        Tensor[] rest = [.. x.Select(each => each.narrow(1, 9, T - 9))];
        Tensor expected = state.Advance(rest, others, initial);
        Numbers.Near(expected, loaded.Advance(rest, others, initial), 0, "the loaded one");
        Numbers.Near(expected, copy.Advance(rest, others, initial), 0, "the clone");
        Numbers.Near(state, loaded, 0, "after reading on");
    }

    [Theory, MemberData(nameof(Names))]
    public void Gradients_flow_across_splits_until_detach(string name)
    {
        TitansCase variant = Variant(name);
        (Tensor[] x, Tensor[] others, Tensor[] initial) = Inputs(variant);
        Tensor[] leaves = [.. x.Concat(others).Concat(initial).Select(each => each.requires_grad_())];
        Tensor weights = r.Normal(B, T, H, variant.Widths[^1]);
        Tensor[] Gradients(Tensor output) => [.. autograd.grad([(output * weights).sum()], leaves, allow_unused: true)];

        Tensor[] expected = Gradients(variant.Call(x, others, initial, OperatorForm.Chunked).Output);
        using (var state = new TitansState(variant, B))
        {
            Tensor[] actual = Gradients(InPieces(state, x, others, initial, [2, 1, 7, 0, 12, 1]));
            for (int i = 0; i < leaves.Length; i++) Numbers.Near(expected[i], actual[i], 1e-10, $"input {i}");
        }

        using var cut = new TitansState(variant, B);
        cut.Advance([.. x.Select(each => each.narrow(1, 0, 10))], others, initial);
        cut.Detach();
        Tensor output = cut.Advance([.. x.Select(each => each.narrow(1, 10, T - 10))], others, initial);
        foreach (Tensor? gradient in autograd.grad([output.sum()], [.. x], allow_unused: true))
            Assert.Equal(0, gradient!.narrow(1, 0, 10).abs().max().item<double>());
    }

    [Fact]
    public void A_row_begins_with_a_copy_of_the_weights_it_is_given()
    {
        TitansCase variant = Variant("two layers");
        (Tensor[] x, Tensor[] others, Tensor[] initial) = Inputs(variant);
        using var state = new TitansState(variant, B);
        state.Advance([.. x.Select(each => each.narrow(1, 0, 2))], others, initial);
        Tensor kept = state.Tensors[0].Value.clone();
        foreach (Tensor weight in initial) weight.add_(1);
        Numbers.Near(kept, state.Tensors[0].Value, 0, "the state after the parameters moved on");
        Assert.False(state.Blocks.Begins);
        Numbers.Near(kept, state.Blocks.BlockStart(null)[0], 0, "where the block began");
        state.Reset(1);
        Assert.True(state.Blocks.Begins);
        Numbers.Near(initial[0].narrow(0, 1, 1), state.Blocks.BlockStart(initial[..2])[0].narrow(0, 1, 1), 0, "where the new row begins");
    }

    [Fact]
    public void Wrong_rules_are_refused_and_change_nothing()
    {
        TitansCase variant = Variant("two layers");
        (Tensor[] x, Tensor[] others, Tensor[] initial) = Inputs(variant);
        using var state = new TitansState(variant, B);
        using var step = state.Begin(B, T);
        string Refusal(Action call) => Assert.Throws<ArgumentException>(call).Message;
        Assert.Contains("blocks of 6 tokens; the rule has 7", Refusal(() => Read(x[4], x[5], initial[..2], new TitansOptions(7))));
        Assert.Contains("made with eta, which is null", Refusal(() => Read(null, x[5], initial[..2], variant.Options)));
        Assert.Contains("initialWeights has 0 matrices; expected 2", Refusal(() => Read(x[4], x[5], null, variant.Options)));

        void Read(Tensor? eta, Tensor? alpha, Tensor[]? weights, TitansOptions options) =>
            state.Blocks.Read(x[0], x[1], x[2], x[3], eta, alpha, weights, null, options);
    }

    private static TitansCase Variant(string name) => TitansCase.All.Single(each => each.Name == name);

    private (Tensor[] Sequences, Tensor[] Others, Tensor[] Initial) Inputs(TitansCase variant, ScalarType dtype = ScalarType.Float64)
    {
        Tensor[] In(Tensor[] all) => [.. all.Select(each => each.to(dtype))];
        return (In(variant.Sequences(r, T, B, H)), In(variant.Others(r, H)), In(variant.States(r, B, H)));
    }

    private static Tensor InPieces(TitansState state, Tensor[] x, Tensor[] others, Tensor[] initial, IReadOnlyList<long> pieces)
    {
        var parts = new List<Tensor>();
        long start = 0;
        foreach (long length in pieces)
        {
            parts.Add(state.Advance([.. x.Select(each => each.narrow(1, start, length))], others, initial));
            start += length;
        }

        Assert.Equal(x[0].shape[1], start);
        return cat(parts, 1);
    }
}

/// <summary>Counts the process's live tensors.</summary>
[Collection(Models.AloneCollection.Name)]
public sealed class TitansBlocksLeakTests
{
    [Fact]
    public void Nothing_is_left_behind()
    {
        using var outer = NewDisposeScope();
        TitansCase variant = TitansCase.All.Single(each => each.Name == "two layers with residual");
        var r = new Randoms(82);
        Tensor[] x = variant.Sequences(r, 7, 2, TitansCase.H), others = variant.Others(r, TitansCase.H), initial = variant.States(r, 2, TitansCase.H);
        long before = Models.ResourceTests.Settled();
        using (var state = new TitansState(variant, 2))
        {
            long held = 0;
            for (int i = 0; i < 3; i++)
            {
                state.Advance(x, others, initial).Dispose();
                state.Reset(1);
                state.Detach();
                if (i == 0) held = Tensor.TotalCount;
                Assert.Equal(held, Tensor.TotalCount);
            }

            Assert.Equal(before + state.Tensors.Count + 1, held);
        }

        Assert.Equal(before, Tensor.TotalCount);
    }
}
