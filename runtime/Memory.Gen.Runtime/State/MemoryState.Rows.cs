using static TorchSharp.torch;

namespace Memory.Gen.Runtime;

// Rows that are copied out of states and put together in others, and rows that a call leaves as they were.
public abstract partial class MemoryState
{
    /// <summary>A deep copy; gradients flow through it too.</summary>
    /// <exception cref="InvalidOperationException">A call is using the state.</exception>
    /// <exception cref="ObjectDisposedException">The state was disposed.</exception>
    public virtual MemoryState Clone()
    {
        RequireIdle();
        MemoryState copy = New(Batch);
        copy.CopyFrom(this);
        return copy;
    }

    /// <summary>
    /// A deep copy of some rows, through which gradients flow too: those that go on in a batch, a conversation that leaves it, or
    /// one that goes on in several ways.
    /// </summary>
    /// <param name="rows">Row numbers from 0, at least one, in the order they shall have; one may be named more than once.</param>
    /// <returns>A state of as many rows, each at its position. What <see cref="Generation.Generate"/> left for the next token, and
    /// <see cref="AuxiliaryLoss"/>, stay behind.</returns>
    /// <exception cref="ArgumentOutOfRangeException">There is no such row.</exception>
    /// <exception cref="ArgumentException">None is named.</exception>
    /// <exception cref="InvalidOperationException">A call is using the state.</exception>
    /// <exception cref="ObjectDisposedException">The state was disposed.</exception>
    public virtual MemoryState Rows(params long[] rows)
    {
        RequireIdle();
        RequireRows(rows);
        if (rows.Length == 0)
            throw new ArgumentException("No row is named; name at least one.", nameof(rows));
        using var scope = NewDisposeScope();
        MemoryState taken = New(rows.Length);
        taken.CopyRows(this, tensor(rows, device: Device));
        taken.Trim();
        return taken;
    }

    /// <summary>
    /// Deep copies of the rows of several states, one state's after the other's, through which gradients flow too: conversations
    /// that enter a batch, whatever their lengths.
    /// </summary>
    /// <param name="states">At least one; of one model, device and element type. The same may be there more than once.</param>
    /// <returns>A state with all their rows, each at its position, of the type of the first. What <see cref="Generation.Generate"/>
    /// left for the next token, and <see cref="AuxiliaryLoss"/>, stay behind.</returns>
    /// <exception cref="ArgumentException">There is none, one is null, or they do not go together.</exception>
    /// <exception cref="InvalidOperationException">A call is using one of them.</exception>
    /// <exception cref="ObjectDisposedException">One of them was disposed.</exception>
    public static MemoryState Join(params MemoryState[] states)
    {
        ArgumentNullException.ThrowIfNull(states);
        if (states.Length == 0)
            throw new ArgumentException("There is no state to join.", nameof(states));
        for (int i = 0; i < states.Length; i++)
        {
            if (states[i] is null)
                throw new ArgumentNullException(nameof(states), $"State {i} of those to join is null.");
            states[i].RequireIdle();
            if (states[i].Kind != states[0].Kind || !states[i].Device.Is(states[0].Device.type, states[0].Device.index))
                throw new ArgumentException($"State {i} of those to join is one of {states[i].Kind.Text} on {states[i].Device}; the first is one of {states[0].Kind.Text} on {states[0].Device}.", nameof(states));
        }

        using var scope = NewDisposeScope();
        MemoryState joined = states[0].New(states.Sum(state => state.Batch));
        for (int i = 0; i < joined.tensors.Count; i++)
            joined.tensors[i].Set(StateTensor.Joined([.. states.Select(state => state.tensors[i])]));
        joined.SetPositions(cat([.. states.Select(state => state.Positions)], 0));
        return joined;
    }

    /// <summary>A state that has read nothing, of the same model, device and element type; emitted states make it.</summary>
    /// <param name="batch">Number of rows, 0 or more.</param>
    /// <exception cref="NotSupportedException">This kind of state is not copied.</exception>
    protected virtual MemoryState New(long batch) => throw new NotSupportedException($"{GetType().Name} does not say how to make another one; override {nameof(New)}.");

    private (Type, string Declaration, string Text) Kind => (GetType(), Declaration, $"{Model} in {Dtype}");

    /// <summary>Takes over what some rows of a state hold; gradients flow.</summary>
    /// <param name="other">A state of the same model.</param>
    /// <param name="rows"><c>[N]</c> int64, N being this state's batch.</param>
    internal void CopyRows(MemoryState other, Tensor rows)
    {
        for (int i = 0; i < tensors.Count; i++)
            tensors[i].Set(other.tensors[i].Value.index_select(0, rows));
        SetPositions(other.Positions.index_select(0, rows));
    }

    /// <summary>Drops entries of growing caches that are older than the longest row.</summary>
    internal void Trim()
    {
        if (Batch == 0 || !tensors.Exists(t => t.Grows))
            return;
        using var scope = NewDisposeScope();
        long longest = Positions.max().item<long>();
        foreach (var tensor in tensors)
            if (tensor.Grows)
                tensor.Replace(value => value.shape[1] > longest ? value.narrow(1, value.shape[1] - longest, longest).clone() : value.alias());
    }

    /// <summary>Takes over some rows of a state in the middle of its call, and goes on with that call; gradients flow.</summary>
    /// <param name="other">A state of the same model.</param>
    /// <param name="rows"><c>[N]</c> int64, N being this state's batch.</param>
    internal void TakeRows(MemoryState other, Tensor rows)
    {
        CopyRows(other, rows);
        Hold(ref padding, other.padding?.index_select(0, rows));
        CallTokens = other.CallTokens;
        calls = 1;
    }

    /// <summary>Writes what parts of this state hold; of parts in the middle of a call also the losses, by their share of the rows.</summary>
    /// <param name="parts">States that took rows of this one.</param>
    /// <param name="places"><c>[B]</c> int64: where each row stands among the rows of the parts.</param>
    internal void PutRows(IReadOnlyList<MemoryState> parts, Tensor places)
    {
        for (int i = 0; i < tensors.Count; i++)
            tensors[i].Update(StateTensor.Joined([.. parts.Select(part => part.tensors[i])]).index_select(0, places));
        foreach (MemoryState part in parts)
            if (part.pendingLoss is { } loss)
                AddLoss(loss * ((double)part.Batch / Batch));
    }

    /// <summary>Names rows that the next call shall leave as they were, whatever it writes. Without gradients only.</summary>
    /// <param name="rows">Row numbers; null names none.</param>
    internal void MarkIdle(int[]? rows)
    {
        if (rows is not null)
            RequireIdle();
        idle = rows;
    }

    // Rows at different places of a block or a segment are read apart. What idle ones read is not kept, so they are read with another.
    private void MoveIdle()
    {
        ownPositions = [.. RowPositions];
        long other = ownPositions.Where((_, row) => !idle!.Contains(row)).First();
        Hold(ref positions, null);
        rowPositions = [.. ownPositions.Select((position, row) => idle!.Contains(row) ? other : position)];
    }

    private void RequireRows(long[] rows)
    {
        ArgumentNullException.ThrowIfNull(rows);
        foreach (long row in rows)
            if (row < 0 || row >= Batch)
                throw new ArgumentOutOfRangeException(nameof(rows), $"There is no row {row}; this state of {Model} has rows 0 to {Batch - 1}.");
    }
}
