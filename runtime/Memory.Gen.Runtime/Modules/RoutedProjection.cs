using Memory.Gen.Runtime.Kernels;
using Memory.Gen.Runtime.Operators;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Modules;

/// <summary>
/// Linear maps of token copies, y_n = W_m x_n with the weights of the memory m that copy n is sent to, without bias, several of them
/// taken together as by <see cref="Projection"/>, whose <see cref="Projection.MatmulPrecision"/> holds here too.
/// </summary>
public static class RoutedProjection
{
    private const string Name = "linear";
    private const string OutputAxes = "JKNOPQST";

    /// <summary>One linear map.</summary>
    /// <param name="rows"><c>[1, N, in]</c> or <c>[N, 1, in]</c>, the copies as <see cref="Routing.Gather"/> lays them out.</param>
    /// <param name="route">Says which of them belong to which memory.</param>
    /// <param name="a">A map from in to any number of features in each memory.</param>
    /// <returns>The same with the last axis out.</returns>
    /// <exception cref="ArgumentException">The rows are not the route's, their last axis is not what the map takes, or dtypes or devices differ.</exception>
    public static Tensor Apply(Tensor rows, Routing route, RoutedLinear a) => Apply(rows, route, [a])[0];

    /// <inheritdoc cref="Apply(Tensor, Routing, RoutedLinear[], OperatorForm?)"/>
    public static (Tensor, Tensor) Apply(Tensor rows, Routing route, RoutedLinear a, RoutedLinear b)
    {
        Tensor[] y = Apply(rows, route, [a, b]);
        return (y[0], y[1]);
    }

    /// <inheritdoc cref="Apply(Tensor, Routing, RoutedLinear[], OperatorForm?)"/>
    public static (Tensor, Tensor, Tensor) Apply(Tensor rows, Routing route, RoutedLinear a, RoutedLinear b, RoutedLinear c)
    {
        Tensor[] y = Apply(rows, route, [a, b, c]);
        return (y[0], y[1], y[2]);
    }

    /// <inheritdoc cref="Apply(Tensor, Routing, RoutedLinear[], OperatorForm?)"/>
    public static (Tensor, Tensor, Tensor, Tensor) Apply(Tensor rows, Routing route, RoutedLinear a, RoutedLinear b, RoutedLinear c, RoutedLinear d)
    {
        Tensor[] y = Apply(rows, route, [a, b, c, d]);
        return (y[0], y[1], y[2], y[3]);
    }

    /// <inheritdoc cref="Apply(Tensor, Routing, RoutedLinear[], OperatorForm?)"/>
    public static (Tensor, Tensor, Tensor, Tensor, Tensor) Apply(Tensor rows, Routing route, RoutedLinear a, RoutedLinear b, RoutedLinear c, RoutedLinear d, RoutedLinear e)
    {
        Tensor[] y = Apply(rows, route, [a, b, c, d, e]);
        return (y[0], y[1], y[2], y[3], y[4]);
    }

    /// <summary>Linear maps of the same copies.</summary>
    /// <param name="rows"><c>[1, N, in]</c> or <c>[N, 1, in]</c>, the copies as <see cref="Routing.Gather"/> lays them out.</param>
    /// <param name="route">Says which of them belong to which memory.</param>
    /// <param name="layers">One to eight maps from in to any numbers of features in each memory.</param>
    /// <param name="form">Null for the fastest that serves the call; Reference and Chunked compute the same here, and the gradient of Reference has one of its own.</param>
    /// <returns>For every map the same as <paramref name="rows"/> with the last axis out, in order.</returns>
    /// <exception cref="ArgumentException">The rows are not the route's, their last axis is not what a map takes, or dtypes or devices differ.</exception>
    public static Tensor[] Apply(Tensor rows, Routing route, RoutedLinear[] layers, OperatorForm? form = null) =>
        Apply(rows, route, Array.ConvertAll<RoutedLinear, Tensor>(layers, layer => layer.Weight), form);

    /// <summary>The same by the weights, <c>[M, out, in]</c> each.</summary>
    internal static Tensor[] Apply(Tensor rows, Routing route, Tensor[] weights, OperatorForm? form = null)
    {
        if (form is null && Product.RunDirectly(rows, route.Counts, weights) is { } direct) return direct;
        var door = new FrontDoor(Name);
        if (weights.Length < 1 || weights.Length > OutputAxes.Length)
        {
            throw new ArgumentException($"{Name}: there are {weights.Length} weights; expected 1 to {OutputAxes.Length}.", nameof(weights));
        }

        door.Value(nameof(rows), rows, "RLI");
        for (int i = 0; i < weights.Length; i++) door.Value($"weights[{i}]", weights[i], $"M{OutputAxes[i]}I");
        long copies = route.Counts.Sum();
        if (door['R'] * door['L'] != copies || door['M'] != route.Counts.Length)
        {
            throw new ArgumentException(
                $"{Name}: rows has {door['R'] * door['L']} token copies for the weights of {door['M']} memories; expected the {copies} copies and {route.Counts.Length} memories of route.", nameof(rows));
        }

        // As in Projection: on CUDA torch's own product is the fastest form, which nobody need be told.
        Func<string?>? refusal = rows.device_type == DeviceType.CUDA ? null : () => ProjectionKernel.Refusal(door);
        OperatorForm chosen = OperatorForms.Choose(Name, form, refusal);

        using var scope = NewDisposeScope();
        return [.. Product.Run(chosen, new Call(route.Counts, chosen == OperatorForm.Native), [rows.flatten(0, 1).contiguous(), .. weights.Select(weight => weight.contiguous())])
            .Select(y => y.view(rows.shape[0], rows.shape[1], y.shape[1]).MoveToOuterDisposeScope())];
    }

    /// <param name="Counts">Copies in every memory; those of one stand together.</param>
    /// <param name="Native">Whether the kernel library multiplies.</param>
    private sealed record Call(long[] Counts, bool Native)
    {
        /// <summary>The memories that get copies.</summary>
        public IEnumerable<(int Memory, long Start, long Count)> Blocks()
        {
            long start = 0;
            for (int m = 0; m < Counts.Length; start += Counts[m++])
            {
                if (Counts[m] > 0) yield return (m, start, Counts[m]);
            }
        }
    }

    /// <summary>Inputs: the copies <c>[N, I]</c>, then for each map its weights <c>[M, O, I]</c>; all contiguous.</summary>
    private sealed unsafe class Product : OperatorFunction<Product, Call>
    {
        private static readonly Kernel Kernel = new(RoutedProjection.Name);

        /// <summary>The maps where no gradient is wanted, as in decoding; null for a call of another kind, or one whose arguments do not fit.</summary>
        public static Tensor[]? RunDirectly(Tensor rows, long[] counts, Tensor[] weights)
        {
            Tensor[] inputs = [rows, .. weights];
            if (weights.Length is 0 or > LinearArguments.MostMaps || !KernelLibrary.TakesDirectly(inputs) || rows.dim() != 3) return null;
            if (rows.size(0) * rows.size(1) != counts.Sum()) return null;
            foreach (Tensor weight in weights)
                if (weight.dim() != 3 || weight.size(0) != counts.Length || weight.size(2) != rows.size(2)) return null;
            if (!Kernel.Serves(Arguments(inputs, 0, 0, 0), out _) || !OperatorForms.TakesKernel(RoutedProjection.Name)) return null;
            Tensor[] y = Array.ConvertAll(weights, weight => empty([rows.size(0), rows.size(1), weight.size(1)], dtype: ScalarType.Float32, device: CPU));
            foreach ((int m, long start, long count) in new Call(counts, Native: true).Blocks())
            {
                LinearArguments args = Arguments(inputs, m, start, count);
                for (int i = 0; i < y.Length; i++) args.Y[i] = Rows(y[i], start);
                Kernel.Serves(args, out long workspace);
                Kernel.Run(args, workspace);
            }

            GC.KeepAlive(inputs);
            return y;
        }

        protected override List<Tensor> Forward(Tensor[] inputs, Call call, List<Tensor>? saved)
        {
            saved?.AddRange(inputs);
            Tensor x = inputs[0];
            var outputs = new List<Tensor>();
            foreach (Tensor weight in inputs[1..]) outputs.Add(empty([x.shape[0], weight.shape[1]], dtype: x.dtype, device: x.device));
            foreach ((int m, long start, long count) in call.Blocks())
            {
                if (call.Native)
                {
                    LinearArguments args = Arguments(inputs, m, start, count);
                    for (int i = 0; i < outputs.Count; i++) args.Y[i] = Rows(outputs[i], start);
                    Kernel.Forward(args, x);
                    continue;
                }

                for (int i = 0; i < outputs.Count; i++)
                    outputs[i].narrow(0, start, count).addmm_(x.narrow(0, start, count), inputs[i + 1].select(0, m).t(), beta: 0);
            }

            GC.KeepAlive(inputs);
            return outputs;
        }

        protected override List<Tensor> Backward(Tensor?[] gradients, List<Tensor> saved, Call call)
        {
            Tensor[] inputs = [.. saved];
            Tensor?[] upstream = Array.ConvertAll(gradients, gradient => gradient?.contiguous());
            Tensor x = inputs[0];
            Tensor dX = zeros_like(x, requires_grad: false);
            Tensor[] dWeights = [.. inputs[1..].Select(weight => zeros_like(weight, requires_grad: false))]; // of memories without copies too
            foreach ((int m, long start, long count) in call.Blocks())
            {
                if (call.Native)
                {
                    LinearArguments args = Arguments(inputs, m, start, count);
                    args.GradX = Rows(dX, start);
                    for (int i = 0; i < dWeights.Length; i++)
                    {
                        args.GradWeights[i] = Matrix(dWeights[i], m);
                        if (upstream[i] is { } gradient) args.GradY[i] = Rows(gradient, start);
                    }

                    Kernel.Backward(args, x);
                    continue;
                }

                for (int i = 0; i < dWeights.Length; i++)
                {
                    if (upstream[i]?.narrow(0, start, count) is not { } gradient) continue;
                    dX.narrow(0, start, count).addmm_(gradient, inputs[i + 1].select(0, m));
                    dWeights[i].select(0, m).addmm_(gradient.t(), x.narrow(0, start, count), beta: 0);
                }
            }

            GC.KeepAlive(inputs);
            GC.KeepAlive(upstream);
            return [dX, .. dWeights];
        }

        private static LinearArguments Arguments(Tensor[] inputs, int memory, long start, long count)
        {
            LinearArguments args = new()
            {
                Header = KernelHeader.Of<LinearArguments>(inputs[0].dtype), Products = (int)Projection.MatmulPrecision,
                Rows = count, InFeatures = inputs[0].size(-1), Count = inputs.Length - 1, X = Rows(inputs[0], start),
            };
            for (int i = 0; i < args.Count; i++)
            {
                args.OutFeatures[i] = inputs[i + 1].size(1);
                args.Weights[i] = Matrix(inputs[i + 1], memory);
            }

            return args;
        }

        // Of contiguous rows [.., F] those from start on; of a contiguous [M, O, I] one matrix.
        private static KernelTensor Rows(Tensor x, long start) => KernelTensor.Rows((float*)KernelLibrary.Data(x) + (start * x.size(-1)), x.size(-1));

        private static KernelTensor Matrix(Tensor weights, int memory) =>
            KernelTensor.Rows((float*)KernelLibrary.Data(weights) + (memory * weights.size(1) * weights.size(2)), weights.size(2));
    }
}
