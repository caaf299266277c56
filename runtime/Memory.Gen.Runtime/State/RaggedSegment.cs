using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime;

/// <summary>A run of a call's tokens that does not leave one segment in any row, for layers that read text in segments of fixed length.</summary>
/// <param name="Start">Its first token within the call.</param>
/// <param name="Length">Its number of tokens.</param>
/// <param name="Read">Tokens of the segment that each row has read before, int64 <c>[B]</c>; null where every row begins its segment here.</param>
public readonly record struct RaggedSegment(long Start, long Length, Tensor? Read)
{
    /// <summary>The spans of a call, in order; one empty span for a call without tokens.</summary>
    /// <param name="tokens">Tokens of the call.</param>
    /// <param name="segment">Tokens of a segment; in each row a segment begins with its first token.</param>
    /// <param name="state">The layer's state; null for sequences that begin here.</param>
    public static IEnumerable<RaggedSegment> Of(long tokens, long segment, LayerState? state)
    {
        long[] read = state is null ? [0] : [.. state.RowPositions.Select(position => position % segment)];
        long start = 0;
        do
        {
            long length = Math.Min(tokens - start, segment - read.DefaultIfEmpty().Max());
            yield return new RaggedSegment(start, length, read.Any(before => before > 0) ? torch.tensor(read, device: state!.Positions.device) : null);
            start += length;
            read = [.. read.Select(before => (before + length) % segment)];
        }
        while (start < tokens);
    }

    /// <summary>The span's part of a tensor.</summary>
    /// <param name="x"><c>[B, T, ...]</c>, of the whole call.</param>
    /// <returns><c>[B, Length, ...]</c>, a view.</returns>
    public Tensor Of(Tensor x) => x.narrow(1, Start, Length);

    /// <summary>Where the span's tokens stand in their segments, counted from 0.</summary>
    /// <param name="x">Tells the device.</param>
    /// <returns>int64 <c>[Length]</c>, or <c>[B, Length]</c> where rows differ.</returns>
    public Tensor Positions(Tensor x)
    {
        Tensor steps = arange(Length, dtype: ScalarType.Int64, device: x.device);
        return Read is null ? steps : Read.unsqueeze(1) + steps;
    }

    /// <summary>A cache of the tokens before.</summary>
    /// <param name="cache">The cache; null without a state.</param>
    /// <returns>Its value; null where the segment has read nothing yet.</returns>
    public Tensor? Past(StateTensor? cache) => Read is null ? null : cache?.Value;

    /// <summary>For a state that holds what was there when the segment began.</summary>
    /// <param name="now"><c>[B, ...]</c>, what is there now, for rows that begin their segment with this span.</param>
    /// <param name="kept"><c>[B, ...]</c>, what was kept, for the others.</param>
    /// <returns><c>[B, ...]</c>.</returns>
    public Tensor Begins(Tensor now, Tensor kept)
    {
        if (Length == 0) return kept;
        if (Read is null) return now.clone();
        var shape = new long[now.dim()];
        Array.Fill(shape, 1);
        shape[0] = -1;
        return where(Read.eq(0).view(shape), now, kept);
    }
}
