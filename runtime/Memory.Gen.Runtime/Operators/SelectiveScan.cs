using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>The selective state space: x = e^(delta A) x + delta u B, y = C . x + D u, per channel with N states.</summary>
/// <remarks>Gu, Dao: Mamba (arXiv 2312.00752), section 3.</remarks>
public static class SelectiveScan
{
    private const string Name = "selective_scan";

    /// <summary>Scans a whole sequence, or continues one.</summary>
    /// <param name="u">Inputs <c>[B, T, C]</c>; T may be 0.</param>
    /// <param name="delta">Step sizes <c>[B, T, C]</c>, not negative.</param>
    /// <param name="A">Rates <c>[C, N]</c>, negative.</param>
    /// <param name="Bm">Input vectors <c>[B, T, N]</c>.</param>
    /// <param name="Cm">Output vectors <c>[B, T, N]</c>.</param>
    /// <param name="D">Direct path <c>[C]</c>.</param>
    /// <param name="initialState">State <c>[B, C, N]</c>, float32 or wider; null for zeros.</param>
    /// <param name="form">Null for the fastest that serves the call.</param>
    /// <param name="chunk">Tokens whose states are held at once; null for the default. Changes rounding only.</param>
    /// <param name="segments">Which tokens make up which sequence, each with a state of its own; null where every row is one.</param>
    /// <returns>Outputs <c>[B, T, C]</c> and the final state.</returns>
    /// <exception cref="ArgumentException">An argument has the wrong rank, shape, dtype or device.</exception>
    public static MemoryRead Apply(
        Tensor u, Tensor delta, Tensor A, Tensor Bm, Tensor Cm, Tensor D, Tensor? initialState = null, OperatorForm? form = null, int? chunk = null,
        Segments? segments = null)
    {
        var door = new FrontDoor(Name);
        door.Value(nameof(u), u, "BTC");
        door.Gate(nameof(delta), delta, "BTC");
        door.Gate(nameof(A), A, "CN");
        door.Value(nameof(Bm), Bm, "BTN");
        door.Value(nameof(Cm), Cm, "BTN");
        door.Gate(nameof(D), D, "C");
        SegmentLayout? layout = door.Segments(segments);
        door.State(nameof(initialState), initialState, "BCN");
        door.Positive(nameof(chunk), chunk);
        OperatorForm chosen = OperatorForms.Choose(Name, form, () => SelectiveScanKernel.Refusal(door));

        using var scope = NewDisposeScope();
        if (chosen == OperatorForm.Native) return SelectiveScanKernel.Run(layout, u, delta, A, Bm, Cm, D, initialState).ToOuterScope();
        Tensor state = initialState ?? zeros([door.Sequences, door['C'], door['N']], dtype: door.Accumulation, device: door.Device);
        Tensor[] wide = [.. new[] { u, delta, A, Bm, Cm, D, state }.Select(x => x.to(door.Accumulation))];
        Tensor[] read = SegmentLayout.Run(layout, chosen, Sequences, [wide[0], wide[1], wide[3], wide[4]], [wide[6]]);
        return new MemoryRead(read[0].to(door.Dtype).MoveToOuterDisposeScope(), read[1].MoveToOuterDisposeScope());

        Tensor[] Sequences(Tensor?[] x, Tensor[] states, long[]? lengths)
        {
            Tensor[] inputs = [x[0]!, x[1]!, wide[2], x[2]!, x[3]!, wide[5], states[0]];
            (Tensor output, Tensor final) = inputs[0].numel() * door['N'] == 0 ? (inputs[0] * inputs[5], states[0].clone())
                : chosen == OperatorForm.Reference || inputs[0].shape[1] == 1 ? Loop(inputs)
                : SelectiveChunks.Run(inputs, chunk);
            return [output, final];
        }
    }

    private static (Tensor Output, Tensor Final) Loop(Tensor[] inputs)
    {
        Tensor u = inputs[0], delta = inputs[1], A = inputs[2], Bm = inputs[3], Cm = inputs[4], D = inputs[5], x = inputs[6];
        var outputs = new Tensor[u.shape[1]];
        for (int t = 0; t < outputs.Length; t++)
        {
            Tensor step = delta.select(1, t).unsqueeze(2), input = u.select(1, t);
            x = ((step * A).exp() * x) + (step * input.unsqueeze(2) * Bm.select(1, t).unsqueeze(1));
            outputs[t] = (x * Cm.select(1, t).unsqueeze(1)).sum(2) + (D * input);
        }

        return (stack(outputs, 1), x);
    }
}

/// <summary>The selective scan with the states of one chunk of tokens at a time; backward recomputes them from each chunk's entering state.</summary>
internal sealed class SelectiveChunks : OperatorFunction<SelectiveChunks, ChunkedOptions>
{
    public static (Tensor Output, Tensor Final) Run(Tensor[] inputs, int? chunk)
    {
        List<Tensor> outputs = Run(new ChunkedOptions(1, chunk ?? ChunkLayout.DefaultLength), inputs);
        return (outputs[0], outputs[1]);
    }

    protected override List<Tensor> Forward(Tensor[] inputs, ChunkedOptions options, List<Tensor>? saved)
    {
        Tensor u = inputs[0], D = inputs[5], entering = inputs[6];
        long T = u.shape[1], length = options.Chunk!.Value;
        Tensor y = u * D;
        var checkpoints = new List<Tensor>();
        for (long start = 0; start < T; start += length)
        {
            checkpoints.Add(entering);
            using var scope = NewDisposeScope();
            Chunk chunk = Chunk.Of(inputs, entering, start, Math.Min(length, T - start));
            y.narrow(1, start, chunk.Length).add_(chunk.States.matmul(chunk.C.unsqueeze(3)).squeeze(3).transpose(0, 1));
            entering = chunk.States.select(0, chunk.Length - 1).clone().MoveToOuterDisposeScope();
        }

        saved?.AddRange([.. inputs[..6], .. checkpoints]);
        return [y, entering];
    }

    // g_t = a_(t+1) g_(t+1) + dy_t C_t;  with x_(t-1) the state before: dA = sum delta g a x_(t-1), ddelta = u (g . B) + sum_n A g a x_(t-1).
    protected override List<Tensor> Backward(Tensor?[] gradients, List<Tensor> saved, ChunkedOptions options)
    {
        Tensor u = saved[0], delta = saved[1], A = saved[2], D = saved[5];
        long T = u.shape[1], length = options.Chunk!.Value;
        Tensor dY = gradients[0] ?? zeros_like(u);
        Tensor dU = dY * D, dDelta = empty_like(u), dB = empty_like(saved[3]), dC = empty_like(saved[4]), dA = zeros_like(A);
        Tensor dState = gradients[1] ?? zeros_like(saved[6]);
        for (long start = (T - 1) / length * length; start >= 0; start -= length)
        {
            using var scope = NewDisposeScope();
            Tensor entering = saved[6 + (int)(start / length)];
            Chunk chunk = Chunk.Of(saved.ToArray(), entering, start, Math.Min(length, T - start));
            Tensor dy = chunk.Slice(dY);
            dC.narrow(1, start, chunk.Length).copy_(dy.unsqueeze(2).matmul(chunk.States).squeeze(2).transpose(0, 1));

            Tensor g = dy.unsqueeze(3) * chunk.C.unsqueeze(2);
            g.select(0, chunk.Length - 1).add_(dState);
            dState = DiagonalScan.Reverse(chunk.Factors, g).MoveToOuterDisposeScope();
            dB.narrow(1, start, chunk.Length).copy_((chunk.Delta * chunk.U).unsqueeze(2).matmul(g).squeeze(2).transpose(0, 1));
            Tensor along = g.matmul(chunk.B.unsqueeze(3)).squeeze(3);
            dU.narrow(1, start, chunk.Length).add_((chunk.Delta * along).transpose(0, 1));

            Tensor decayed = g.mul_(chunk.Factors);
            decayed.select(0, 0).mul_(entering);
            if (chunk.Length > 1) decayed.narrow(0, 1, chunk.Length - 1).mul_(chunk.States.narrow(0, 0, chunk.Length - 1));
            dDelta.narrow(1, start, chunk.Length).copy_(((chunk.U * along) + (decayed * A).sum(3)).transpose(0, 1));
            dA.add_(decayed.mul_(chunk.Delta.unsqueeze(3)).sum(new long[] { 0, 1 }));
        }

        return [dU, dDelta, dA, dB, dC, (dY * u).sum(new long[] { 0, 1 }), dState];
    }

    /// <summary>One chunk, time first: step sizes, inputs, vectors, decay factors and states <c>[L, B, C, N]</c>.</summary>
    private readonly record struct Chunk(long Start, long Length, Tensor U, Tensor Delta, Tensor B, Tensor C, Tensor Factors, Tensor States)
    {
        public static Chunk Of(Tensor[] inputs, Tensor entering, long start, long length)
        {
            var bare = new Chunk(start, length, null!, null!, null!, null!, null!, null!);
            Tensor u = bare.Slice(inputs[0]), delta = bare.Slice(inputs[1]), B = bare.Slice(inputs[3]), C = bare.Slice(inputs[4]);
            Tensor factors = (delta.unsqueeze(3) * inputs[2]).exp_();
            Tensor states = (delta * u).unsqueeze(3) * B.unsqueeze(2);
            DiagonalScan.Forward(factors, states, entering);
            return bare with { U = u, Delta = delta, B = B, C = C, Factors = factors, States = states };
        }

        public Tensor Slice(Tensor x) => x.narrow(1, Start, Length).transpose(0, 1).contiguous();
    }
}
