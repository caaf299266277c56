using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>
/// The (gated) delta rule with N writes a token, whose transition is a product of N generalised Householder matrices:
/// S = e^g S, then N times S += k (beta (v - S^T k))^T, read o = S^T (scale q).
/// </summary>
/// <remarks>
/// Siems et al.: DeltaProduct (arXiv 2502.10297). It is <see cref="GatedDeltaRule"/> over T N tokens, of which the
/// first of every N decays and the last is read; so it has the kernels of that rule.
/// </remarks>
public static class DeltaProduct
{
    private const string Name = "delta_product";

    /// <summary>Reads a whole sequence, or continues one.</summary>
    /// <param name="q">Queries <c>[B, T, H, K]</c>; T may be 0.</param>
    /// <param name="k">Keys of each write <c>[B, T, N, H, K]</c>, N at least 1; stable while beta |k|^2 is at most 2.</param>
    /// <param name="v">Values <c>[B, T, N, H, V]</c>.</param>
    /// <param name="beta">Write strength <c>[B, T, N, H]</c>, 0 to 2; 0 writes nothing, and 2 with unit keys reflects.</param>
    /// <param name="logDecay">Log decay <c>[B, T, H]</c>, at most 0; 0 keeps everything, -inf forgets everything; null for 0.</param>
    /// <param name="initialState">State <c>[B, H, K, V]</c>, float32 or wider; null for zeros.</param>
    /// <param name="scale">Factor on the queries; null for K^-1/2.</param>
    /// <param name="form">Null for the fastest that serves the call.</param>
    /// <param name="chunk">Writes a chunk; null for the default. Changes rounding only.</param>
    /// <param name="segments">Which tokens make up which sequence, each with a state of its own; null where every row is one.</param>
    /// <returns>Output <c>[B, T, H, V]</c>, and the state <c>[B, H, K, V]</c> that continues the sequence.</returns>
    /// <exception cref="ArgumentException">An argument has the wrong rank, shape, dtype or device.</exception>
    public static MemoryRead Apply(
        Tensor q, Tensor k, Tensor v, Tensor beta, Tensor? logDecay = null, Tensor? initialState = null,
        double? scale = null, OperatorForm? form = null, int? chunk = null, Segments? segments = null)
    {
        var door = new FrontDoor(Name);
        door.Value(nameof(q), q, "BTHK");
        door.Value(nameof(k), k, "BTNHK");
        door.Value(nameof(v), v, "BTNHV");
        door.Gate(nameof(beta), beta, "BTNH");
        if (logDecay is not null) door.Gate(nameof(logDecay), logDecay, "BTH");
        SegmentLayout? layout = door.Segments(segments);
        door.State(nameof(initialState), initialState, "BHKV");
        door.AtLeastOne('N');
        MatrixMemory.CheckOptions(door, scale, chunk);
        double factor = MatrixMemory.Scale(door, scale);
        long N = door['N'];
        var kernel = new MatrixKernel.Options(MatrixKernel.For(beta, logDecay, null), factor);
        OperatorForm chosen = OperatorForms.Choose(Name, form, () => kernel.Refusal(door, writes: N));

        using var scope = NewDisposeScope();
        Tensor[] read = chosen == OperatorForm.Native
            ? [.. SegmentLayout.RunKernel(layout, Kernel, q, k, v, beta, logDecay)]
            : SegmentLayout.Run(layout, chosen, Sequences, [q, k, v, beta, logDecay],
                [initialState ?? zeros([door.Sequences, door['H'], door['K'], door['V']], dtype: door.Accumulation, device: door.Device)]);
        return new MemoryRead(read[0].to(door.Dtype), read[1]).ToOuterScope();

        List<Tensor> Kernel(Tensor?[] x, SegmentLayout? runs)
        {
            MemoryRead sums = MatrixKernel.Run(kernel, runs?.Times(N), Writes(x), initialState);
            return [Tokens(sums.Output), sums.FinalState];
        }

        Tensor[] Sequences(Tensor?[] x, Tensor[] states, long[]? lengths)
        {
            if (chosen == OperatorForm.Reference) return Loop([.. x.Select(each => each?.to(door.Accumulation))], states[0], factor);
            MemoryRead sums = MatrixMemory.Tensors(Writes(x), states[0], new ChunkedOptions(factor, chunk), chosen, DeltaChunks.Run);
            return [Tokens(sums.Output), sums.FinalState];
        }

        Tensor Tokens(Tensor o) => o.view([o.shape[0], o.shape[1] / N, N, .. o.shape[2..]]).select(2, N - 1).contiguous();
    }

    // The writes one after the other, [B, T N, H, ...]: the first of a token has its decay, the last its query.
    private static MatrixTokens Writes(Tensor?[] x)
    {
        if (x is not [{ } q, { } k, { } v, { } beta, var g]) throw new InvalidOperationException();
        long N = k.shape[2];
        return new(Among(q, last: true), k.flatten(1, 2), v.flatten(1, 2), beta.flatten(1, 2), g is null ? null : Among(g, last: false));

        Tensor Among(Tensor each, bool last)
        {
            if (N == 1) return each;
            Tensor one = each.unsqueeze(2), others = zeros(1, dtype: each.dtype, device: each.device).expand([.. each.shape[..2], N - 1, .. each.shape[2..]]);
            return cat(last ? [others, one] : [one, others], 2).flatten(1, 2);
        }
    }

    // The definition, write by write.
    private static Tensor[] Loop(Tensor?[] x, Tensor S, double scale)
    {
        if (x is not [{ } q, { } k, { } v, { } beta, var g]) throw new InvalidOperationException();
        if (q.shape[1] == 0) return [zeros([.. q.shape[..3], v.shape[4]], dtype: S.dtype, device: S.device), S.clone()];
        Tensor[] queries = (q * scale).unbind(1), keys = k.unbind(1), values = v.unbind(1), strengths = beta.unbind(1);
        Tensor[]? decays = g?.exp().unbind(1);
        var outputs = new Tensor[queries.Length];
        for (int t = 0; t < outputs.Length; t++)
        {
            // A long text would else hold a state for each of its writes.
            using var step = NewDisposeScope();
            Tensor previous = S;
            if (decays is not null) S = decays[t].unsqueeze(2).unsqueeze(3) * S;
            for (long j = 0; j < k.shape[2]; j++)
            {
                Tensor key = keys[t].select(1, j).unsqueeze(3), recalled = (S * key).sum(2);
                S = S + (key * (strengths[t].select(1, j).unsqueeze(2) * (values[t].select(1, j) - recalled)).unsqueeze(2));
            }

            S = S.MoveToOuterDisposeScope();
            outputs[t] = (S * queries[t].unsqueeze(3)).sum(2).MoveToOuterDisposeScope();
            if (t > 0) previous.Dispose();
        }

        return [stack(outputs, 1), S];
    }
}
