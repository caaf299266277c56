using Memory.Gen.Runtime.Operators;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>Inputs of an operator for sequences that stand one after the other in one row, with an initial state each.</summary>
/// <param name="Case">The operator.</param>
/// <param name="Lengths">Tokens of each sequence.</param>
/// <param name="Tokens">Inputs along time, <c>[1, T, ...]</c>.</param>
/// <param name="Others">Parameters.</param>
/// <param name="States">Initial states, <c>[N, ...]</c>.</param>
internal sealed record SequencePack(OperatorCase Case, long[] Lengths, Tensor[] Tokens, Tensor[] Others, Tensor[] States)
{
    /// <summary>Forms that take segments.</summary>
    public static OperatorForm[] FormsOf(string name) =>
        [OperatorForm.Reference, OperatorForm.Chunked, .. OperatorCase.Of(name).HasKernels ? [OperatorForm.Native] : Array.Empty<OperatorForm>()];

    public Segments Segments => Segments.Packed(tensor(Offsets(Lengths)));

    /// <summary>In the dtype that <paramref name="form"/> computes in.</summary>
    public static SequencePack Of(string name, OperatorForm form, ulong seed, params long[] lengths)
    {
        OperatorCase each = OperatorCase.Of(name);
        var random = new Randoms(seed);
        ScalarType dtype = form == OperatorForm.Native ? ScalarType.Float32 : ScalarType.Float64;
        Tensor[] tokens = each.Sequences(random, lengths.Sum()), others = each.Others(random);
        Tensor[][] states = [.. Enumerable.Range(0, lengths.Length + 1).Select(_ => each.States(random))];
        return new SequencePack(
            each, lengths, [.. tokens.Select(x => x.narrow(0, 0, 1).to(dtype).clone())], [.. others.Select(x => x.to(dtype))],
            [.. states[0].Select((_, i) => cat([.. states.Select(x => x[i].narrow(0, 0, 1))], 0).narrow(0, 0, lengths.Length).to(dtype))]);
    }

    public Tensor TokensOf(Tensor x, int n) => x.narrow(1, Lengths[..n].Sum(), Lengths[n]);

    public SequencePack Permute(int[] order) => this with
    {
        Lengths = [.. order.Select(n => Lengths[n])],
        Tokens = [.. Tokens.Select(x => cat([.. order.Select(n => TokensOf(x, n))], 1))],
        States = [.. States.Select(x => cat([.. order.Select(n => x.narrow(0, n, 1))], 0))],
    };

    /// <summary>One call: output and final states, and gradients of everything.</summary>
    public (Tensor[] Results, Tensor[] Gradients) Run(OperatorForm form) =>
        Numbers.ForwardBackward(Case, Tokens, Others, States, form, 16, Segments);

    /// <summary>A call for every sequence: by the reference, except that a form that promises bits is held to its own.</summary>
    public (Tensor[] Results, Tensor[] Gradients) Alone(OperatorForm form)
    {
        OperatorCase loop = Case with
        {
            Apply = (x, p, s, f, c, _) =>
            {
                (Tensor Output, Tensor[] States)[] reads = [.. Lengths.Select((_, n) =>
                    Case.Call([.. x.Select(each => TokensOf(each, n))], p, [.. s.Select(each => each.narrow(0, n, 1))], f, c))];
                return (cat([.. reads.Select(read => read.Output)], 1), [.. s.Select((_, i) => cat([.. reads.Select(read => read.States[i])], 0))]);
            },
        };
        return Numbers.ForwardBackward(loop, Tokens, Others, States, form == OperatorForm.Native ? form : OperatorForm.Reference, 16);
    }

    /// <summary>Reference and Native give the same bits, Chunked the same numbers.</summary>
    public void Same(OperatorForm form, Tensor[] expected, Tensor[] actual, string what)
    {
        foreach ((Tensor e, Tensor a) in expected.Zip(actual)) Numbers.Close(e, a, form == OperatorForm.Chunked ? 1e-10 : 0, $"{Case} {what}");
    }

    /// <summary>The same for gradients; those of parameters are sums over all tokens.</summary>
    public void SameGradients(OperatorForm form, Tensor[] expected, Tensor[] actual)
    {
        for (int i = 0; i < expected.Length; i++)
        {
            bool parameter = i >= Tokens.Length && i < Tokens.Length + Others.Length;
            double limit = form == OperatorForm.Native ? parameter ? 1e-4 : 0 : form == OperatorForm.Reference && !parameter ? 0 : 1e-10;
            Numbers.Close(expected[i], actual[i], limit, $"{Case} gradient {i}");
        }
    }

    private static long[] Offsets(long[] lengths) => [0, .. lengths.Select((_, n) => lengths[..(n + 1)].Sum())];
}
