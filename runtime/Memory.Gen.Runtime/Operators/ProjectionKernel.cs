using Memory.Gen.Runtime.Kernels;
using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>Linear maps of one input in the kernel library.</summary>
internal sealed unsafe class ProjectionKernel : KernelFunction<ProjectionKernel, object>
{
    private static readonly object None = new();
    private static readonly Kernel Kernel = new("linear");

    public static string? Refusal(FrontDoor door) => Kernel.Refusal(door, new LinearArguments { Header = KernelHeader.Of<LinearArguments>(door.Dtype), Count = 1 });

    /// <summary>The maps of layers where no gradient is wanted, biases added; null for a call of another kind, or one whose arguments do not fit.</summary>
    public static Tensor[]? RunDirectly(Tensor x, Linear[] layers)
    {
        if (layers.Length > LinearArguments.MostMaps || !KernelLibrary.TakesDirectly(x)) return null;
        long[] shape = x.Sizes();
        if (shape.Length is 0 or > LastAxis.MostAxes) return null;
        LinearArguments args = new()
        {
            Header = KernelHeader.Of<LinearArguments>(ScalarType.Float32), Products = (int)Projection.MatmulPrecision,
            Rows = Count(shape.AsSpan()[..^1]), InFeatures = shape[^1], Count = layers.Length, X = KernelTensor.Rows(KernelLibrary.Data(x), shape[^1]),
        };
        for (int i = 0; i < layers.Length; i++)
        {
            Tensor weight = layers[i].weight!;
            if (!KernelLibrary.TakesDirectly(weight) || weight.dim() != 2 || weight.size(1) != args.InFeatures) return null;
            args.OutFeatures[i] = weight.size(0);
            args.Weights[i] = KernelTensor.Rows(KernelLibrary.Data(weight), args.InFeatures);
            if (layers[i].bias is { } bias && (!KernelLibrary.TakesDirectly(bias) || bias.dim() != 1 || bias.numel() != args.OutFeatures[i])) return null;
        }

        if (!Kernel.Serves(args, out long workspace) || !OperatorForms.TakesKernel("linear")) return null;
        var y = new Tensor[layers.Length];
        for (int i = 0; i < y.Length; i++)
        {
            shape[^1] = args.OutFeatures[i];
            y[i] = torch.empty(shape, dtype: ScalarType.Float32, device: CPU);
            args.Y[i] = KernelTensor.Rows(KernelLibrary.Data(y[i]), shape[^1]);
        }

        Kernel.Run(args, workspace);
        for (int i = 0; i < y.Length; i++)
        {
            if (layers[i].bias is not { } bias) continue;
            if (args.Rows != 1)
            {
                y[i].add_(bias);
                continue;
            }

            // A decoded token: less than what a call of torch takes.
            var sum = new ReadOnlySpan<float>(KernelLibrary.Data(bias), (int)args.OutFeatures[i]);
            var to = new Span<float>(args.Y[i].Data, sum.Length);
            for (int j = 0; j < to.Length; j++) to[j] += sum[j];
            GC.KeepAlive(bias);
        }

        GC.KeepAlive(x);
        GC.KeepAlive(layers);
        return y;
    }

    public static Tensor[] Run(Tensor x, Tensor[] weights)
    {
        using var scope = NewDisposeScope();
        Tensor[] y = [.. Apply(None, [LastAxis.Contiguous(x), .. weights])];
        foreach (Tensor each in y) each.MoveToOuterDisposeScope();
        return y;
    }

    protected override List<Tensor> Forward(Tensor?[] inputs, object options, List<Tensor>? kept)
    {
        LinearArguments args = Arguments(inputs);
        long[] shape = inputs[0]!.shape;
        var outputs = new List<Tensor>(inputs.Length - 1);
        for (int i = 0; i < args.Count; i++)
        {
            shape[^1] = args.OutFeatures[i];
            outputs.Add(Fresh(null, inputs[0]!, shape));
            args.Y[i] = KernelTensor.Rows(outputs[i]);
        }

        Kernel.Forward(args, inputs[0]!);
        return outputs;
    }

    protected override void Backward(Tensor?[] upstream, Tensor?[] inputs, List<Tensor> kept, Tensor?[] gradients, object options)
    {
        LinearArguments args = Arguments(inputs);
        Tensor?[] dense = Array.ConvertAll(upstream, each => each is null ? null : LastAxis.Contiguous(each));
        args.GradX = KernelTensor.Rows(gradients[0]);
        for (int i = 0; i < args.Count; i++)
        {
            args.GradY[i] = KernelTensor.Rows(dense[i]);
            args.GradWeights[i] = KernelTensor.Of(gradients[i + 1]);
        }

        Kernel.Backward(args, inputs[0]!);
        GC.KeepAlive(dense);
    }

    private static LinearArguments Arguments(Tensor?[] inputs)
    {
        Tensor x = inputs[0]!;
        long features = x.shape[^1];
        LinearArguments args = new()
        {
            Header = KernelHeader.Of<LinearArguments>(x.dtype), Products = (int)Projection.MatmulPrecision,
            Rows = Count(x.shape.AsSpan()[..^1]), InFeatures = features, Count = inputs.Length - 1, X = KernelTensor.Rows(x),
        };
        for (int i = 0; i < args.Count; i++)
        {
            args.OutFeatures[i] = inputs[i + 1]!.shape[0];
            args.Weights[i] = KernelTensor.Of(inputs[i + 1]);
        }

        return args;
    }

    // Rows count even where they have no features: their outputs are zero then.
    private static long Count(ReadOnlySpan<long> shape)
    {
        long size = 1;
        foreach (long axis in shape) size *= axis;
        return size;
    }
}
