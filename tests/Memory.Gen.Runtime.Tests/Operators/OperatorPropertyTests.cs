using Memory.Gen.Runtime.Operators;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>What holds for every operator that reads a sequence: forms agree, splits agree, gradients are right.</summary>
public sealed class OperatorPropertyTests
{
    [Theory]
    [MemberData(nameof(OperatorCase.Names), MemberType = typeof(OperatorCase))]
    public void Chunked_equals_reference_for_every_chunk_and_length(string name)
    {
        OperatorCase each = OperatorCase.Of(name);
        foreach (int C in each.Chunks)
        {
            foreach (long T in new long[] { 0, 1, C - 1, C, C + 1, (3 * C) + 5 }.Distinct())
            {
                using var scope = NewDisposeScope();
                var random = new Randoms(1);
                Tensor[] sequences = each.Sequences(random, T), others = each.Others(random), states = each.States(random);
                (Tensor[] expected, Tensor[] expectedGradients) = Numbers.ForwardBackward(each, sequences, others, states, OperatorForm.Reference, null);
                (Tensor[] actual, Tensor[] gradients) = Numbers.ForwardBackward(each, sequences, others, states, OperatorForm.Chunked, C);
                foreach ((Tensor e, Tensor a) in expected.Zip(actual)) Numbers.Close(e, a, 1e-10, $"{name} output, C {C}, T {T}");
                foreach ((Tensor e, Tensor a) in expectedGradients.Zip(gradients)) Numbers.Close(e, a, 1e-10, $"{name} gradient, C {C}, T {T}");
            }
        }
    }

    [Theory]
    [MemberData(nameof(OperatorCase.Continuable), MemberType = typeof(OperatorCase))]
    public void Any_split_equals_the_whole(string name)
    {
        using var scope = NewDisposeScope();
        OperatorCase each = OperatorCase.Of(name);
        var random = new Randoms(2);
        Tensor[] sequences = each.Sequences(random, 37), others = each.Others(random), states = each.States(random);
        (Tensor whole, Tensor[] finals) = each.Call(sequences, others, states, OperatorForm.Chunked, 16);

        var parts = new List<Tensor>();
        long start = 0;
        foreach (long length in new long[] { 0, 1, 18, 0, 1, 1, 16 })
        {
            Tensor[] piece = [.. sequences.Select(x => x.narrow(1, start, length))];
            (Tensor part, states) = each.Call(piece, others, states, OperatorForm.Chunked, 16);
            parts.Add(part);
            start += length;
        }

        Assert.Equal(37, start);
        Numbers.Close(whole, cat(parts, 1), 1e-10, "outputs");
        foreach ((Tensor e, Tensor a) in finals.Zip(states)) Numbers.Close(e, a, 1e-10, "final state");
    }

    [Theory]
    [MemberData(nameof(OperatorCase.Names), MemberType = typeof(OperatorCase))]
    public void Gradients_equal_central_differences(string name)
    {
        OperatorCase each = OperatorCase.Of(name);
        foreach (OperatorForm form in new[] { OperatorForm.Reference, OperatorForm.Chunked })
        {
            using var scope = NewDisposeScope();
            var random = new Randoms(3);
            Tensor[] sequences = each.Sequences(random, 11), others = each.Others(random), states = each.States(random);
            Numbers.GradientsAreDerivatives(each, sequences, others, states, form, 4);
        }
    }

    [Theory]
    [MemberData(nameof(OperatorCase.Names), MemberType = typeof(OperatorCase))]
    public void Not_a_number_stays_in_its_row(string name)
    {
        OperatorCase each = OperatorCase.Of(name);
        foreach (OperatorForm form in new[] { OperatorForm.Reference, OperatorForm.Chunked })
        {
            using var scope = NewDisposeScope();
            var random = new Randoms(4);
            Tensor[] clean = each.Sequences(random, 20), others = each.Others(random), states = each.States(random);
            Tensor[] spoilt = [.. clean.Select(x => x.clone())];
            foreach (Tensor x in spoilt) x.select(0, 1).select(0, 7).fill_(double.NaN);

            (Tensor expected, Tensor[] expectedFinals) = each.Call(clean, others, states, form, 8);
            (Tensor actual, Tensor[] finals) = each.Call(spoilt, others, states, form, 8);
            Numbers.Close(expected.select(0, 0), actual.select(0, 0), 0, $"{form} output");
            foreach ((Tensor e, Tensor a) in expectedFinals.Zip(finals)) Numbers.Close(e.select(0, 0), a.select(0, 0), 0, $"{form} final state");
            Assert.True(double.IsNaN(Numbers.Error(actual.select(0, 1), expected.select(0, 1))), "the spoilt row must not look clean");
        }
    }

    [Theory]
    [MemberData(nameof(OperatorCase.Names), MemberType = typeof(OperatorCase))]
    public void A_call_in_any_layout_gives_the_same_and_changes_no_input(string name)
    {
        using var scope = NewDisposeScope();
        OperatorCase each = OperatorCase.Of(name);
        var random = new Randoms(5);
        Tensor[] sequences = each.Sequences(random, 21), others = each.Others(random), states = each.States(random);
        Tensor[] before = [.. sequences.Concat(others).Concat(states).Select(x => x.clone())];
        (Tensor expected, Tensor[] expectedFinals) = each.Call(sequences, others, states, OperatorForm.Chunked, 8);
        foreach (OperatorForm form in new[] { OperatorForm.Reference, OperatorForm.Chunked })
        {
            each.Call(sequences, others, states, form, 8);
            foreach ((Tensor e, Tensor a) in before.Zip(sequences.Concat(others).Concat(states))) Numbers.Close(e, a, 0, $"{form}, an input");
        }

        static Tensor Strided(Tensor x) => stack([x, x + 1], -1).select(-1, 0);
        (Tensor actual, Tensor[] finals) = each.Call(
            [.. sequences.Select(Strided)], [.. others.Select(Strided)], [.. states.Select(Strided)], OperatorForm.Chunked, 8);
        foreach ((Tensor e, Tensor a) in expectedFinals.Prepend(expected).Zip([actual, .. finals])) Numbers.Close(e, a, 1e-12, "outputs");
    }

    /// <summary>Where a size is 1, a transposed tensor is the tensor itself: what is done to it in place is done to the input.</summary>
    [Theory]
    [InlineData(1, 1, 1)]
    [InlineData(1, 1, 5)]
    [InlineData(1, 2, 1)]
    [InlineData(2, 1, 1)]
    [InlineData(2, 2, 1)]
    public void One_row_head_or_feature_is_no_special_case(long rows, long heads, long features)
    {
        foreach (string name in new[] { "linear_attention", "linear_attention_normalized", "scalar_decay", "channel_decay", "delta_rule", "gated_delta_rule", "channel_delta_rule", "generalized_delta_rule", "titans_linear in blocks" })
        {
            foreach (int chunk in new[] { 1, 8, 64 })
            {
                using var scope = NewDisposeScope();
                OperatorCase each = OperatorCase.Of(name);
                var random = new Randoms(9);
                // Queries and keys come first, then values; gates have features where there is one a channel.
                Tensor[] sequences = [.. each.Sequences(random, 21).Select((x, i) => Cut(x.narrow(2, 0, heads), i != 2 && x.dim() == 4 ? 3 : 0))];
                Tensor[] states = [.. each.States(random).Select(x => Cut(x.narrow(1, 0, heads), 2))];
                Tensor[] before = [.. sequences.Concat(states).Select(x => x.clone())];
                (Tensor[] expected, Tensor[] expectedGradients) = Numbers.ForwardBackward(each, sequences, [], states, OperatorForm.Reference, null);
                (Tensor[] actual, Tensor[] gradients) = Numbers.ForwardBackward(each, sequences, [], states, OperatorForm.Chunked, chunk);
                foreach ((Tensor e, Tensor a) in expected.Zip(actual)) Numbers.Close(e, a, 1e-10, $"{name} output");
                foreach ((Tensor e, Tensor a) in expectedGradients.Zip(gradients)) Numbers.Close(e, a, 1e-10, $"{name} gradient");
                each.Call(sequences, [], states, OperatorForm.Chunked, chunk);
                foreach ((Tensor e, Tensor a) in before.Zip(sequences.Concat(states))) Numbers.Close(e, a, 0, $"{name} input");
            }
        }

        Tensor Cut(Tensor x, long axis) => x.narrow(0, 0, rows).narrow(axis, 0, axis == 0 ? rows : features).contiguous();
    }

    [Theory]
    [MemberData(nameof(OperatorCase.Names), MemberType = typeof(OperatorCase))]
    public void Float32_is_near_float64(string name)
    {
        using var scope = NewDisposeScope();
        OperatorCase each = OperatorCase.Of(name);
        var random = new Randoms(7);
        Tensor[] Narrow(Tensor[] all) => [.. all.Select(x => x.to(ScalarType.Float32))];
        Tensor[] Widen(Tensor[] all) => [.. Narrow(all).Select(x => x.to(ScalarType.Float64))];
        Tensor[] sequences = each.Sequences(random, 90), others = each.Others(random), states = each.States(random);
        (Tensor[] expected, Tensor[] expectedGradients) = Numbers.ForwardBackward(each, Widen(sequences), Widen(others), Widen(states), OperatorForm.Reference, null);
        (Tensor[] actual, Tensor[] gradients) = Numbers.ForwardBackward(each, Narrow(sequences), Narrow(others), Narrow(states), OperatorForm.Chunked, null);
        foreach ((Tensor e, Tensor a) in expected.Zip(actual)) Numbers.Close(e, a, 1e-5, "output");
        foreach ((Tensor e, Tensor a) in expectedGradients.Zip(gradients)) Numbers.Close(e, a, 5e-5, "gradient");
    }
}
