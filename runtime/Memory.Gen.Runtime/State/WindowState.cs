using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime;

/// <summary>
/// What the layers of a backbone keep while it reads one segment's window. It is a part of the text's state, whose tensors,
/// transaction and losses it shares; but the layers count positions from the window's first row, and forget all with its last.
/// </summary>
public sealed class WindowState : MemoryState
{
    private readonly MemoryState text;
    private readonly List<StateTensor> tensors = [];
    private AlignedSegment? part;
    private long place, front, back;

    /// <param name="text">The state that this is a part of.</param>
    public WindowState(MemoryState text) : base(text.Model, text.Declaration, text.Batch, text.Device, text.Dtype) => this.text = text;

    /// <summary><c>[B]</c> int64: rows of the window that were read before. Made anew at every look, for the caller's scope.</summary>
    public override Tensor Positions => full([Batch], place, dtype: ScalarType.Int64, device: Device);

    internal override IReadOnlyList<long> RowPositions => [.. Enumerable.Repeat(place, (int)Batch)];

    // Rows of the memory's own count as any token.
    internal override Tensor? Padding => text.Padding is { } padding
        ? cat([Counted(front), part!.Of(padding), Counted(back)], 1)
        : null;

    internal override bool InTransaction => text.InTransaction;

    /// <summary>Says what the backbone reads next.</summary>
    /// <param name="next">The part of the segment.</param>
    /// <param name="before">Rows of the window in front of the segment.</param>
    /// <param name="behind">Rows of the window behind it.</param>
    public void Enter(AlignedSegment next, long before, long behind)
    {
        part = next;
        place = next.Begins ? 0 : before + next.Place;
        front = next.Begins ? before : 0;
        back = next.Ends ? behind : 0;
    }

    /// <summary>Forgets what the layers keep, for the next window.</summary>
    public void Forget() => tensors.ForEach(tensor => tensor.Zero());

    // The losses of a call are means over its tokens.
    internal override void AddLoss(Tensor loss) => text.AddLoss(loss * ((double)part!.Length / text.CallTokens));

    internal override StateTensor Add(string name, long[] shape, ScalarType dtype, bool grows)
    {
        StateTensor tensor = text.Add(this, name, shape, dtype, grows);
        tensors.Add(tensor);
        return tensor;
    }

    internal override void ThrowIfDisposed() => text.ThrowIfDisposed();

    private Tensor Counted(long rows) => zeros([Batch, rows], dtype: ScalarType.Bool, device: Device);
}
