using Memory.Gen.Runtime.Operators;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>Sequences packed into a row, and tokens that do not count, against each sequence on its own: outputs, gradients and states.</summary>
public sealed class SegmentTests
{
    private static readonly long[] Uneven = [0, 1, 5, 64, 3, 0, 131];

    public static TheoryData<string, OperatorForm> Cases()
    {
        var data = new TheoryData<string, OperatorForm>();
        foreach (string name in OperatorCase.Segmented)
        {
            foreach (OperatorForm form in SequencePack.FormsOf(name)) data.Add(name, form);
        }

        return data;
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Packed_equals_each_sequence_alone(string name, OperatorForm form)
    {
        using var scope = NewDisposeScope();
        SequencePack pack = SequencePack.Of(name, form, 50, Uneven);
        (Tensor[] expected, Tensor[] expectedGradients) = pack.Alone(form);
        (Tensor[] actual, Tensor[] gradients) = pack.Run(form);
        pack.Same(form, expected, actual, "result");
        pack.SameGradients(form, expectedGradients, gradients);
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void The_order_of_sequences_changes_nothing_but_the_order(string name, OperatorForm form)
    {
        using var scope = NewDisposeScope();
        SequencePack pack = SequencePack.Of(name, form, 51, Uneven);
        int[] order = [6, 2, 0, 4, 1, 3, 5];
        (Tensor output, Tensor[] finals) = pack.Case.Call(pack.Tokens, pack.Others, pack.States, form, 16, pack.Segments);
        SequencePack permuted = pack.Permute(order);
        (Tensor moved, Tensor[] movedFinals) = pack.Case.Call(permuted.Tokens, pack.Others, permuted.States, form, 16, permuted.Segments);
        pack.Same(form, [cat([.. order.Select(n => pack.TokensOf(output, n))], 1)], [moved], "outputs");
        pack.Same(form, [.. finals.Select(x => x.index_select(0, tensor(order.Select(n => (long)n).ToArray())))], movedFinals, "final states");
    }

    /// <summary>Tokens that do not count hold NaN: nothing of it may arrive anywhere.</summary>
    [Theory]
    [MemberData(nameof(Cases))]
    public void Tokens_that_do_not_count_are_as_if_not_there(string name, OperatorForm form)
    {
        using var scope = NewDisposeScope();
        SequencePack pack = SequencePack.Of(name, form, 52, 9, 0, 21, 1);
        (Tensor[] expected, Tensor[] expectedGradients) = pack.Alone(form);
        const int T = 24;
        int tokens = pack.Tokens.Length;
        foreach (string where in new[] { "right", "left", "inside" })
        {
            long[] places = [.. pack.Lengths.SelectMany((length, row) => Places(where, (int)length, T, row).Select(place => (row * T) + place))];
            Tensor index = tensor(places), skip = ones(pack.Lengths.Length * T, dtype: ScalarType.Bool).index_put_(false, index).view(-1, T);
            Tensor Spread(Tensor x)
            {
                Tensor rows = full([skip.numel(), .. x.shape[2..]], double.NaN, dtype: x.dtype);
                return rows.index_put_(x.squeeze(0), index).view([-1, T, .. x.shape[2..]]);
            }

            Tensor Gather(Tensor x) => x.reshape([-1, .. x.shape[2..]]).index_select(0, index).unsqueeze(0);
            Segments[] segments = where == "right" ? [Segments.Skip(skip), Segments.Lengths(tensor(pack.Lengths))] : [Segments.Skip(skip)];
            foreach (Segments each in segments)
            {
                OperatorCase packed = pack.Case with
                {
                    Apply = (x, p, s, f, c, _) =>
                    {
                        (Tensor output, Tensor[] finals) = pack.Case.Call(x, p, s, f, c, each);
                        Assert.Equal(0, Size(output.masked_select(skip.view([.. skip.shape, .. output.shape[2..].Select(_ => 1L)]))));
                        return (Gather(output), finals);
                    },
                };
                (Tensor[] actual, Tensor[] gradients) = Numbers.ForwardBackward(packed, [.. pack.Tokens.Select(Spread)], pack.Others, pack.States, form, 16);
                pack.Same(form, expected, actual, $"{where}: result");
                pack.SameGradients(form, expectedGradients, [.. gradients[..tokens].Select(Gather), .. gradients[tokens..]]);
                foreach (Tensor gradient in gradients[..tokens])
                {
                    Tensor flat = gradient.reshape([skip.numel(), .. gradient.shape[2..]]);
                    Assert.Equal(0, Size(flat.index_put_(0, index)));
                }
            }
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Not_a_number_stays_in_its_sequence(string name, OperatorForm form)
    {
        using var scope = NewDisposeScope();
        SequencePack pack = SequencePack.Of(name, form, 53, 7, 20, 3);
        (Tensor[] expected, Tensor[] expectedGradients) = pack.Run(form);
        foreach (Tensor x in pack.Tokens) pack.TokensOf(x, 1).select(1, 11).fill_(double.NaN);
        (Tensor[] actual, Tensor[] gradients) = pack.Run(form);
        int last = expectedGradients.Length - pack.States.Length;
        foreach (int n in new[] { 0, 2 })
        {
            Numbers.Close(pack.TokensOf(expected[0], n), pack.TokensOf(actual[0], n), 0, "output");
            for (int i = 1; i < expected.Length; i++) Numbers.Close(expected[i].narrow(0, n, 1), actual[i].narrow(0, n, 1), 0, "final state");
            for (int i = 0; i < pack.Tokens.Length; i++) Numbers.Close(pack.TokensOf(expectedGradients[i], n), pack.TokensOf(gradients[i], n), 0, $"gradient {i}");
            for (int i = last; i < gradients.Length; i++) Numbers.Close(expectedGradients[i].narrow(0, n, 1), gradients[i].narrow(0, n, 1), 0, $"gradient {i}");
        }

        Assert.True(double.IsNaN(Size(actual[0])), "the spoilt sequence must not look clean");
    }

    [Theory]
    [MemberData(nameof(OperatorCase.Segmented), MemberType = typeof(OperatorCase))]
    public void Gradients_equal_central_differences(string name)
    {
        using var scope = NewDisposeScope();
        SequencePack pack = SequencePack.Of(name, OperatorForm.Chunked, 54, 3, 0, 6, 1);
        foreach (OperatorForm form in new[] { OperatorForm.Reference, OperatorForm.Chunked })
        {
            Numbers.GradientsAreDerivatives(pack.Case, pack.Tokens, pack.Others, pack.States, form, 4, pack.Segments);
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Without_tokens_states_stay_as_they_are(string name, OperatorForm form)
    {
        using var scope = NewDisposeScope();
        foreach (long[] lengths in new[] { Array.Empty<long>(), [0], [0, 0, 0] })
        {
            SequencePack pack = SequencePack.Of(name, form, 55, lengths);
            (Tensor output, Tensor[] finals) = pack.Case.Call(pack.Tokens, pack.Others, pack.States, form, 16, pack.Segments);
            Assert.Equal(0, output.numel());
            foreach ((Tensor initial, Tensor final) in pack.States.Zip(finals)) Numbers.Close(initial, final, 0, "final state");
        }

        // All passed over, as many tokens as there may be.
        foreach (long T in new long[] { 1, 70 })
        {
            SequencePack pack = SequencePack.Of(name, form, 56, T);
            foreach (Tensor x in pack.Tokens) x.fill_(double.NaN);
            foreach (Segments none in new[] { Segments.Skip(ones([1, T], dtype: ScalarType.Bool)), Segments.Lengths(zeros([1], dtype: ScalarType.Int64)) })
            {
                (Tensor output, Tensor[] finals) = pack.Case.Call(pack.Tokens, pack.Others, pack.States, form, 16, none);
                Assert.Equal(0, Size(output));
                foreach ((Tensor initial, Tensor final) in pack.States.Zip(finals)) Numbers.Close(initial, final, 0, "final state");
            }
        }
    }

    [Theory]
    [MemberData(nameof(Cases))]
    public void Rows_may_pause_in_decoding(string name, OperatorForm form)
    {
        using var scope = NewDisposeScope();
        SequencePack pack = SequencePack.Of(name, form, 57, 1, 1, 1);
        Tensor[] column = [.. pack.Tokens.Select(x => x.transpose(0, 1))];
        (Tensor all, Tensor[] moved) = pack.Case.Call(column, pack.Others, pack.States, form, null);
        (Tensor some, Tensor[] finals) = pack.Case.Call(column, pack.Others, pack.States, form, null, Segments.Skip(tensor(new[] { false, true, false }).view(3, 1)));
        foreach (long row in new long[] { 0, 2 }) Numbers.Close(all.select(0, row), some.select(0, row), 1e-6, "output");
        Assert.Equal(0, Size(some.select(0, 1)));
        for (int i = 0; i < finals.Length; i++)
        {
            Numbers.Close(pack.States[i].select(0, 1), finals[i].select(0, 1), 0, "a state that waits");
            Numbers.Close(moved[i].select(0, 2), finals[i].select(0, 2), 1e-6, "a state that goes on");
        }
    }

    private static double Size(Tensor x) => x.detach().to(ScalarType.Float64).abs().sum().item<double>();

    private static IEnumerable<int> Places(string where, int length, int T, int row) => where switch
    {
        "right" => Enumerable.Range(0, length),
        "left" => Enumerable.Range(T - length, length),
        _ => Enumerable.Range(0, T).OrderBy(place => (place * 7 + row) % T).Take(length).Order(),
    };
}
