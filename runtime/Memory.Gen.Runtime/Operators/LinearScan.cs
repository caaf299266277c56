using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>The first-order recurrence of every channel on its own: h_t = a_t h_(t-1) + b_t.</summary>
public static class LinearScan
{
    private const string Name = "linear_scan";

    /// <summary>Scans a whole sequence, or continues one.</summary>
    /// <param name="a">Factors <c>[B, T, C]</c>; T may be 0.</param>
    /// <param name="b">Inputs <c>[B, T, C]</c>.</param>
    /// <param name="initialState">State <c>[B, C]</c>, float32 or wider; null for zeros.</param>
    /// <param name="form">Null for the fastest that serves the call.</param>
    /// <param name="segments">Which tokens make up which sequence, each with a state of its own; null where every row is one.</param>
    /// <returns>Every state <c>[B, T, C]</c>, and the last.</returns>
    /// <exception cref="ArgumentException">An argument has the wrong rank, shape, dtype or device.</exception>
    public static MemoryRead Apply(Tensor a, Tensor b, Tensor? initialState = null, OperatorForm? form = null, Segments? segments = null)
    {
        var door = new FrontDoor(Name);
        door.Value(nameof(a), a, "BTC");
        door.Value(nameof(b), b, "BTC");
        SegmentLayout? layout = door.Segments(segments);
        door.State(nameof(initialState), initialState, "BC");
        OperatorForm chosen = OperatorForms.Choose(Name, form, () => LinearScanKernel.Refusal(door));

        using var scope = NewDisposeScope();
        if (chosen == OperatorForm.Native) return LinearScanKernel.Run(layout, a, b, initialState).ToOuterScope();
        Tensor state = initialState ?? zeros([door.Sequences, door['C']], dtype: door.Accumulation, device: door.Device);
        // A factor of one and an input of zero change nothing.
        Tensor[] read = SegmentLayout.Run(layout, chosen, Sequences, [a.to(door.Accumulation), b.to(door.Accumulation)], [state], [1, 0]);
        return new MemoryRead(read[0].to(door.Dtype).MoveToOuterDisposeScope(), read[1].MoveToOuterDisposeScope());

        Tensor[] Sequences(Tensor?[] x, Tensor[] states, long[]? lengths)
        {
            Tensor factors = x[0]!, inputs = x[1]!;
            long T = inputs.shape[1];
            Tensor h = inputs.numel() == 0 ? zeros_like(inputs)
                : chosen == OperatorForm.Reference || T == 1 ? Loop(factors, inputs, states[0])
                : Function.Run(Function.None, factors, inputs, states[0])[0];
            return [h, T == 0 ? states[0].clone() : h.select(1, T - 1)];
        }
    }

    private static Tensor Loop(Tensor a, Tensor b, Tensor h)
    {
        var states = new Tensor[a.shape[1]];
        for (int t = 0; t < states.Length; t++) states[t] = h = (a.select(1, t) * h) + b.select(1, t);
        return stack(states, 1);
    }

    /// <summary>The recurrence in place, one operation a token, and its reverse.</summary>
    private sealed class Function : OperatorFunction<Function, object>
    {
        public static readonly object None = new();

        protected override List<Tensor> Forward(Tensor[] inputs, object options, List<Tensor>? saved)
        {
            Tensor a = TimeFirst(inputs[0]), h = inputs[1].transpose(0, 1).clone(), initial = inputs[2];
            DiagonalScan.Forward(a, h, initial);
            saved?.AddRange([a, h, initial]);
            return [h.transpose(0, 1).contiguous()];
        }

        // g_t = dh_t + a_(t+1) g_(t+1);  da_t = g_t h_(t-1);  db_t = g_t.
        protected override List<Tensor> Backward(Tensor?[] gradients, List<Tensor> saved, object options)
        {
            Tensor a = saved[0], h = saved[1], initial = saved[2];
            Tensor g = gradients[0]!.transpose(0, 1).clone();
            Tensor dInitial = DiagonalScan.Reverse(a, g);
            Tensor before = cat(new[] { initial.unsqueeze(0), h.narrow(0, 0, h.shape[0] - 1) }, 0);
            return [(g * before).transpose(0, 1).contiguous(), g.transpose(0, 1).contiguous(), dInitial];
        }

        private static Tensor TimeFirst(Tensor x) => x.transpose(0, 1).contiguous();
    }
}

/// <summary>First-order recurrences over the first axis, in place.</summary>
internal static class DiagonalScan
{
    /// <summary>x_t += a_t x_(t-1), with <paramref name="before"/> in the place of x_(-1).</summary>
    public static void Forward(Tensor a, Tensor x, Tensor before)
    {
        using var scope = NewDisposeScope();
        Tensor[] factors = a.unbind(), values = x.unbind();
        for (int t = 0; t < values.Length; t++) values[t].addcmul_(factors[t], t == 0 ? before : values[t - 1], 1);
    }

    /// <summary>g_t += a_(t+1) g_(t+1); returns a_0 g_0, the gradient of what stood before.</summary>
    public static Tensor Reverse(Tensor a, Tensor g)
    {
        using var scope = NewDisposeScope();
        Tensor[] factors = a.unbind(), values = g.unbind();
        for (int t = values.Length - 2; t >= 0; t--) values[t].addcmul_(factors[t + 1], values[t + 1], 1);
        return (factors[0] * values[0]).MoveToOuterDisposeScope();
    }
}
