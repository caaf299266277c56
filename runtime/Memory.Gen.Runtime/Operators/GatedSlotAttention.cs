using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>
/// Attention over M slots, each a mean of the tokens that forgets at its own rate alpha = e^g:
/// keys = diag(alpha) keys + (1 - alpha) k^T, values likewise with v, read o = values^T softmax(scale keys q).
/// </summary>
/// <remarks>
/// Zhang et al.: Gated Slot Attention (arXiv 2409.07146), section 3. Both memories are those of channel decay with a slot in
/// the place of a key channel: <see cref="SlotScores"/> reads the keys, <see cref="ChannelDecay"/> the values.
/// </remarks>
public static class GatedSlotAttention
{
    private const string Name = "gated_slot_attention";

    /// <summary>Reads a whole sequence, or continues one.</summary>
    /// <param name="q">Queries <c>[B, T, H, K]</c>; T may be 0.</param>
    /// <param name="k">Keys <c>[B, T, H, K]</c>.</param>
    /// <param name="v">Values <c>[B, T, H, V]</c>.</param>
    /// <param name="logDecay">Log decay of the slots <c>[B, T, H, M]</c>, at most 0; at 0 a slot passes the token over, at -inf it holds this token alone.</param>
    /// <param name="initialKeys">Keys of the slots <c>[B, H, M, K]</c>, float32 or wider; null for zeros.</param>
    /// <param name="initialValues">Their values <c>[B, H, M, V]</c>, likewise.</param>
    /// <param name="scale">Factor on the queries; null for K^-1/2.</param>
    /// <param name="form">Null for the fastest that serves the call.</param>
    /// <param name="chunk">Tokens a chunk; null for the default. Changes rounding only.</param>
    /// <param name="segments">Which tokens make up which sequence, each with slots of its own; null where every row is one.</param>
    /// <returns>Output <c>[B, T, H, V]</c>, and the slots that continue the sequence.</returns>
    /// <exception cref="ArgumentException">An argument has the wrong rank, shape, dtype or device.</exception>
    public static SlotRead Apply(
        Tensor q, Tensor k, Tensor v, Tensor logDecay, Tensor? initialKeys = null, Tensor? initialValues = null,
        double? scale = null, OperatorForm? form = null, int? chunk = null, Segments? segments = null)
    {
        var door = new FrontDoor(Name);
        door.Value(nameof(q), q, "BTHK");
        door.Value(nameof(k), k, "BTHK");
        door.Value(nameof(v), v, "BTHV");
        door.Gate(nameof(logDecay), logDecay, "BTHM");
        SegmentLayout? layout = door.Segments(segments);
        door.State(nameof(initialKeys), initialKeys, "BHMK");
        door.State(nameof(initialValues), initialValues, "BHMV");
        door.AtLeastOne('M');
        MatrixMemory.CheckOptions(door, scale, chunk);
        double factor = MatrixMemory.Scale(door, scale);
        MatrixKernel.Options kernel = MatrixKernel.Options.ChannelDecay(1);
        OperatorForm chosen = OperatorForms.Choose(Name, form, () => kernel.Refusal(door, 'M', 'K') ?? kernel.Refusal(door, 'M', 'V') ?? MatrixKernel.Options.ChannelScores(factor).Refusal(door, 'M', 'K'));

        using var scope = NewDisposeScope();
        Tensor State(Tensor? given, char features) =>
            given ?? zeros([door.Sequences, door['H'], door['M'], door[features]], dtype: door.Accumulation, device: door.Device);
        Tensor keys = State(initialKeys, 'K'), values = State(initialValues, 'V');
        Tensor[] read = chosen == OperatorForm.Native
            ? [.. SegmentLayout.RunKernels(layout, Kernels, q, k, v, Gates.Single(logDecay))]
            : SegmentLayout.Run(layout, chosen, Sequences, [q, k, v, logDecay], [keys, values]);
        return new SlotRead(read[0].to(door.Dtype), read[1], read[2]).ToOuterScope();

        List<Tensor> Kernels(Tensor?[] x, SegmentLayout? runs)
        {
            Tensor g = x[3]!, written = g.expm1().neg().to(door.Dtype);
            List<Tensor> scores = SlotScores.Run(new(factor, chunk, true, runs), x[0]!, x[1]!, written, g, keys);
            MemoryRead sums = MatrixKernel.Run(kernel, runs, new(scores[0].softmax(-1, door.Accumulation).to(door.Dtype), written, x[2]!, LogDecay: g), values);
            return [sums.Output, scores[1], sums.FinalState];
        }

        Tensor[] Sequences(Tensor?[] x, Tensor[] states, long[]? lengths)
        {
            Tensor Wide(int i) => x[i]!.to(door.Accumulation);
            Tensor q = Wide(0), k = Wide(1), v = Wide(2), g = Wide(3);
            if (q.numel() == 0) return [zeros_like(v), states[0].clone(), states[1].clone()];
            if (q.shape[1] == 1 || chosen == OperatorForm.Reference) return Loop(q * factor, k, v, g, states[0], states[1]);
            Tensor written = g.expm1().neg();
            List<Tensor> scores = SlotScores.Run(new(factor, chunk), q, k, written, g, states[0]);
            MemoryRead sums = ChannelChunks.Run(new(scores[0].softmax(-1), written, v, LogDecay: g), states[1], new ChunkedOptions(1, chunk));
            return [sums.Output, scores[1], sums.FinalState];
        }
    }

    // The definition, token by token.
    private static Tensor[] Loop(Tensor q, Tensor k, Tensor v, Tensor g, Tensor keys, Tensor values)
    {
        Tensor[] queries = q.unbind(1), newKeys = k.unbind(1), newValues = v.unbind(1), kept = g.exp().unbind(1), written = g.expm1().neg().unbind(1);
        var outputs = new Tensor[queries.Length];
        for (int t = 0; t < outputs.Length; t++)
        {
            // A long text would else hold the slots of each of its tokens.
            using var step = NewDisposeScope();
            Tensor left = kept[t].unsqueeze(3), share = written[t].unsqueeze(3);
            (Tensor keysBefore, Tensor valuesBefore) = (keys, values);
            keys = ((left * keys) + (share * newKeys[t].unsqueeze(2))).MoveToOuterDisposeScope();
            values = ((left * values) + (share * newValues[t].unsqueeze(2))).MoveToOuterDisposeScope();
            Tensor weights = keys.matmul(queries[t].unsqueeze(3)).softmax(2);
            outputs[t] = weights.transpose(2, 3).matmul(values).transpose(1, 2).MoveToOuterDisposeScope();
            if (t == 0) continue;
            keysBefore.Dispose();
            valuesBefore.Dispose();
        }

        return [cat(outputs, 1), keys, values];
    }
}

/// <summary>What attention over slots returns.</summary>
/// <param name="Output"><c>[B, T, H, V]</c>.</param>
/// <param name="FinalKeys">Keys of the slots after the last token <c>[B, H, M, K]</c>.</param>
/// <param name="FinalValues">Their values <c>[B, H, M, V]</c>.</param>
public readonly record struct SlotRead(Tensor Output, Tensor FinalKeys, Tensor FinalValues)
{
    internal SlotRead ToOuterScope() => new(Output.MoveToOuterDisposeScope(), FinalKeys.MoveToOuterDisposeScope(), FinalValues.MoveToOuterDisposeScope());
}
