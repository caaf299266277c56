using Memory.Gen.Runtime.Operators;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Modules;

/// <summary>A linear projection for each of M memories, without bias: every token copy is multiplied by the weight of its own memory.</summary>
public sealed class RoutedLinear : nn.Module<Tensor, Routing, Tensor>
{
    private readonly Parameter weight;
    private bool registered;

    /// <param name="memories">M, at least 1.</param>
    /// <param name="inputs">Size of the last axis that comes in, at least 1.</param>
    /// <param name="outputs">Size of the last axis that goes out, at least 1.</param>
    /// <param name="device">Where the weights lie; null is the CPU.</param>
    /// <param name="dtype">Their element type; null is float32.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is below 1.</exception>
    public RoutedLinear(long memories, long inputs, long outputs, Device? device = null, ScalarType? dtype = null) : base(nameof(RoutedLinear))
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(memories, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(inputs, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(outputs, 1);
        weight = Initialize.Uniform([memories, outputs, inputs], 1 / Math.Sqrt(inputs), device, dtype);
        RegisterComponents();
    }

    /// <summary>Projects token copies as <see cref="Routing.Gather"/> lays them out.</summary>
    /// <param name="rows"><c>[1, N, inputs]</c> or <c>[N, 1, inputs]</c>.</param>
    /// <param name="route">Says which of them belong to which memory.</param>
    /// <returns>The same with the last axis <c>outputs</c>.</returns>
    public override Tensor forward(Tensor rows, Routing route)
    {
        using var scope = NewDisposeScope();
        Tensor y = RoutedProduct.Run(route.Counts, rows.flatten(0, 1), weight)[0];
        return y.view(rows.shape[0], rows.shape[1], y.shape[1]).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    protected override void RegisterComponents()
    {
        if (registered)
            return;
        registered = true;
        register_parameter(nameof(weight), weight);
    }

    /// <summary>y_n = W_m x_n for the rows n of each memory m, which stand together; the options are their numbers.</summary>
    private sealed class RoutedProduct : OperatorFunction<RoutedProduct, long[]>
    {
        protected override List<Tensor> Forward(Tensor[] inputs, long[] counts, List<Tensor>? saved)
        {
            Tensor x = inputs[0], weight = inputs[1];
            saved?.AddRange(inputs);
            Tensor y = empty([x.shape[0], weight.shape[1]], dtype: x.dtype, device: x.device);
            foreach ((int m, long start, long count) in Blocks(counts))
                y.narrow(0, start, count).addmm_(x.narrow(0, start, count), weight.select(0, m).t(), beta: 0);
            return [y];
        }

        protected override List<Tensor> Backward(Tensor?[] gradients, List<Tensor> saved, long[] counts)
        {
            Tensor dY = gradients[0]!, x = saved[0], weight = saved[1];
            Tensor dX = empty_like(x), dWeight = zeros_like(weight, requires_grad: false);
            foreach ((int m, long start, long count) in Blocks(counts))
            {
                Tensor upstream = dY.narrow(0, start, count);
                dX.narrow(0, start, count).addmm_(upstream, weight.select(0, m), beta: 0);
                dWeight.select(0, m).addmm_(upstream.t(), x.narrow(0, start, count), beta: 0);
            }

            return [dX, dWeight];
        }

        private static IEnumerable<(int Memory, long Start, long Count)> Blocks(long[] counts)
        {
            long start = 0;
            for (int m = 0; m < counts.Length; start += counts[m++])
            {
                if (counts[m] > 0) yield return (m, start, counts[m]);
            }
        }
    }
}
