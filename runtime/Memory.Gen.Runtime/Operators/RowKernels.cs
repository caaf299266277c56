using Memory.Gen.Runtime.Kernels;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>RMSNorm of rows, gated or not, in the kernel library.</summary>
internal sealed class NormKernel : KernelFunction<NormKernel, NormKernel.Options>
{
    private static readonly Kernel Kernel = new("rms_norm");

    public static string? Refusal(FrontDoor door) => Kernel.Refusal(door);

    public static Tensor Run(Tensor rows, Tensor weight, Tensor? gate, double eps) => Apply(new Options(eps), rows, weight, gate)[0];

    protected override List<Tensor> Forward(Tensor?[] inputs, Options options, List<Tensor>? kept)
    {
        NormArguments args = Arguments(inputs, options);
        Tensor y = torch.empty([args.Rows, args.Features], dtype: ScalarType.Float32);
        args.Y = KernelTensor.Of(y);
        Kernel.Forward(args);
        return [y];
    }

    protected override void Backward(Tensor?[] upstream, Tensor?[] inputs, List<Tensor> kept, Tensor?[] gradients, Options options)
    {
        NormArguments args = Arguments(inputs, options);
        args.GradY = KernelTensor.Of(upstream[0]);
        args.GradX = KernelTensor.Of(gradients[0]);
        args.GradWeight = KernelTensor.Of(gradients[1]);
        args.GradGate = KernelTensor.Of(gradients[2]);
        Kernel.Backward(args);
    }

    private static NormArguments Arguments(Tensor?[] inputs, Options options)
    {
        long[] shape = inputs[0]!.shape;
        return new()
        {
            Header = KernelHeader.Of<NormArguments>(),
            Rows = shape[0], Features = shape[1], Epsilon = options.Eps,
            X = KernelTensor.Of(inputs[0]), Weight = KernelTensor.Of(inputs[1]), Gate = KernelTensor.Of(inputs[2]),
        };
    }

    internal sealed record Options(double Eps);
}

/// <summary>Rows of unit length in the kernel library.</summary>
internal sealed class UnitLengthKernel : KernelFunction<UnitLengthKernel, UnitLengthKernel.Options>
{
    private static readonly Kernel Kernel = new("unit_length");

    public static string? Refusal(FrontDoor door) => Kernel.Refusal(door);

    public static Tensor Run(Tensor rows, double eps) => Apply(new Options(eps), rows)[0];

    protected override List<Tensor> Forward(Tensor?[] inputs, Options options, List<Tensor>? kept)
    {
        UnitLengthArguments args = Arguments(inputs, options);
        Tensor y = torch.empty([args.Rows, args.Features], dtype: ScalarType.Float32);
        args.Y = KernelTensor.Of(y);
        Kernel.Forward(args);
        return [y];
    }

    protected override void Backward(Tensor?[] upstream, Tensor?[] inputs, List<Tensor> kept, Tensor?[] gradients, Options options)
    {
        UnitLengthArguments args = Arguments(inputs, options);
        args.GradY = KernelTensor.Of(upstream[0]);
        args.GradX = KernelTensor.Of(gradients[0]);
        Kernel.Backward(args);
    }

    private static UnitLengthArguments Arguments(Tensor?[] inputs, Options options)
    {
        long[] shape = inputs[0]!.shape;
        return new()
        {
            Header = KernelHeader.Of<UnitLengthArguments>(),
            Rows = shape[0], Features = shape[1], Epsilon = options.Eps, X = KernelTensor.Of(inputs[0]),
        };
    }

    internal sealed record Options(double Eps);
}

/// <summary>SwiGLU of rows in the kernel library.</summary>
internal sealed class SwiGluKernel : KernelFunction<SwiGluKernel, object>
{
    private static readonly object None = new();
    private static readonly Kernel Kernel = new("swiglu");

    public static string? Refusal(FrontDoor door) => Kernel.Refusal(door);

    public static Tensor Run(Tensor gate, Tensor up) => Apply(None, gate, up)[0];

    protected override List<Tensor> Forward(Tensor?[] inputs, object options, List<Tensor>? kept)
    {
        SwiGluArguments args = Arguments(inputs);
        Tensor y = torch.empty([args.Rows, args.Features], dtype: ScalarType.Float32);
        args.Y = KernelTensor.Of(y);
        Kernel.Forward(args);
        return [y];
    }

    protected override void Backward(Tensor?[] upstream, Tensor?[] inputs, List<Tensor> kept, Tensor?[] gradients, object options)
    {
        SwiGluArguments args = Arguments(inputs);
        args.GradY = KernelTensor.Of(upstream[0]);
        args.GradGate = KernelTensor.Of(gradients[0]);
        args.GradUp = KernelTensor.Of(gradients[1]);
        Kernel.Backward(args);
    }

    private static SwiGluArguments Arguments(Tensor?[] inputs)
    {
        long[] shape = inputs[0]!.shape;
        return new()
        {
            Header = KernelHeader.Of<SwiGluArguments>(),
            Rows = shape[0], Features = shape[1], Gate = KernelTensor.Of(inputs[0]), Up = KernelTensor.Of(inputs[1]),
        };
    }
}
