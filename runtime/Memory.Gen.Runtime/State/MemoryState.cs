using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime;

/// <summary>
/// What a model remembers of the text it has read, one row per sequence. The caller owns it: Prefill and Step advance it,
/// gradients flow through it until <see cref="Detach"/>, and a call that throws leaves it as it was. Not for use by two
/// threads at once.
/// </summary>
public abstract partial class MemoryState : IDisposable
{
    private readonly List<StateTensor> tensors = [];
    private Tensor? positions, padding, auxiliaryLoss, pendingLoss;
    private long[]? rowPositions;
    private int[]? idle; // rows that the call leaves as they were
    private long[]? ownPositions; // where the rows stood, in a call in which the idle ones are read elsewhere
    private int calls; // that are using the state: 0 or 1
    private bool disposed, usedInInference = is_inference_mode_enabled();

    /// <param name="model">Name of the model's class.</param>
    /// <param name="declaration">Hash of the model's declaration; a saved state only loads into the same one.</param>
    /// <param name="batch">Number of rows, 0 or more.</param>
    /// <param name="device">Where its tensors lie.</param>
    /// <param name="dtype">The model's element type, a floating one.</param>
    /// <exception cref="ArgumentOutOfRangeException">The number of rows is negative.</exception>
    /// <exception cref="ArgumentException">The element type is no floating one.</exception>
    protected MemoryState(string model, string declaration, long batch, Device device, ScalarType dtype)
    {
        if (batch < 0)
            throw new ArgumentOutOfRangeException(nameof(batch), $"A state of {model} was asked for with {batch} rows; it can have 0 or more.");
        if (!is_floating_point(dtype))
            throw new ArgumentException($"A state of {model} was asked for in {dtype}; it needs a floating type.", nameof(dtype));
        Model = model;
        Declaration = declaration;
        Batch = batch;
        Device = device;
        Dtype = dtype;
    }

    /// <summary>Name of the model's class.</summary>
    public string Model { get; }

    /// <summary>Hash of the model's declaration.</summary>
    public string Declaration { get; }

    /// <summary>Number of rows.</summary>
    public long Batch { get; }

    /// <summary>Where the tensors lie.</summary>
    public Device Device { get; }

    /// <summary>The model's element type. Caches have it; memories have it too, but never less than float32.</summary>
    public ScalarType Dtype { get; }

    /// <summary><c>[B]</c> int64: tokens read by each row since its last reset. The state owns it.</summary>
    public virtual Tensor Positions
    {
        get
        {
            ThrowIfDisposed();
            return positions ??= (rowPositions is { } known ? tensor(known, device: Device) : zeros([Batch], dtype: ScalarType.Int64, device: Device)).DetachFromDisposeScope();
        }
    }

    /// <summary>Everything the state holds beside the positions, in the order of the layers.</summary>
    public IReadOnlyList<StateTensor> Tensors => tensors;

    /// <summary>Bytes held for all rows, positions included; not the logits that <see cref="Generation.Generate"/> left.</summary>
    public long Bytes => tensors.Sum(t => t.Bytes) + Batch * sizeof(long);

    /// <summary>
    /// A number <c>[]</c> to add to the training loss: the sum of what the layers of the last Prefill or Step asked for (a
    /// router's balance). Null where they asked for nothing, or gradients were off. The state owns it; gradients flow
    /// through it until <see cref="Detach"/>.
    /// </summary>
    public Tensor? AuxiliaryLoss
    {
        get
        {
            ThrowIfDisposed();
            return auxiliaryLoss;
        }
    }

    /// <summary>
    /// What the one row's next token is drawn from, as <see cref="Generation.Generate"/> left it and files keep it; null as soon as
    /// another call has read.
    /// </summary>
    internal double[]? NextLogits { get; set; }

    /// <summary>How often a call has read, and rows were forgotten: the same number, the same text.</summary>
    internal long Changes { get; private set; }

    /// <summary>Tokens of the present call that <see cref="MarkPadding"/> named, <c>[B, T]</c>; null where it named none.</summary>
    internal virtual Tensor? Padding => padding;

    /// <summary><see cref="Positions"/> as numbers.</summary>
    internal virtual IReadOnlyList<long> RowPositions
    {
        get
        {
            if (rowPositions is not null) return rowPositions;
            if (positions is null) return rowPositions = new long[Batch];
            using Tensor onHost = Positions.cpu();
            return rowPositions = onHost.data<long>().ToArray();
        }
    }

    internal virtual bool InTransaction => Volatile.Read(ref calls) > 0;

    /// <summary>Tokens that the present call reads in every row.</summary>
    internal long CallTokens { get; private set; }

    /// <summary>A state that has read nothing and that layers may write to at once, for a call that keeps none.</summary>
    /// <param name="x">The call's features, <c>[B, ...]</c>: rows, device and element type.</param>
    public static MemoryState ForOneCall(Tensor x) => new Transient(x.shape[0], x.device, x.dtype) { calls = 1 };

    /// <summary>Opens the one transaction in which layers may write.</summary>
    /// <param name="batch">Rows of the call; must be <see cref="Batch"/>.</param>
    /// <param name="tokens">Tokens the call reads in every row, 0 or more.</param>
    /// <returns>The transaction; disposing it without a commit leaves the state as it was.</returns>
    /// <exception cref="ArgumentException">The call's rows are not the state's, or the padding marked has another shape.</exception>
    /// <exception cref="ArgumentOutOfRangeException">The number of tokens is negative.</exception>
    /// <exception cref="InvalidOperationException">Another call is using the state.</exception>
    /// <exception cref="ObjectDisposedException">The state was disposed.</exception>
    public StateTransaction Begin(long batch, long tokens)
    {
        RequireIdle();
        if (batch != Batch)
            throw new ArgumentException($"The input has {batch} {(batch == 1 ? "row" : "rows")} but this state of {Model} has {Batch}; make one with NewState({batch}).", nameof(batch));
        ArgumentOutOfRangeException.ThrowIfNegative(tokens);
        if (padding is not null && !padding.shape.SequenceEqual([batch, tokens]))
            throw new ArgumentException($"The padding marked is [{string.Join(", ", padding.shape)}], but the call reads [{batch}, {tokens}] tokens.", nameof(tokens));
        if (Interlocked.Exchange(ref calls, 1) > 0)
            throw InUse();
        try
        {
            if (usedInInference && !is_inference_mode_enabled())
                LeaveInference();
            if (idle is not null)
                MoveIdle();
        }
        catch
        {
            Discard(); // short of memory for a copy: what is held is as it was, and the next call may find more
            throw;
        }

        CallTokens = tokens;
        return new StateTransaction(this, tokens);
    }

    /// <summary>
    /// Names tokens of the next call that only fill up its rows. They are read as any others, but do not count in
    /// <see cref="AuxiliaryLoss"/>.
    /// </summary>
    /// <param name="tokens">bool <c>[B, T]</c>, true at padding. The state takes it over; it holds for one call.</param>
    /// <exception cref="ArgumentException">It is no bool tensor.</exception>
    /// <exception cref="InvalidOperationException">A call is using the state.</exception>
    /// <exception cref="ObjectDisposedException">The state was disposed.</exception>
    public void MarkPadding(Tensor tokens)
    {
        RequireIdle();
        ArgumentNullException.ThrowIfNull(tokens);
        if (tokens.dtype != ScalarType.Bool)
            throw new ArgumentException($"Padding is marked with {tokens.dtype}; expected Bool.", nameof(tokens));
        Hold(ref padding, tokens);
    }

    /// <summary>Forgets everything, in every row.</summary>
    /// <exception cref="InvalidOperationException">A call is using the state.</exception>
    /// <exception cref="ObjectDisposedException">The state was disposed.</exception>
    public void Reset()
    {
        RequireIdle();
        foreach (var tensor in tensors)
            tensor.Clear();
        SetPositions(null);
        Hold(ref auxiliaryLoss, null);
    }

    /// <summary>Forgets what the given rows have read; the others, and gradients through them, stay as they are.</summary>
    /// <param name="rows">Row numbers from 0; an empty array resets none.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such row; nothing was reset.</exception>
    /// <exception cref="InvalidOperationException">A call is using the state.</exception>
    /// <exception cref="ObjectDisposedException">The state was disposed.</exception>
    public void Reset(params long[] rows)
    {
        RequireIdle();
        RequireRows(rows);
        if (rows.Length == 0)
            return;

        using var scope = NewDisposeScope();
        var marks = new bool[Batch];
        foreach (long row in rows)
            marks[row] = true;
        Tensor mask = tensor(marks, device: Device);
        SetPositions(Positions.masked_fill(mask, 0));
        Trim();
        foreach (var tensor in tensors)
            tensor.Replace(value =>
            {
                var broadcast = new long[value.dim()];
                Array.Fill(broadcast, 1);
                broadcast[0] = Batch;
                return value.masked_fill(mask.view(broadcast), 0);
            });
    }

    /// <summary>Cuts the gradient: what is read later no longer reaches what was read before.</summary>
    /// <exception cref="InvalidOperationException">A call is using the state.</exception>
    /// <exception cref="ObjectDisposedException">The state was disposed.</exception>
    public void Detach()
    {
        RequireIdle();
        foreach (var tensor in tensors)
            tensor.Replace(value => value.detach());
        Hold(ref auxiliaryLoss, auxiliaryLoss?.detach());
    }

    /// <summary>Saves the state as safetensors; the file is whole or not there. Gradients are not part of it.</summary>
    /// <param name="path">The file to create or replace.</param>
    /// <param name="metadata">What the file shall say beside what every saved state says (<see cref="Files.SafetensorsFile.Metadata"/>), for
    /// instance which weights made it: a state is checked against the declaration alone when it is loaded. Null adds nothing.</param>
    /// <exception cref="Files.MemoryFileException">It could not be written.</exception>
    /// <exception cref="ArgumentException">The path is null or empty, a string of the metadata is null, or one of its keys is one that every saved state has.</exception>
    /// <exception cref="InvalidOperationException">A call is using the state.</exception>
    /// <exception cref="ObjectDisposedException">The state was disposed.</exception>
    public void Save(string path, IReadOnlyDictionary<string, string>? metadata = null)
    {
        RequireIdle();
        StateFile.Save(path, this, metadata ?? new Dictionary<string, string>());
    }

    /// <summary>Frees the tensors.</summary>
    public void Dispose()
    {
        foreach (var tensor in tensors)
            tensor.Dispose();
        positions?.Dispose();
        positions = null;
        pendingLoss?.Dispose();
        Hold(ref auxiliaryLoss, null);
        Hold(ref padding, null);
        disposed = true;
        GC.SuppressFinalize(this);
    }

    /// <summary>Takes over a deep copy of another state's content; gradients flow through the copy too.</summary>
    /// <param name="other">A state of the same model and batch.</param>
    /// <exception cref="ArgumentException">It is one of another model, or has another number of rows.</exception>
    /// <exception cref="InvalidOperationException">A call is using one of them.</exception>
    /// <exception cref="ObjectDisposedException">One of them was disposed.</exception>
    protected void CopyFrom(MemoryState other)
    {
        RequireIdle();
        other.RequireIdle();
        if (other.Declaration != Declaration || other.Batch != Batch)
            throw new ArgumentException($"A state of {other.Model} with {other.Batch} rows cannot be copied into one of {Model} with {Batch}.", nameof(other));
        for (int i = 0; i < tensors.Count; i++)
            tensors[i].CopyFrom(other.tensors[i]);
        SetPositions(other.Positions.clone());
        // Generate writes the next ones over those it left.
        NextLogits = other.NextLogits?.ToArray();
    }

    /// <summary>Takes over what a file holds, after checking all of it: format, version, digest, model, declaration, rows, shapes.</summary>
    /// <param name="path">A file written by <see cref="Save"/>.</param>
    /// <exception cref="Files.MemoryFileException">It does not fit or is damaged; the state stays as it was.</exception>
    protected void Read(string path)
    {
        RequireIdle();
        StateFile.Read(path, this);
    }

    /// <summary>How many rows a saved state has.</summary>
    /// <param name="path">A file written by <see cref="Save"/>.</param>
    /// <exception cref="Files.MemoryFileException">It is no saved state.</exception>
    protected static long BatchOf(string path) => StateFile.HeaderOf(path).Batch;

    /// <summary>Element type of the model that wrote a saved state.</summary>
    /// <param name="path">A file written by <see cref="Save"/>.</param>
    /// <exception cref="Files.MemoryFileException">It is no saved state.</exception>
    protected static ScalarType DtypeOf(string path) => StateFile.HeaderOf(path).Dtype;

    internal virtual StateTensor Add(string name, long[] shape, ScalarType dtype, bool grows) => Add(this, name, shape, dtype, grows);

    // The reader is this state, or a part of it that counts positions of its own.
    internal StateTensor Add(MemoryState reader, string name, long[] shape, ScalarType dtype, bool grows)
    {
        if (tensors.Exists(t => t.Name == name))
            throw new ArgumentException($"The state of {Model} already has a tensor '{name}'.", nameof(name));
        var tensor = new StateTensor(reader, name, shape, dtype, grows);
        tensors.Add(tensor);
        return tensor;
    }

    /// <summary>Ends the transaction; what was written is the state's.</summary>
    /// <param name="tokens">Tokens that every row has read, but those that <see cref="MarkIdle"/> named.</param>
    internal void Commit(long tokens)
    {
        long[]? known = ownPositions ?? rowPositions ?? (positions is null ? new long[Batch] : null);
        long[]? next = known is null ? null : Array.ConvertAll(known, position => position + tokens);
        foreach (int row in idle ?? [])
            next![row] -= tokens;
        // On the CPU the tensor is made of the numbers when somebody asks for it; a device would have to wait for them.
        Commit(next is not null && (Device.type == DeviceType.CPU || idle is not null) ? null : Positions + tokens, next);
    }

    /// <summary>Ends the transaction; what was written is the state's.</summary>
    /// <param name="next"><c>[B]</c> int64, where the rows stand now; null to make it of the numbers.</param>
    /// <param name="nextRows">The same as numbers; null where they are not known.</param>
    internal void Commit(Tensor? next, long[]? nextRows)
    {
        // Everything that can fail comes before the first change.
        using Tensor? left = idle is null ? null : tensor(Array.ConvertAll(idle, row => (long)row), device: Device).DetachFromDisposeScope();
        foreach (var tensor in tensors)
            tensor.Prepare(left, longest: left is null ? 0 : nextRows!.Max());
        foreach (var tensor in tensors)
            tensor.Commit();
        SetPositions(next);
        rowPositions = nextRows;
        ownPositions = null;
        Hold(ref auxiliaryLoss, pendingLoss);
        pendingLoss = null;
        Hold(ref padding, null);
        Volatile.Write(ref calls, 0);
    }

    internal void Discard()
    {
        foreach (var tensor in tensors)
            tensor.Discard();
        pendingLoss?.Dispose();
        pendingLoss = null;
        if (ownPositions is not null)
        {
            Hold(ref positions, null);
            (rowPositions, ownPositions) = (ownPositions, null);
        }

        Hold(ref padding, null);
        Volatile.Write(ref calls, 0);
    }

    internal virtual void AddLoss(Tensor loss)
    {
        if (!InTransaction)
            throw new InvalidOperationException($"A loss can only be added to a state of {Model} between Begin and Commit; use the model's Prefill or Step.");
        if (loss.dim() != 0)
            throw new ArgumentException($"A loss is a single number []; this one has shape [{string.Join(", ", loss.shape)}].", nameof(loss));
        Tensor sum = (pendingLoss is null ? loss : pendingLoss + loss).DetachFromDisposeScope();
        pendingLoss?.Dispose();
        pendingLoss = sum;
    }

    internal void SetPositions(Tensor? next)
    {
        Hold(ref positions, next);
        (rowPositions, NextLogits) = (null, null);
        Changes++;
    }

    internal virtual void ThrowIfDisposed()
    {
        if (disposed)
            throw new ObjectDisposedException(GetType().FullName, $"This state of {Model} was disposed; make another one with NewState.");
    }

    private static void Hold(ref Tensor? held, Tensor? next)
    {
        held?.Dispose();
        held = next?.DetachFromDisposeScope();
    }

    private void RequireIdle()
    {
        ThrowIfDisposed();
        if (InTransaction)
            throw InUse();
        usedInInference |= is_inference_mode_enabled();
    }

    // What is made in inference mode can neither be written in place outside it nor be saved for a gradient; a copy can.
    private void LeaveInference()
    {
        using var scope = NewDisposeScope();
        foreach (var tensor in tensors)
            tensor.Replace(value => value.clone());
        Hold(ref positions, positions?.clone());
        usedInInference = false;
    }

    private InvalidOperationException InUse() => new($"This state of {Model} is in use by another call; one state serves one call at a time.");

    private sealed class Transient(long batch, Device device, ScalarType dtype) : MemoryState("a call", "", batch, device, dtype);
}
