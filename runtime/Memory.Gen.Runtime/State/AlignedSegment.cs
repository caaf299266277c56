using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime;

/// <summary>
/// The part of a segment that a call reads, for models that cut their text into segments: every row stands at the same place of
/// its segment, which may be another one of its text.
/// </summary>
/// <param name="Start">Its first token within the call.</param>
/// <param name="Length">Its number of tokens, at least 1.</param>
/// <param name="Place">Tokens of the segment that were read before.</param>
/// <param name="SegmentTokens">Tokens of a whole segment.</param>
/// <param name="Segments">The number of each row's segment in its text, from 0.</param>
public sealed record AlignedSegment(long Start, long Length, long Place, long SegmentTokens, IReadOnlyList<long> Segments)
{
    /// <summary>Whether it holds the segment's first token.</summary>
    public bool Begins => Place == 0;

    /// <summary>Whether it holds the segment's last token.</summary>
    public bool Ends => Place + Length == SegmentTokens;

    /// <summary>Whether it is the whole segment.</summary>
    public bool IsWhole => Length == SegmentTokens;

    /// <summary>Whether the segment is the first one of every row's text.</summary>
    public bool IsFirst => Segments.All(segment => segment == 0);

    /// <summary>The parts of a call, in order; none for a call without tokens.</summary>
    /// <param name="tokens">Tokens of the call.</param>
    /// <param name="segment">Tokens of a segment.</param>
    /// <param name="state">What has been read before; all its rows stand at the same place of a segment.</param>
    public static IEnumerable<AlignedSegment> Of(long tokens, long segment, MemoryState state)
    {
        long[] positions = [.. state.RowPositions];
        for (long start = 0, length; start < tokens; start += length)
        {
            long place = (positions.FirstOrDefault() + start) % segment;
            length = Math.Min(tokens - start, segment - place);
            yield return new AlignedSegment(start, length, place, segment, [.. positions.Select(position => (position + start) / segment)]);
        }
    }

    /// <summary>The part's tokens.</summary>
    /// <param name="tokens"><c>[B, T]</c>, those of the call.</param>
    /// <returns><c>[B, Length]</c>, a view.</returns>
    public Tensor Of(Tensor tokens) => tokens.narrow(1, Start, Length);

    /// <summary>The most segments that any row has read before, up to a limit.</summary>
    /// <param name="limit">At least 1.</param>
    public long Most(long limit) => Math.Min(limit, Segments.DefaultIfEmpty().Max());

    /// <summary>What a text has before its first segment ends: something learned.</summary>
    /// <param name="kept"><c>[B, M, D]</c>, what the others have.</param>
    /// <param name="initial"><c>[M, D]</c>.</param>
    /// <returns><c>[B, M, D]</c>.</returns>
    public Tensor ValueOr(Tensor kept, Tensor initial)
    {
        if (!Segments.Contains(0)) return kept;
        Tensor rows = initial.unsqueeze(0).expand(kept.shape);
        return IsFirst ? rows : where(Mask(segment => segment == 0, kept), rows, kept);
    }

    /// <summary>Memories, cut from what made them in every row whose stretch of segments begins here.</summary>
    /// <param name="memories"><c>[B, M, D]</c>.</param>
    /// <param name="stretch">Segments of a stretch, counted from the beginning of a row's text.</param>
    /// <returns>The same numbers.</returns>
    public Tensor Cut(Tensor memories, long stretch)
    {
        bool[] begins = [.. Segments.Select(segment => Begins && segment % stretch == 0)];
        if (!begins.Contains(true) || !memories.requires_grad) return memories;
        return memories.CutRows(begins);
    }

    private Tensor Mask(Func<long, bool> holds, Tensor like) => tensor(Segments.Select(holds).ToArray(), device: like.device).view(-1, 1, 1);
}
