using Memory.Gen.Runtime.Operators;
using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime;

/// <summary>
/// What a Titans memory keeps of a text: weights and momenta at the start of the block that is being read, and the keys,
/// values and gates of the tokens of that block read so far.
/// </summary>
/// <remarks>
/// A block is read from its start again until it is complete; then its last weights are the next one's first. So a split of the
/// text decides nothing, and the state has one size. A row stands in its block at its position modulo the block.
/// </remarks>
public sealed class TitansBlocks
{
    private readonly LayerState layer;
    private readonly int block;
    private readonly bool momentum, forgetting;
    private readonly StateTensor[] weights, momenta;

    // Keys, values, theta, eta and alpha where there are any: [B, block - 1, ...], filled from the left, then zeros.
    private readonly StateTensor[] buffers;

    /// <summary>Adds its tensors to a layer's state.</summary>
    /// <param name="layer">The layer's part of a state; call this in its constructor.</param>
    /// <param name="name">Goes before the names of the tensors, with an underscore.</param>
    /// <param name="heads">Independent memories.</param>
    /// <param name="widths">The first layer's inputs, then every layer's outputs.</param>
    /// <param name="block">Tokens whose gradients are taken at the same weights, at least 1.</param>
    /// <param name="momentum">Whether there is momentum.</param>
    /// <param name="forgetting">Whether there is forgetting.</param>
    /// <param name="gatedLinearUnit">Whether the network is one; its W_3 then comes after the layers.</param>
    public TitansBlocks(
        LayerState layer, string name, long heads, IReadOnlyList<long> widths, int block, bool momentum = true, bool forgetting = true, bool gatedLinearUnit = false)
    {
        this.layer = layer;
        this.block = block;
        this.momentum = momentum;
        this.forgetting = forgetting;
        StateTensor[] Matrices(string kind) =>
            [.. TitansShape.Of(widths, gatedLinearUnit).Select((shape, l) => layer.Memory($"{name}_{kind}_{l + 1}", heads, shape.From, shape.To))];
        weights = Matrices("weights");
        momenta = momentum ? Matrices("momenta") : [];
        buffers = block == 1 ? [] :
        [
            layer.Cache($"{name}_keys", block - 1, heads, widths[0]),
            layer.Cache($"{name}_values", block - 1, heads, widths[^1]),
            .. GateNames(momentum, forgetting).Select(gate => layer.Memory($"{name}_{gate}", block - 1, heads)),
        ];
    }

    /// <summary>Elements that one row holds.</summary>
    /// <param name="heads">As for the constructor.</param>
    /// <param name="widths">d_0 ... d_L, as for the constructor.</param>
    /// <param name="block">As for the constructor.</param>
    /// <param name="momentum">As for the constructor.</param>
    /// <param name="forgetting">As for the constructor.</param>
    /// <param name="gatedLinearUnit">As for the constructor.</param>
    /// <returns>
    /// In the element type of memories heads ((1 + momentum) P + (block - 1) (1 + momentum + forgetting)), in that of
    /// caches heads (block - 1) (d_0 + d_L); P is the number of weights, sum_l d_(l-1) d_l and of a gated linear unit d_0 d_1 more, the switches are 0 or 1.
    /// </returns>
    public static (long Memory, long Cache) Elements(long heads, IReadOnlyList<long> widths, int block, bool momentum = true, bool forgetting = true, bool gatedLinearUnit = false)
    {
        long matrices = TitansShape.Of(widths, gatedLinearUnit).Sum(shape => shape.From * shape.To) * (momentum ? 2 : 1);
        return (heads * (matrices + ((block - 1) * GateNames(momentum, forgetting).Count())), heads * (block - 1) * (widths[0] + widths[^1]));
    }

    /// <summary>Whether a row has read nothing yet, so that the next call needs the weights that a memory begins with.</summary>
    public bool Begins => layer.RowPositions.Contains(0);

    /// <summary>Learned weights that sequences begin with, as the weights of a call's rows.</summary>
    /// <param name="rows">B.</param>
    /// <param name="matrices"><c>[H, d, d']</c> or <c>[1, H, d, d']</c> a layer.</param>
    /// <returns><c>[B, H, d, d']</c> a layer, float32 or wider; gradients are summed over the rows.</returns>
    public static Tensor[] ForRows(long rows, IReadOnlyList<Tensor> matrices) =>
        [.. matrices.Select(each => each.to(each.dtype.Wide()).expand([rows, .. each.shape[^3..]]))];

    /// <summary>The weights that every row's current block began with.</summary>
    /// <param name="initialWeights">What a memory begins with, of the same shapes; not needed where no row begins.</param>
    /// <param name="read">Tokens of the present call that this memory has read already.</param>
    /// <returns><c>[B, H, d, d']</c> a layer, float32 or wider.</returns>
    public IReadOnlyList<Tensor> BlockStart(IReadOnlyList<Tensor>? initialWeights, long read = 0) =>
        Entering(weights, initialWeights, nameof(initialWeights), read);

    /// <summary>Reads on: any number of tokens, 0 included, in any split. For use inside a call that advances the state.</summary>
    /// <param name="q">Queries <c>[B, T, H, K]</c>.</param>
    /// <param name="k">Keys <c>[B, T, H, K]</c>.</param>
    /// <param name="v">Values <c>[B, T, H, V]</c>.</param>
    /// <param name="theta">Step size <c>[B, T, H]</c>.</param>
    /// <param name="eta">Momentum factor <c>[B, T, H]</c>; null without momentum.</param>
    /// <param name="alpha">Forgetting <c>[B, T, H]</c>; null without.</param>
    /// <param name="initialWeights">What a row that has read nothing begins with, <c>[B, H, d, d']</c> a layer; gradients flow to it. Not needed where no row begins.</param>
    /// <param name="initialMomenta">Its momenta; null for zeros.</param>
    /// <param name="options">The rule; its block is this state's.</param>
    /// <param name="target">As for <see cref="TitansMlp.Apply"/>.</param>
    /// <param name="residual">As for <see cref="TitansMlp.Apply"/>.</param>
    /// <param name="form">Null for the fastest that serves the call.</param>
    /// <param name="read">Tokens of the present call that this memory has read already.</param>
    /// <returns>What every token read, <c>[B, T, H, V]</c>.</returns>
    /// <exception cref="ArgumentException">The rule is not the one this state was made for, or a tensor does not fit.</exception>
    public Tensor Read(
        Tensor q, Tensor k, Tensor v, Tensor theta, Tensor? eta, Tensor? alpha,
        IReadOnlyList<Tensor>? initialWeights, IReadOnlyList<Tensor>? initialMomenta, TitansOptions options,
        IReadOnlyList<Tensor>? target = null, Tensor? residual = null, OperatorForm? form = null, long read = 0)
    {
        CheckRule(eta, alpha, options);
        using var scope = NewDisposeScope();
        if (q.shape[0] == 0 || q.shape[1] == 0) return zeros([.. q.shape[..3], v.shape[3]], dtype: q.dtype, device: q.device).MoveToOuterDisposeScope();

        var call = new Call(
            q, [k, v, theta, .. new[] { eta, alpha }.OfType<Tensor>()], Entering(weights, initialWeights, nameof(initialWeights), read),
            momentum ? Entering(momenta, initialMomenta ?? [.. momenta.Select(Zeros)], nameof(initialMomenta), read) : [], [.. buffers.Select(buffer => buffer.Value)], target);
        if (q.size(1) == 1 && form is null && Step(call, read, options, residual) is { } output) return output.MoveToOuterDisposeScope();
        Call next = ByPlace(call, read, (part, place) => Advance(part, place, options, residual, form));
        Store(weights, next.Weights);
        Store(momenta, next.Momenta);
        Store(buffers, next.Buffered);
        return next.Q.MoveToOuterDisposeScope();
    }

    // One token where no gradient is wanted, of rows that stand at the same place: nothing of the block is moved.
    private Tensor? Step(Call call, long read, TitansOptions options, Tensor? residual)
    {
        long place = (layer.RowPositions[0] + read) % block;
        foreach (long position in layer.RowPositions)
            if ((position + read) % block != place) return null;
        if (TitansStepKernel.Run(call.Q, call.Tokens, [.. call.Buffered], place, call.Weights, call.Momenta, call.Target, residual, forgetting, options) is not { } step) return null;
        bool ends = place == block - 1;
        Store(weights, ends ? step.Weights : call.Weights);
        Store(momenta, ends ? step.Momenta : call.Momenta);
        for (int i = 0; i < buffers.Length; i++)
        {
            Tensor token = call.Tokens[i];
            if (ends) buffers[i].Zero();
            else if (token.device_type == DeviceType.CPU && token.dtype == buffers[i].Dtype) buffers[i].UpdateEntry(place, token);
            else buffers[i].UpdateRows(arange(place, token.size(0) * (block - 1), block - 1, dtype: ScalarType.Int64, device: token.device), token.flatten(0, 1));
        }

        return step.Output;
    }

    private static IEnumerable<string> GateNames(bool momentum, bool forgetting) => ["theta", .. momentum ? ["eta"] : Array.Empty<string>(), .. forgetting ? ["alpha"] : Array.Empty<string>()];

    private static Tensor Zeros(StateTensor like) => zeros_like(like.Value, requires_grad: false);

    private static void Store(StateTensor[] tensors, IReadOnlyList<Tensor> values)
    {
        for (int i = 0; i < tensors.Length; i++) tensors[i].Update(values[i]);
    }

    // Rows that have read nothing begin with what is given.
    private Tensor[] Entering(StateTensor[] stored, IReadOnlyList<Tensor>? initial, string argument, long read)
    {
        bool[] begins = [.. layer.RowPositions.Select(position => position + read == 0)];
        if (!begins.Contains(true)) return [.. stored.Select(each => each.Value)];
        if (initial?.Count != stored.Length)
        {
            throw new ArgumentException($"A row of this Titans memory begins here, but {argument} has {initial?.Count ?? 0} matrices; expected {stored.Length}.", argument);
        }

        // Copies, because the state keeps what it is given, and these are a parameter's.
        if (!begins.Contains(false)) return [.. initial.Select(each => each.clone())];
        Tensor mask = tensor(begins, device: initial[0].device).view(-1, 1, 1, 1);
        return [.. stored.Select((each, l) => where(mask, initial[l], each.Value))];
    }

    // Runs rows that stand at the same place of their block together; mostly that is all of them.
    private Call ByPlace(Call call, long read, Func<Call, long, Call> run)
    {
        long[] places = [.. layer.RowPositions.Select(position => (position + read) % block)];
        var groups = places.Select((place, row) => (Place: place, Row: (long)row)).GroupBy(each => each.Place, each => each.Row).ToList();
        if (groups.Count == 1) return run(call, groups[0].Key);
        Call[] parts = [.. groups.Select(group => run(call.Rows(tensor(group.ToArray(), device: call.Q.device)), group.Key))];
        long[] order = [.. groups.SelectMany(group => group)];
        Tensor back = tensor([.. Enumerable.Range(0, order.Length).Select(row => (long)Array.IndexOf(order, row))], device: call.Q.device);
        return Call.Joined(parts).Rows(back);
    }

    private Call Advance(Call call, long place, TitansOptions options, Tensor? residual, OperatorForm? form)
    {
        long added = call.Q.shape[1], total = place + added, complete = total / block * block;
        Tensor[] tokens = place == 0 ? call.Tokens
            : [.. call.Tokens.Select((x, i) => cat([call.Buffered[i].narrow(1, 0, place).to(x.dtype), x], 1))];

        // Nobody sees what the tokens from before read: their keys stand in for their queries.
        Tensor q = place == 0 ? call.Q : cat([tokens[0].narrow(1, 0, place), call.Q], 1);
        IReadOnlyList<Tensor> W = call.Weights, S = call.Momenta;
        var outputs = new List<Tensor>();
        foreach ((long start, long length) in new[] { (0, complete), (complete, total - complete) })
        {
            if (length == 0) continue;
            Tensor Part(Tensor x) => x.narrow(1, start, length);
            TitansMlpRead read = TitansMlp.Read(
                Part(q), Part(tokens[0]), Part(tokens[1]), Part(tokens[2]), momentum ? Part(tokens[3]) : null, forgetting ? Part(tokens[^1]) : null,
                W, options, momentum ? S : null, call.Target, residual, form, null, ends: start < complete);
            outputs.Add(read.Output);
            if (start < complete) (W, S) = (read.FinalWeights, read.FinalMomenta);
        }

        return new Call(
            cat(outputs, 1).narrow(1, place, added), [], W, S,
            [.. call.Buffered.Select((buffer, i) => cat([tokens[i].narrow(1, complete, total - complete), Unused(buffer, total - complete)], 1))], null);
    }

    private static Tensor Unused(Tensor buffer, long used) => zeros_like(buffer.narrow(1, used, buffer.shape[1] - used), requires_grad: false);

    private void CheckRule(Tensor? eta, Tensor? alpha, TitansOptions options)
    {
        if (options.Block != block) throw new ArgumentException($"This state was made for blocks of {block} tokens; the rule has {options.Block}.", nameof(options));
        CheckGate(nameof(eta), eta, momentum);
        CheckGate(nameof(alpha), alpha, forgetting);
    }

    private static void CheckGate(string argument, Tensor? gate, bool expected)
    {
        if (gate is null == expected)
        {
            throw new ArgumentException($"This state was made {(expected ? "with" : "without")} {argument}, which is {(expected ? "null" : "given")}.", argument);
        }
    }

    /// <summary>Tensors whose first axis is rows: what a call is given, or what it returns, then with outputs in place of queries.</summary>
    private sealed record Call(
        Tensor Q, Tensor[] Tokens, IReadOnlyList<Tensor> Weights, IReadOnlyList<Tensor> Momenta, IReadOnlyList<Tensor> Buffered, IReadOnlyList<Tensor>? Target)
    {
        public Call Rows(Tensor rows)
        {
            Tensor Of(Tensor x) => x.index_select(0, rows);
            return new Call(Of(Q), [.. Tokens.Select(Of)], [.. Weights.Select(Of)], [.. Momenta.Select(Of)], [.. Buffered.Select(Of)], Target?.Select(Of).ToArray());
        }

        public static Call Joined(Call[] parts)
        {
            Tensor[] Each(Func<Call, IReadOnlyList<Tensor>> of) => [.. Enumerable.Range(0, of(parts[0]).Count).Select(i => cat([.. parts.Select(part => of(part)[i])], 0))];
            return new Call(cat([.. parts.Select(part => part.Q)], 0), [], Each(part => part.Weights), Each(part => part.Momenta), Each(part => part.Buffered), null);
        }
    }
}
