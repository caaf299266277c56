using Memory.Gen.Runtime.Kernels;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>Linear maps of one input in the kernel library.</summary>
internal sealed unsafe class ProjectionKernel : KernelFunction<ProjectionKernel, object>
{
    private static readonly object None = new();
    private static readonly Kernel Kernel = new("linear");

    public static string? Refusal(FrontDoor door) => Kernel.Refusal(door, new LinearArguments { Header = KernelHeader.Of<LinearArguments>(door.Dtype), Count = 1 });

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
            Header = KernelHeader.Of<LinearArguments>(x.dtype),
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
