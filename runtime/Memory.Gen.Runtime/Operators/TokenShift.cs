using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>Moves what tokens have by one token, each sequence by itself.</summary>
/// <remarks>Where rows hold several sequences their tokens are selected, so that no number of one reaches another.</remarks>
internal sealed class TokenShift
{
    private readonly long tokens;
    private readonly long[]? firsts, others, before, begun;

    /// <param name="runs">Sequences that are runs of all tokens; null where every row is one.</param>
    /// <param name="x"><c>[B, T, ...]</c>, at least one token.</param>
    public TokenShift(SegmentLayout? runs, Tensor x)
    {
        tokens = x.shape[0] * x.shape[1];
        if (runs is null) return;
        long[] starts = runs.Starts!, lengths = runs.Lengths;
        begun = [.. Enumerable.Range(0, lengths.Length).Where(n => lengths[n] > 0).Select(n => (long)n)];
        firsts = Array.ConvertAll(begun, n => starts[n]);
        before = [.. begun.SelectMany(n => Enumerable.Range(0, (int)lengths[n] - 1).Select(i => starts[n] + i))];
        others = Array.ConvertAll(before, place => place + 1);
    }

    /// <summary>Every token gets what the next one has, the last of a sequence zeros.</summary>
    public Tensor Back(Tensor x) => others is null
        ? cat([x.narrow(1, 1, x.shape[1] - 1), zeros_like(x.narrow(1, 0, 1))], 1)
        : RowMove.Run(x.flatten(0, 1), others, before, tokens).view(x.shape);

    /// <summary>Every token gets what the one before has, the first of a sequence its row of <paramref name="first"/>.</summary>
    public Tensor Forth(Tensor x, Tensor first) => others is null
        ? cat([first.unsqueeze(1), x.narrow(1, 0, x.shape[1] - 1)], 1)
        : (RowMove.Run(x.flatten(0, 1), before, others, tokens) + RowMove.Run(first, null, firsts, tokens)).view(x.shape);

    /// <summary>What the first token of each sequence has, <c>[N, ...]</c>, of sequences with a token.</summary>
    public Tensor Firsts(Tensor x) => firsts is null ? x.select(1, 0) : RowMove.Run(x.flatten(0, 1), firsts, null, firsts.Length);

    /// <summary>The states of the sequences with a token.</summary>
    public Tensor Begun(Tensor states) => begun is null || begun.Length == states.shape[0] ? states : RowMove.Run(states, begun, null, begun.Length);
}
