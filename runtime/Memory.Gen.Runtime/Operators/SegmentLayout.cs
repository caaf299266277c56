using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>An operator on whole sequences: their outputs <c>[N, L, ...]</c>, then their final states.</summary>
/// <param name="tokens">Inputs <c>[N, L, ...]</c>, null where the operator has none.</param>
/// <param name="states">Initial states <c>[N, ...]</c>.</param>
/// <param name="lengths">Leading tokens of each sequence that count, those after them being fill; null where all count.</param>
internal delegate Tensor[] SequenceForm(Tensor?[] tokens, Tensor[] states, long[]? lengths);

/// <summary>Segments of rows of tokens <c>[B, T]</c>, and how tokens move between the rows and the sequences that they make up.</summary>
/// <remarks>Rows are selected, never multiplied by a mask, so that what does not count cannot spread, not even a NaN.</remarks>
internal sealed class SegmentLayout
{
    private readonly long B, T;
    private readonly Lazy<long[]> counting, places, pinned;
    private Tensor? onDevice;

    /// <summary>Sequences that are runs of tokens.</summary>
    /// <param name="B">Rows.</param>
    /// <param name="T">Tokens of a row.</param>
    /// <param name="starts">Where each begins on the axis of all <c>B T</c> tokens.</param>
    /// <param name="lengths">Its tokens.</param>
    public SegmentLayout(long B, long T, long[] starts, long[] lengths)
    {
        (this.B, this.T, Starts, Lengths) = (B, T, starts, lengths);
        Longest = lengths.Length == 0 ? 0 : lengths.Max();
        counting = new(() => Runs(starts, lengths));
        places = new(() => Runs([.. lengths.Select((_, n) => n * Longest)], lengths));
        pinned = new(() =>
        {
            // Never without elements, so that its address is one.
            long[] runs = GC.AllocateArray<long>((2 * lengths.Length) + 1, pinned: true);
            starts.CopyTo(runs, 0);
            lengths.CopyTo(runs, lengths.Length);
            return runs;
        });
    }

    /// <summary>Sequences whose tokens stand anywhere.</summary>
    /// <param name="B">Rows.</param>
    /// <param name="T">Tokens of a row.</param>
    /// <param name="tokens">Their tokens, sequence by sequence, as places on the axis of all <c>B T</c> tokens.</param>
    /// <param name="lengths">How many each has.</param>
    public static SegmentLayout Strewn(long B, long T, long[] tokens, long[] lengths)
    {
        long[] firsts = Firsts(lengths);
        bool runs = lengths.Zip(firsts).All(each => each.First == 0 || tokens[each.Second + each.First - 1] - tokens[each.Second] == each.First - 1);
        return runs
            ? new(B, T, [.. lengths.Zip(firsts, (length, first) => length == 0 ? 0 : tokens[first])], lengths)
            : new(B, T, tokens, lengths, firsts);
    }

    private SegmentLayout(long B, long T, long[] tokens, long[] lengths, long[] firsts)
        : this(B, T, firsts, lengths)
    {
        Starts = null;
        counting = new(tokens);
    }

    /// <summary>Where each sequence begins on the axis of all <c>B T</c> tokens; null when one has gaps.</summary>
    public long[]? Starts { get; }

    /// <summary>Tokens of each sequence.</summary>
    public long[] Lengths { get; }

    /// <summary>Tokens of the longest sequence.</summary>
    public long Longest { get; }

    /// <summary>The starts, then the lengths, of sequences without gaps, in memory that does not move.</summary>
    public long[] Pinned => pinned.Value;

    /// <summary>The same on the device of the call, which has one: made once, and kept as long as the layout.</summary>
    public Tensor On(Device device) => onDevice ??= tensor(Pinned, device: device).DetachFromDisposeScope();

    /// <summary>Whether no token is left out.</summary>
    public bool IsComplete => Lengths.Sum() == B * T;

    /// <summary>Whether every row is one sequence, so that there is nothing to do.</summary>
    public bool IsWhole => Lengths.Length == B && Array.TrueForAll(Lengths, length => length == T);

    /// <summary>How many sequences <paramref name="rows"/> rows are.</summary>
    public static long Sequences(SegmentLayout? layout, long rows) => layout?.Lengths.Length ?? rows;

    /// <summary>Runs a form on whole rows where <paramref name="layout"/> is null, else on its sequences: Reference on one after the other, any other on all of them, filled up to the longest.</summary>
    /// <param name="layout">The segments of this call.</param>
    /// <param name="form">The form that runs.</param>
    /// <param name="run">The form.</param>
    /// <param name="tokens">Inputs <c>[B, T, ...]</c>.</param>
    /// <param name="states">Initial states, one a sequence.</param>
    /// <param name="fills">For every input the number in fill tokens, with which a token must change no state; null for zeros.</param>
    /// <returns>Outputs <c>[B, T, ...]</c>, then final states.</returns>
    public static Tensor[] Run(SegmentLayout? layout, OperatorForm form, SequenceForm run, Tensor?[] tokens, Tensor[] states, double[]? fills = null) =>
        layout is null ? run(tokens, states, null)
        : form == OperatorForm.Reference && layout.Lengths.Length > 0 ? layout.OneByOne(run, tokens, states)
        : layout.Together(run, tokens, states, fills);

    /// <summary>Runs a kernel, which takes sequences that are runs of tokens: where one has gaps, on what is packed.</summary>
    /// <param name="layout">The segments of this call.</param>
    /// <param name="run">The kernel: inputs and segments to outputs, then final states.</param>
    /// <param name="tokens">Inputs <c>[B, T, ...]</c>.</param>
    /// <returns>Outputs <c>[B, T, ...]</c>, then final states.</returns>
    public static List<Tensor> RunKernel(SegmentLayout? layout, Func<Tensor?[], SegmentLayout?, List<Tensor>> run, params Tensor?[] tokens) =>
        layout is null or { Starts: not null } ? run(tokens, layout) : layout.Packed(run, tokens);

    /// <summary>The same for kernels with tensor operations in between, which see the tokens that count alone.</summary>
    public static List<Tensor> RunKernels(SegmentLayout? layout, Func<Tensor?[], SegmentLayout?, List<Tensor>> run, params Tensor?[] tokens) =>
        layout is null or { Starts: not null, IsComplete: true } ? run(tokens, layout) : layout.Packed(run, tokens);

    /// <summary>The same runs where every token is <paramref name="N"/> of them.</summary>
    public SegmentLayout Times(long N) => new(B, N * T, Array.ConvertAll(Starts!, start => N * start), Array.ConvertAll(Lengths, length => N * length));

    /// <summary>The tokens that count, sequence by sequence: <c>[B, T, ...]</c> to <c>[1, all, ...]</c>.</summary>
    public Tensor Pack(Tensor x) => RowMove.Run(Flat(x), counting.Value, null, counting.Value.Length).unsqueeze(0);

    /// <summary>Back: <c>[1, all, ...]</c> to <c>[B, T, ...]</c>, zeros for tokens that do not count.</summary>
    public Tensor Unpack(Tensor y) => RowMove.Run(y.squeeze(0), null, counting.Value, B * T).view([B, T, .. y.shape[2..]]);

    /// <summary>Sequences from their first token on: <c>[B, T, ...]</c> to <c>[N, Longest, ...]</c>, filled up with <paramref name="fill"/>.</summary>
    public Tensor Pad(Tensor x, double fill = 0) =>
        RowMove.Run(Flat(x), counting.Value, places.Value, Lengths.Length * Longest, fill).view([Lengths.Length, Longest, .. x.shape[2..]]);

    /// <summary>Back: <c>[N, Longest, ...]</c> to <c>[B, T, ...]</c>, zeros for tokens that do not count.</summary>
    public Tensor Unpad(Tensor y) => RowMove.Run(Flat(y), places.Value, counting.Value, B * T).view([B, T, .. y.shape[2..]]);

    /// <summary>True at the fill tokens of sequences that are filled up: <c>[N, longest]</c>.</summary>
    public static Tensor Fill(long[] lengths, long longest, Device device) =>
        arange(longest, dtype: ScalarType.Int64, device: device).unsqueeze(0).ge(tensor(lengths, device: device).unsqueeze(1));

    /// <summary>The last <paramref name="width"/> rows of sequences of which that many stand before the tokens: <c>[N, width + longest, ...]</c> to <c>[N, width, ...]</c>.</summary>
    public static Tensor Ends(Tensor x, long[] lengths, long width)
    {
        long row = x.shape[1];
        long[] ends = Runs([.. lengths.Select((length, n) => (n * row) + length)], [.. lengths.Select(_ => width)]);
        return RowMove.Run(Flat(x), ends, null, ends.Length).view([lengths.Length, width, .. x.shape[2..]]);
    }

    private List<Tensor> Packed(Func<Tensor?[], SegmentLayout?, List<Tensor>> run, Tensor?[] tokens)
    {
        List<Tensor> results = run(Array.ConvertAll(tokens, x => x is null ? null : Pack(x)), new(1, counting.Value.Length, Firsts(Lengths), Lengths));
        return [Unpack(results[0]), .. results[1..]];
    }

    private Tensor[] OneByOne(SequenceForm run, Tensor?[] tokens, Tensor[] states)
    {
        Tensor?[] packed = Array.ConvertAll(tokens, x => x is null ? null : Pack(x));
        Tensor[][] results = [.. Firsts(Lengths).Select((first, n) => run(
            Array.ConvertAll(packed, x => x?.narrow(1, first, Lengths[n])), Array.ConvertAll(states, x => x.narrow(0, n, 1)), null))];
        Tensor[] joined = [.. results[0].Select((_, i) => cat(Array.ConvertAll(results, result => result[i]), i == 0 ? 1 : 0))];
        return [Unpack(joined[0]), .. joined[1..]];
    }

    private Tensor[] Together(SequenceForm run, Tensor?[] tokens, Tensor[] states, double[]? fills)
    {
        Tensor[] results = run([.. tokens.Select((x, i) => x is null ? null : Pad(x, fills?[i] ?? 0))], states, Lengths);
        return [Unpad(results[0]), .. results[1..]];
    }

    private static Tensor Flat(Tensor x) => x.reshape([x.shape[0] * x.shape[1], .. x.shape[2..]]);

    /// <summary>For every sequence the tokens of those before it.</summary>
    private static long[] Firsts(long[] lengths)
    {
        var firsts = new long[lengths.Length];
        for (int n = 1; n < firsts.Length; n++) firsts[n] = firsts[n - 1] + lengths[n - 1];
        return firsts;
    }

    private static long[] Runs(long[] starts, long[] lengths)
    {
        var all = new long[lengths.Sum()];
        long next = 0;
        for (int n = 0; n < starts.Length; n++)
        {
            for (long i = 0; i < lengths[n]; i++) all[next++] = starts[n] + i;
        }

        return all;
    }
}
