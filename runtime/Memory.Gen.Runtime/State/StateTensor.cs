using Memory.Gen.Runtime.Kernels;
using Memory.Gen.Runtime.Operators;
using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime;

/// <summary>
/// One tensor of a state, <c>[B, ...]</c>. It begins as zeros; a call replaces it, or some of its rows. Inside a transaction
/// nothing of what was committed changes.
/// </summary>
public sealed class StateTensor : IStateSlot
{
    private readonly MemoryState owner;
    private readonly long[] initialShape;
    private Tensor? committed, pending;
    private RowUpdate? pendingRows, keptRows;
    private EntryRoom? room;

    // One entry along axis 1 of every row, and where it goes; negative where there is none.
    private byte[] pendingEntry = [];
    private long pendingPlace = -1;

    // Whether the storage of committed, or of pending, was made here and was never shown to a graph: then rows of it can
    // be written in place.
    private bool committedIsPrivate, pendingIsPrivate;

    internal StateTensor(MemoryState owner, string name, long[] shape, ScalarType dtype, bool grows)
    {
        this.owner = owner;
        Name = name;
        Dtype = dtype;
        Grows = grows;
        initialShape = grows ? [owner.Batch, 0, .. shape] : [owner.Batch, .. shape];
    }

    /// <summary>Unique within the state; the tensor's name in the file.</summary>
    public string Name { get; }

    /// <summary>Element type that is kept, whatever type an update arrives in.</summary>
    public ScalarType Dtype { get; }

    /// <summary>Whether axis 1 grows with the text; its entries are right-aligned, the newest last.</summary>
    public bool Grows { get; }

    /// <summary>
    /// What the state holds now: inside a transaction what was last written, else what was committed. The state owns it;
    /// do not dispose it. The next call may write into it: clone what has to stay.
    /// </summary>
    /// <exception cref="ObjectDisposedException">The state was disposed.</exception>
    public Tensor Value
    {
        get
        {
            owner.ThrowIfDisposed();
            Merge();
            if (is_grad_enabled())
                committedIsPrivate = pendingIsPrivate = false;
            return pending ?? Committed();
        }
    }

    /// <summary>
    /// What the state holds now, with <paramref name="initial"/> in the rows that have read nothing: for memories that a
    /// sequence does not begin with zeros. The caller owns it.
    /// </summary>
    /// <param name="initial"><c>[...]</c> or <c>[1, ...]</c>, one row.</param>
    /// <returns>The shape and element type of <see cref="Value"/>.</returns>
    /// <exception cref="ObjectDisposedException">The state was disposed.</exception>
    public Tensor ValueOr(Tensor initial)
    {
        using var scope = NewDisposeScope();
        var mask = new long[Value.dim()];
        Array.Fill(mask, 1);
        mask[0] = -1;
        return where(owner.Positions.eq(0).view(mask), initial.to(Dtype), Value).MoveToOuterDisposeScope();
    }

    /// <summary>Bytes of <see cref="Value"/>.</summary>
    public long Bytes => Shape.Aggregate(1L, (product, axis) => product * axis) * Dtype.Size();

    internal long[] Shape => (pending ?? committed)?.shape ?? initialShape;

    /// <summary>Writes the next value; it becomes the state's when the transaction commits, and is discarded when it does not.</summary>
    /// <param name="next">Same shape as <see cref="Value"/> (a growing cache may have another axis 1). The state takes it over.</param>
    /// <exception cref="InvalidOperationException">No transaction is open.</exception>
    /// <exception cref="ArgumentException">The shape does not fit.</exception>
    public void Update(Tensor next)
    {
        RequireTransaction();
        if (ReferenceEquals(next, pending) || ReferenceEquals(next, committed))
            return;
        if (!Fits(next.Sizes()))
            throw new ArgumentException($"State tensor '{Name}' is [{string.Join(", ", Shape)}]; it cannot take [{string.Join(", ", next.shape)}].");
        Tensor own = Own(next);
        Discard();
        pending = own;
    }

    /// <summary>
    /// Writes entries behind those along axis 1: a growing cache gets longer, any other drops as many of its oldest.
    /// Without gradients this costs nothing for the others.
    /// </summary>
    /// <param name="next"><c>[B, N, ...]</c>, the newest last; any N, 0 included.</param>
    /// <exception cref="InvalidOperationException">No transaction is open.</exception>
    /// <exception cref="ArgumentException">The shape does not fit.</exception>
    public void Append(Tensor next)
    {
        RequireTransaction();
        if (!FitsBehind(next.shape))
            throw new ArgumentException($"State tensor '{Name}' is [{string.Join(", ", Shape)}]; it cannot take [{string.Join(", ", next.shape)}] behind it along axis 1.");
        if (!is_grad_enabled() && (Grows || next.size(1) <= initialShape[1]))
        {
            AppendInRoom(next);
            return;
        }

        using var scope = NewDisposeScope();
        Tensor all = cat(new[] { Value, next.to(Dtype) }, 1);
        Update(Grows ? all : all.narrow(1, next.shape[1], initialShape[1]));
    }

    /// <summary>
    /// Writes the next value of some rows; the others stay. Without gradients this costs nothing for them: the rows are
    /// written in place when the transaction commits.
    /// </summary>
    /// <param name="rows"><c>[N]</c> int64: which, each at most once, counted over the leading axes (over B and M of a state
    /// <c>[B, M, ...]</c> whose rows are <c>[...]</c>).</param>
    /// <param name="next"><c>[N, ...]</c>, their next values.</param>
    /// <exception cref="InvalidOperationException">No transaction is open.</exception>
    /// <exception cref="ArgumentException">The shapes do not fit.</exception>
    public void UpdateRows(Tensor rows, Tensor next)
    {
        RequireTransaction();
        long[] shape = next.shape;
        if (!FitsRows(shape) || !rows.shape.SequenceEqual(shape[..1]))
            throw new ArgumentException($"State tensor '{Name}' is [{string.Join(", ", Shape)}]; it cannot take rows [{string.Join(", ", shape)}] at indices [{string.Join(", ", rows.shape)}].");
        Merge();
        pendingRows = new RowUpdate(rows.alias().DetachFromDisposeScope(), Own(next));
    }

    /// <summary>Writes the next value of one entry along axis 1 in every row; the others stay, and cost nothing as with <see cref="UpdateRows"/>.</summary>
    /// <param name="place">Which.</param>
    /// <param name="next"><c>[B, 1, ...]</c>, contiguous, on the CPU and of the element type that is kept. It is copied.</param>
    internal unsafe void UpdateEntry(long place, Tensor next)
    {
        RequireTransaction();
        Merge();
        long bytes = next.numel() * Dtype.Size();
        if (pendingEntry.Length != bytes) pendingEntry = new byte[bytes];
        new ReadOnlySpan<byte>(KernelLibrary.Data(next), (int)bytes).CopyTo(pendingEntry);
        pendingPlace = place;
        GC.KeepAlive(next);
    }

    /// <summary>What routed tokens use of a state <c>[B, M, ...]</c>: one row for every segment of the route.</summary>
    /// <param name="route">Null for the whole tensor as it is.</param>
    public IStateSlot At(Routing? route) => route is null ? this : new RoutedSlot(this, route);

    /// <summary>Writes zeros, where they are not there already.</summary>
    internal void Zero()
    {
        RequireTransaction();
        if (committed is null && pending is null && pendingRows is null && pendingPlace < 0)
            return;
        Discard();
        pending = zeros(initialShape, dtype: Dtype, device: owner.Device).DetachFromDisposeScope();
        pendingIsPrivate = !is_grad_enabled();
    }

    internal bool Fits(IReadOnlyList<long> shape)
    {
        if (shape.Count != initialShape.Length)
            return false;
        for (int axis = 0; axis < initialShape.Length; axis++)
            if (shape[axis] != initialShape[axis] && !(Grows && axis == 1))
                return false;
        return true;
    }

    private bool FitsBehind(long[] shape) =>
        shape.Length >= 2 && shape.Length == initialShape.Length && shape[0] == initialShape[0] && shape.AsSpan(2).SequenceEqual(initialShape.AsSpan(2));

    private bool FitsRows(long[] shape) =>
        shape.Length > 0 && shape.Length <= initialShape.Length && shape.Skip(1).SequenceEqual(Shape.TakeLast(shape.Length - 1));

    /// <summary>Everything of a commit that can fail: rows that may not be written in place become a whole new value.</summary>
    /// <param name="idle">int64, the rows that stay as they were, whatever was written; null where none does.</param>
    /// <param name="longest">With idle rows: the most tokens that a row has read after the call.</param>
    internal void Prepare(Tensor? idle, long longest)
    {
        bool inPlace = pendingRows is not null || pendingPlace >= 0;
        // A cache with room behind it does not lie as rows that follow each other.
        if (inPlace && (pending is not null || !committedIsPrivate || is_grad_enabled() || !committed!.is_contiguous()))
            Merge();
        if (idle is not null && (inPlace || pending is not null))
            Keep(idle, longest);
    }

    internal void Commit()
    {
        if (pendingRows is { } update)
            update.WriteInto(committed!);
        if (pendingPlace >= 0)
            WriteEntry(committed!);
        if (pending is { } next)
        {
            committed?.Dispose();
            (committed, committedIsPrivate) = (next, pendingIsPrivate);
            pending = null;
        }
        keptRows?.WriteInto(committed!);
        Discard();
    }

    internal void Discard()
    {
        keptRows?.Dispose();
        keptRows = null;
        pending?.Dispose();
        pending = null;
        pendingIsPrivate = false;
        pendingRows?.Dispose();
        pendingRows = null;
        pendingPlace = -1;
    }

    /// <summary>Replaces the committed value outside a transaction.</summary>
    internal void Replace(Func<Tensor, Tensor> next)
    {
        if (committed is null)
            return;
        Tensor replaced = next(committed).DetachFromDisposeScope();
        Clear();
        committed = replaced;
    }

    /// <summary>The rows of several states one after the other; entries that a shorter row of a growing cache lacks are zeros.</summary>
    internal static Tensor Joined(IReadOnlyList<StateTensor> parts)
    {
        Tensor[] values = [.. parts.Select(part => part.Value)];
        if (!parts[0].Grows) return cat(values, 0);
        long longest = values.Max(value => value.shape[1]);
        return cat([.. values.Select(value => WithEntries(value, longest))], 0);
    }

    internal void Set(Tensor value)
    {
        Clear();
        committed = value.DetachFromDisposeScope();
    }

    /// <summary>Back to what a fresh state holds.</summary>
    internal void Clear()
    {
        committed?.Dispose();
        committed = null;
        committedIsPrivate = false;
    }

    internal void Dispose()
    {
        Discard();
        Clear();
    }

    internal void CopyFrom(StateTensor other)
    {
        Clear();
        if (other.committed is not null)
            committed = other.committed.clone().DetachFromDisposeScope();
    }

    private void AppendInRoom(Tensor next)
    {
        Tensor before = Value;
        long added = next.size(1), kept = Grows ? before.size(1) + added : initialShape[1];
        if (room is not null && ReferenceEquals(room.Last, before) && room.Has(added) && (pending is null ? committedIsPrivate : pendingIsPrivate)) room.Append(next, kept);
        else room = EntryRoom.Of(before, next, kept);
        Discard();
        (pending, pendingIsPrivate) = (room.Last, true);
    }

    // Takes copies of rows that a commit writes back, in place; what it commits is made private for that.
    private void Keep(Tensor idle, long longest)
    {
        using var scope = NewDisposeScope();
        Tensor rows = Committed().index_select(0, idle);
        if (pending is not null)
        {
            if (Grows)
            {
                long entries = Math.Max(Math.Min(pending.size(1), longest), rows.size(1));
                if (entries != pending.size(1)) SetEntries(entries);
                rows = WithEntries(rows, entries);
            }

            if (!pendingIsPrivate) Replace(pending.clone());
        }

        keptRows = new RowUpdate(idle.alias().DetachFromDisposeScope(), rows.DetachFromDisposeScope());

        void SetEntries(long entries)
        {
            if (room is not null && ReferenceEquals(room.Last, pending) && entries < pending.size(1)) pending = room.Keep(entries);
            else Replace(WithEntries(pending, entries));
        }

        void Replace(Tensor next)
        {
            pending.Dispose();
            (pending, pendingIsPrivate) = (next.DetachFromDisposeScope(), true);
        }
    }

    // The newest entries of a growing cache, with zeros in front of them where there are fewer.
    private static Tensor WithEntries(Tensor value, long entries)
    {
        long missing = entries - value.size(1);
        return missing > 0 ? cat([value.new_zeros([value.size(0), missing, .. value.shape[2..]]), value], 1) : value.narrow(1, -missing, entries).clone();
    }

    private Tensor Committed()
    {
        if (committed is null)
        {
            committed = zeros(initialShape, dtype: Dtype, device: owner.Device).DetachFromDisposeScope();
            committedIsPrivate = !is_grad_enabled();
        }
        return committed;
    }

    // Makes a whole next value of the parts that were written.
    private void Merge()
    {
        if (pendingRows is null && pendingPlace < 0)
            return;
        Tensor merged;
        if (pendingRows is { } update) merged = update.Into(pending ?? Committed());
        else WriteEntry(merged = (pending ?? Committed()).clone().DetachFromDisposeScope());
        Discard();
        (pending, pendingIsPrivate) = (merged, !is_grad_enabled());
    }

    private unsafe void WriteEntry(Tensor value)
    {
        int each = pendingEntry.Length / Math.Max(1, (int)owner.Batch);
        byte* data = (byte*)KernelLibrary.Data(value);
        for (int row = 0; row < owner.Batch; row++)
            pendingEntry.AsSpan(row * each, each).CopyTo(new Span<byte>(data + (((row * initialShape[1]) + pendingPlace) * each), each));
        GC.KeepAlive(value);
    }

    private void RequireTransaction()
    {
        if (!owner.InTransaction)
            throw new InvalidOperationException($"State tensor '{Name}' can only be written between Begin and Commit; use the model's Prefill or Step.");
    }

    // A view would keep all of its source alive (a window cache is the end of a longer tensor), so it is made compact.
    private Tensor Own(Tensor next)
    {
        Tensor own = next.dtype != Dtype ? next.to(Dtype)
            : !next.is_contiguous() ? next.contiguous()
            : next.storage_offset() != 0 ? next.clone()
            : next;
        return own.DetachFromDisposeScope();
    }

    /// <summary>Next values of some rows, the trailing axes of a value.</summary>
    private sealed record RowUpdate(Tensor Rows, Tensor Next) : IDisposable
    {
        /// <summary>A copy of a value with these rows in it.</summary>
        public Tensor Into(Tensor value)
        {
            using var scope = NewDisposeScope();
            return Flat(value).index_copy(0, Rows, Next).view(value.shape).DetachFromDisposeScope();
        }

        public void WriteInto(Tensor value)
        {
            using var scope = NewDisposeScope();
            Flat(value).index_copy_(0, Rows, Next);
        }

        public void Dispose()
        {
            Rows.Dispose();
            Next.Dispose();
        }

        private Tensor Flat(Tensor value) => value.flatten(0, value.dim() - Next.dim());
    }
}
