using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>Depthwise causal convolution over time, then SiLU: y_t = silu(bias + sum_w weight[:, w] x_(t - W + 1 + w)).</summary>
public static class CausalConvolution
{
    private const string Name = "causal_conv";

    /// <summary>Convolves a whole sequence, or continues one.</summary>
    /// <param name="x">Inputs <c>[B, T, C]</c>; T may be 0.</param>
    /// <param name="weight">Weights <c>[C, W]</c>; the last column multiplies the present token.</param>
    /// <param name="bias"><c>[C]</c>; null for none.</param>
    /// <param name="initialState">The W - 1 inputs before the first, oldest first, <c>[B, W - 1, C]</c>; null for zeros.</param>
    /// <param name="form">Null for the fastest that serves the call.</param>
    /// <param name="segments">Which tokens make up which sequence, each with a state of its own; null where every row is one.</param>
    /// <returns>Outputs <c>[B, T, C]</c> and the last W - 1 inputs.</returns>
    /// <exception cref="ArgumentException">An argument has the wrong rank, shape, dtype or device.</exception>
    public static MemoryRead Apply(
        Tensor x, Tensor weight, Tensor? bias = null, Tensor? initialState = null, OperatorForm? form = null, Segments? segments = null)
    {
        var door = new FrontDoor(Name);
        door.Value(nameof(x), x, "BTC");
        door.Value(nameof(weight), weight, "CW");
        door.AtLeastOne('W');
        if (bias is not null) door.Value(nameof(bias), bias, "C");
        long C = door['C'], W = door['W'];
        door.Bind('P', W - 1, "weight (W - 1)");
        SegmentLayout? layout = door.Segments(segments);
        if (initialState is not null) door.Value(nameof(initialState), initialState, door.PerSequence("BPC"));
        OperatorForm chosen = OperatorForms.Choose(Name, form, () => ConvolutionKernel.Refusal(door));

        using var scope = NewDisposeScope();
        if (chosen == OperatorForm.Native) return ConvolutionKernel.Run(layout, x, weight, bias, initialState).ToOuterScope();

        // The tail is kept in the inputs' dtype: it is inputs, not a sum.
        Tensor tail = initialState ?? zeros([door.Sequences, W - 1, C], dtype: x.dtype, device: x.device);
        Tensor weights = weight.to(door.Accumulation).t();
        Tensor shift = bias?.to(door.Accumulation) ?? zeros([C], dtype: door.Accumulation, device: x.device);
        Tensor[] read = SegmentLayout.Run(layout, chosen, Sequences, [x], [tail]);
        return new MemoryRead(read[0].to(door.Dtype).MoveToOuterDisposeScope(), read[1].MoveToOuterDisposeScope());

        Tensor[] Sequences(Tensor?[] inputs, Tensor[] tails, long[]? lengths)
        {
            Tensor present = inputs[0]!, all = W == 1 ? present : cat(new[] { tails[0], present }, 1), wide = all.to(door.Accumulation);
            long T = present.shape[1];
            Tensor y = present.numel() == 0 ? zeros(present.shape, dtype: door.Accumulation, device: x.device)
                : chosen == OperatorForm.Reference || T == 1 ? Loop(wide, weights, shift)
                : ShiftedSums.Run(ShiftedSums.None, wide, weights, shift)[0];
            return [y.silu(), lengths is null ? all.narrow(1, T, W - 1).clone() : SegmentLayout.Ends(all, lengths, W - 1)];
        }
    }

    /// <summary>The same, its channels as heads of features.</summary>
    /// <param name="x">Inputs <c>[B, T, C]</c>; T may be 0.</param>
    /// <param name="weight">Weights <c>[C, W]</c>.</param>
    /// <param name="bias"><c>[C]</c>; null for none.</param>
    /// <param name="initialState"><c>[B, W - 1, C]</c>; null for zeros.</param>
    /// <param name="heads">H, which divides C.</param>
    /// <param name="unit">Whether every head of every token is then brought to unit length.</param>
    /// <returns>Outputs <c>[B, T, H, C / H]</c> and the last W - 1 inputs.</returns>
    internal static MemoryRead Heads(Tensor x, Tensor weight, Tensor? bias, Tensor? initialState, long heads, bool unit)
    {
        if (ConvolutionKernel.RunHeads(x, weight, bias, initialState, heads, unit) is { } direct) return direct;
        using var scope = NewDisposeScope();
        MemoryRead read = Apply(x, weight, bias, initialState);
        long[] shape = read.Output.shape;
        if (heads < 1 || shape[2] % heads != 0) throw new ArgumentException($"{Name}: {heads} heads do not divide {shape[2]} channels.", nameof(heads));
        Tensor y = read.Output.view(shape[0], shape[1], heads, shape[2] / heads);
        return new MemoryRead(unit ? UnitLength.Apply(y) : y, read.FinalState).ToOuterScope();
    }

    private static Tensor Loop(Tensor all, Tensor weights, Tensor bias)
    {
        long W = weights.shape[0], T = all.shape[1] - W + 1;
        var outputs = new Tensor[T];
        for (long t = 0; t < T; t++) outputs[t] = (all.narrow(1, t, W) * weights).sum(1) + bias;
        return stack(outputs, 1);
    }

    /// <summary>The convolution as W shifted multiply-adds in <c>[B, T, C]</c>, block by block so that a block stays in cache.</summary>
    private sealed class ShiftedSums : OperatorFunction<ShiftedSums, object>
    {
        public static readonly object None = new();

        // Elements of one block: small enough for the second-level cache, large enough that the calls do not show.
        private const long BlockElements = 1 << 17;

        protected override List<Tensor> Forward(Tensor[] inputs, object options, List<Tensor>? saved)
        {
            Tensor all = inputs[0], weights = inputs[1], bias = inputs[2];
            long B = all.shape[0], W = weights.shape[0], T = all.shape[1] - W + 1, C = all.shape[2];
            Tensor y = torch.empty([B, T, C], dtype: all.dtype, device: all.device);
            Tensor[] taps = weights.contiguous().unbind();
            foreach ((long row, long start, long length) in Blocks(B, T, C))
            {
                using Tensor block = y.narrow(0, row, 1).narrow(1, start, length), source = all.narrow(0, row, 1);
                block.copy_(bias);
                for (int w = 0; w < W; w++)
                {
                    using Tensor shifted = source.narrow(1, start + w, length);
                    block.addcmul_(shifted, taps[w], 1);
                }
            }

            saved?.AddRange([all, weights]);
            return [y];
        }

        protected override List<Tensor> Backward(Tensor?[] gradients, List<Tensor> saved, object options)
        {
            Tensor all = saved[0], weights = saved[1].contiguous(), dY = gradients[0]!;
            long B = all.shape[0], W = weights.shape[0], T = all.shape[1] - W + 1, C = all.shape[2];
            Tensor dAll = zeros([B, T + W - 1, C], dtype: all.dtype, device: all.device);
            Tensor dWeights = zeros([W, C], dtype: all.dtype, device: all.device), dBias = zeros([C], dtype: all.dtype, device: all.device);
            Tensor[] taps = weights.unbind(), dTaps = dWeights.unbind();
            foreach ((long row, long start, long length) in Blocks(B, T, C))
            {
                using Tensor upstream = dY.narrow(0, row, 1).narrow(1, start, length);
                using Tensor source = all.narrow(0, row, 1), sink = dAll.narrow(0, row, 1), biasPart = upstream.sum(new long[] { 0, 1 });
                dBias.add_(biasPart);
                for (int w = 0; w < W; w++)
                {
                    using Tensor shifted = source.narrow(1, start + w, length), target = sink.narrow(1, start + w, length);
                    using Tensor product = shifted * upstream, part = product.sum(new long[] { 0, 1 });
                    dTaps[w].add_(part);
                    target.addcmul_(upstream, taps[w], 1);
                }
            }

            return [dAll, dWeights, dBias];
        }

        private static IEnumerable<(long Row, long Start, long Length)> Blocks(long B, long T, long C)
        {
            long length = Math.Max(1, BlockElements / C);
            for (long row = 0; row < B; row++)
            {
                for (long start = 0; start < T; start += length) yield return (row, start, Math.Min(length, T - start));
            }
        }
    }
}
