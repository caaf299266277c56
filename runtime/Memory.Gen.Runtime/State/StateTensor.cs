using static TorchSharp.torch;

namespace Memory.Gen.Runtime;

/// <summary>One tensor of a state, <c>[B, ...]</c>. It begins as zeros and is replaced, never changed in place.</summary>
public sealed class StateTensor
{
    private readonly MemoryState owner;
    private readonly long[] initialShape;
    private Tensor? committed, pending;

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
    /// do not dispose it.
    /// </summary>
    public Tensor Value
    {
        get
        {
            owner.ThrowIfDisposed();
            return pending ?? (committed ??= zeros(initialShape, dtype: Dtype, device: owner.Device).DetachFromDisposeScope());
        }
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
        if (!owner.InTransaction)
            throw new InvalidOperationException($"State tensor '{Name}' can only be written between Begin and Commit; use the model's Prefill or Step.");
        if (ReferenceEquals(next, pending) || ReferenceEquals(next, committed))
            return;
        if (!Fits(next.shape))
            throw new ArgumentException($"State tensor '{Name}' is [{string.Join(", ", Shape)}]; it cannot take [{string.Join(", ", next.shape)}].");
        Tensor own = Own(next);
        pending?.Dispose();
        pending = own;
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

    internal void Commit()
    {
        if (pending is null)
            return;
        committed?.Dispose();
        committed = pending;
        pending = null;
    }

    internal void Discard()
    {
        pending?.Dispose();
        pending = null;
    }

    /// <summary>Replaces the committed value outside a transaction.</summary>
    internal void Replace(Func<Tensor, Tensor> next)
    {
        if (committed is null)
            return;
        Tensor replaced = next(committed).DetachFromDisposeScope();
        committed.Dispose();
        committed = replaced;
    }

    internal void Set(Tensor value)
    {
        committed?.Dispose();
        committed = value.DetachFromDisposeScope();
    }

    /// <summary>Back to what a fresh state holds.</summary>
    internal void Clear()
    {
        committed?.Dispose();
        committed = null;
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

    // A view would keep all of its source alive (a window cache is the end of a longer tensor), so it is made compact.
    private Tensor Own(Tensor next)
    {
        Tensor own = next.dtype != Dtype ? next.to(Dtype)
            : !next.is_contiguous() ? next.contiguous()
            : next.storage_offset() != 0 ? next.clone()
            : next;
        return own.DetachFromDisposeScope();
    }
}
