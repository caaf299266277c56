using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>
/// Channel decay whose read stands before the token's own write and gives its value a bonus of its own:
/// o_t = (S_{t-1} + diag(u) k_t v_t^T)^T (scale q_t), S_t = diag(e^g) S_{t-1} + k_t v_t^T.
/// </summary>
/// <remarks>
/// Peng et al.: Eagle and Finch: RWKV with Matrix-Valued States and Dynamic Recurrence (arXiv 2404.05892), section 4. Channel decay
/// reads S_{t-1} for the query of token t when that query stands at token t - 1, with no decay to undo.
/// </remarks>
public static class BonusDecay
{
    private const string Name = "bonus_decay";

    /// <summary>Reads a whole sequence, or continues one.</summary>
    /// <param name="q">Queries <c>[B, T, H, K]</c>, in RWKV the receptance; T may be 0.</param>
    /// <param name="k">Keys <c>[B, T, H, K]</c>.</param>
    /// <param name="v">Values <c>[B, T, H, V]</c>.</param>
    /// <param name="logDecay">Log decay <c>[B, T, H, K]</c>, at most 0; 0 keeps everything, -inf forgets everything.</param>
    /// <param name="bonus">u, the weight of a token's own key features <c>[H, K]</c>.</param>
    /// <param name="initialState">State <c>[B, H, K, V]</c>, float32 or wider; null for zeros.</param>
    /// <param name="scale">Factor on the queries; null for K^-1/2.</param>
    /// <param name="form">Null for the fastest that serves the call.</param>
    /// <param name="chunk">Tokens a chunk; null for the default. Changes rounding only.</param>
    /// <param name="segments">Which tokens make up which sequence, each with a state of its own; null where every row is one.</param>
    /// <returns>Output <c>[B, T, H, V]</c>, and the state <c>[B, H, K, V]</c> that continues the sequence.</returns>
    /// <exception cref="ArgumentException">An argument has the wrong rank, shape, dtype or device.</exception>
    public static MemoryRead Apply(
        Tensor q, Tensor k, Tensor v, Tensor logDecay, Tensor bonus, Tensor? initialState = null,
        double? scale = null, OperatorForm? form = null, int? chunk = null, Segments? segments = null)
    {
        var door = new FrontDoor(Name);
        door.Value(nameof(q), q, "BTHK");
        door.Value(nameof(k), k, "BTHK");
        door.Value(nameof(v), v, "BTHV");
        door.Gate(nameof(logDecay), logDecay, "BTHK");
        door.Gate(nameof(bonus), bonus, "HK");
        SegmentLayout? layout = door.Segments(segments);
        door.State(nameof(initialState), initialState, "BHKV");
        MatrixMemory.CheckOptions(door, scale, chunk);
        double factor = MatrixMemory.Scale(door, scale);
        MatrixKernel.Options kernel = MatrixKernel.Options.ChannelDecay(factor);
        OperatorForm chosen = OperatorForms.Choose(Name, form, () => kernel.Refusal(door));

        using var scope = NewDisposeScope();
        Tensor state = initialState ?? zeros([door.Sequences, door['H'], door['K'], door['V']], dtype: door.Accumulation, device: door.Device);
        Tensor[] read = chosen == OperatorForm.Native
            ? [.. SegmentLayout.RunKernels(layout, Kernel, q, k, v, Gates.Single(logDecay))]
            : SegmentLayout.Run(layout, chosen, Sequences, [q, k, v, logDecay], [state]);
        return new MemoryRead(read[0].to(door.Dtype), read[1]).ToOuterScope();

        List<Tensor> Kernel(Tensor?[] x, SegmentLayout? runs)
        {
            // How they lie must not change the order of the sums beside the kernel.
            Tensor q = x[0]!.contiguous(), k = x[1]!.contiguous(), v = x[2]!;
            if (q.numel() == 0 || v.numel() == 0) return [zeros_like(v), state.clone()];
            var order = new TokenShift(runs, q);
            MemoryRead earlier = MatrixKernel.Run(kernel, runs, new(order.Back(q), k, v, LogDecay: x[3]), state);
            return [Output(q, k, v, state.contiguous(), earlier.Output, order), earlier.FinalState];
        }

        Tensor[] Sequences(Tensor?[] x, Tensor[] states, long[]? lengths)
        {
            Tensor Wide(int i) => x[i]!.to(door.Accumulation);
            Tensor q = Wide(0), k = Wide(1), v = Wide(2), g = Wide(3), S = states[0];
            if (q.numel() == 0 || v.numel() == 0) return [zeros_like(v), S.clone()];
            if (q.shape[1] == 1 || chosen == OperatorForm.Reference) return Loop(q * factor, k, v, g.exp(), bonus.to(door.Accumulation), S);
            var order = new TokenShift(null, q);
            MemoryRead earlier = ChannelChunks.Run(new(order.Back(q), k, v, LogDecay: g), S, new ChunkedOptions(factor, chunk));
            return [Output(q, k, v, S, earlier.Output, order), earlier.FinalState];
        }

        // What each token reads: the first of a sequence the state that it begins with, every other one what channel decay read for it a token earlier.
        Tensor Output(Tensor q, Tensor k, Tensor v, Tensor S, Tensor earlier, TokenShift order)
        {
            Tensor first = (order.Firsts(q).unsqueeze(2).to(S.dtype) * factor).matmul(order.Begun(S)).squeeze(2).to(q.dtype);
            Tensor own = factor * (q * k * bonus.to(q.dtype)).sum(3, keepdim: true);
            return order.Forth(earlier, first) + (own * v);
        }
    }

    // The definition, token by token.
    private static Tensor[] Loop(Tensor q, Tensor k, Tensor v, Tensor kept, Tensor bonus, Tensor S)
    {
        var outputs = new Tensor[q.shape[1]];
        for (int t = 0; t < outputs.Length; t++)
        {
            // A long text would else hold the state of each of its tokens.
            using var step = NewDisposeScope();
            Tensor before = S, key = k.select(1, t).unsqueeze(3), value = v.select(1, t).unsqueeze(2);
            outputs[t] = q.select(1, t).unsqueeze(2).matmul(S + (bonus.unsqueeze(2) * key * value)).transpose(1, 2).MoveToOuterDisposeScope();
            S = ((kept.select(1, t).unsqueeze(3) * S) + (key * value)).MoveToOuterDisposeScope();
            if (t > 0) before.Dispose();
        }

        return [cat(outputs, 1), S];
    }
}
