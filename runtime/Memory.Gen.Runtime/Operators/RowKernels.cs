using Memory.Gen.Runtime.Kernels;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>RMSNorm of rows, gated or not, in the kernel library.</summary>
internal sealed class NormKernel : KernelFunction<NormKernel, NormKernel.Options>
{
    private static readonly Kernel Kernel = new("rms_norm");

    public static string? Refusal(FrontDoor door) => Kernel.Refusal(door, new NormArguments { Header = KernelHeader.Of<NormArguments>(door.Dtype) });

    public static Tensor Run(Tensor x, Tensor weight, Tensor? gate, double eps) =>
        Apply(new Options(eps), LastAxis.Contiguous(x), Gates.Single(weight), gate is null ? null : LastAxis.Contiguous(gate))[0];

    /// <summary>The norm where no gradient is wanted; null for a call of another kind, or one whose arguments do not fit.</summary>
    /// <param name="x"><c>[..., D]</c>.</param>
    /// <param name="weight"><c>[D]</c>.</param>
    /// <param name="gate">Null for none.</param>
    /// <param name="eps">Added to the mean square.</param>
    /// <param name="joined">Whether the last two axes of <paramref name="x"/> are one in the gate and in the result.</param>
    public static Tensor? RunDirectly(Tensor x, Tensor weight, Tensor? gate, double eps, bool joined = false)
    {
        if (!double.IsFinite(eps) || !KernelLibrary.TakesDirectly(x, weight, gate ?? weight)) return null;
        long[] shape = x.Sizes();
        if (shape.Length < (joined ? 2 : 1) || shape.Length > LastAxis.MostAxes || shape[^1] == 0 || !weight.Has(shape[^1])) return null;
        long features = shape[^1];
        long rows = x.numel() / features;
        if (joined) shape = [.. shape[..^2], shape[^2] * features];
        if (gate is not null && !gate.Has(shape)) return null;
        NormArguments args = new()
        {
            Header = KernelHeader.Of<NormArguments>(ScalarType.Float32),
            Rows = rows, Features = features, Epsilon = eps,
            X = KernelTensor.Contiguous(x, 0, features), Weight = KernelTensor.Contiguous(weight, features), Gate = KernelTensor.Contiguous(gate, 0, features),
        };
        if (!Kernel.Serves(args, out long workspace) || !OperatorForms.TakesKernel("rms_norm")) return null;
        Tensor y = torch.empty(shape, dtype: ScalarType.Float32, device: CPU);
        args.Y = KernelTensor.Contiguous(y, 0, features);
        Kernel.Run(args, workspace);
        GC.KeepAlive(x);
        GC.KeepAlive(weight);
        GC.KeepAlive(gate);
        return y;
    }

    protected override List<Tensor> Forward(Tensor?[] inputs, Options options, List<Tensor>? kept)
    {
        NormArguments args = Arguments(inputs, options);
        Tensor y = Fresh(null, inputs[0]!, inputs[0]!.shape);
        args.Y = KernelTensor.Rows(y);
        Kernel.Forward(args, y);
        return [y];
    }

    protected override void Backward(Tensor?[] upstream, Tensor?[] inputs, List<Tensor> kept, Tensor?[] gradients, Options options)
    {
        NormArguments args = Arguments(inputs, options);
        Tensor dY = LastAxis.Contiguous(upstream[0]!);
        args.GradY = KernelTensor.Rows(dY);
        args.GradX = KernelTensor.Rows(gradients[0]);
        args.GradWeight = KernelTensor.Of(gradients[1]);
        args.GradGate = KernelTensor.Rows(gradients[2]);
        Kernel.Backward(args, dY);
        GC.KeepAlive(dY);
    }

    private static NormArguments Arguments(Tensor?[] inputs, Options options)
    {
        Tensor x = inputs[0]!;
        return new()
        {
            Header = KernelHeader.Of<NormArguments>(x.dtype),
            Rows = LastAxis.Count(x), Features = x.shape[^1], Epsilon = options.Eps,
            X = KernelTensor.Rows(x), Weight = KernelTensor.Of(inputs[1]), Gate = KernelTensor.Rows(inputs[2]),
        };
    }

    internal sealed record Options(double Eps);
}

/// <summary>Rows of unit length in the kernel library.</summary>
internal sealed class UnitLengthKernel : KernelFunction<UnitLengthKernel, UnitLengthKernel.Options>
{
    private static readonly Kernel Kernel = new("unit_length");

    public static string? Refusal(FrontDoor door) => Kernel.Refusal(door, new UnitLengthArguments { Header = KernelHeader.Of<UnitLengthArguments>(door.Dtype) });

    public static Tensor Run(Tensor x, double eps) => Apply(new Options(eps), LastAxis.Contiguous(x))[0];

    /// <summary>Brings rows of which no gradient is wanted to unit length.</summary>
    public static void InPlace(KernelTensor x, long rows, long features)
    {
        UnitLengthArguments args = new() { Header = KernelHeader.Of<UnitLengthArguments>(ScalarType.Float32), Rows = rows, Features = features, Epsilon = UnitLength.Eps, X = x, Y = x };
        if (!Kernel.Serves(args, out long workspace)) throw new InvalidOperationException("The kernel library has no unit_length.");
        OperatorForms.TakesKernel("unit_length");
        Kernel.Run(args, workspace);
    }

    protected override List<Tensor> Forward(Tensor?[] inputs, Options options, List<Tensor>? kept)
    {
        UnitLengthArguments args = Arguments(inputs, options);
        Tensor y = Fresh(null, inputs[0]!, inputs[0]!.shape);
        args.Y = KernelTensor.Rows(y);
        Kernel.Forward(args, y);
        return [y];
    }

    protected override void Backward(Tensor?[] upstream, Tensor?[] inputs, List<Tensor> kept, Tensor?[] gradients, Options options)
    {
        UnitLengthArguments args = Arguments(inputs, options);
        Tensor dY = LastAxis.Contiguous(upstream[0]!);
        args.GradY = KernelTensor.Rows(dY);
        args.GradX = KernelTensor.Rows(gradients[0]);
        Kernel.Backward(args, dY);
        GC.KeepAlive(dY);
    }

    private static UnitLengthArguments Arguments(Tensor?[] inputs, Options options)
    {
        Tensor x = inputs[0]!;
        return new()
        {
            Header = KernelHeader.Of<UnitLengthArguments>(x.dtype),
            Rows = LastAxis.Count(x), Features = x.shape[^1], Epsilon = options.Eps, X = KernelTensor.Rows(x),
        };
    }

    internal sealed record Options(double Eps);
}

/// <summary>SwiGLU of rows in the kernel library.</summary>
internal sealed class SwiGluKernel : KernelFunction<SwiGluKernel, object>
{
    private static readonly object None = new();
    private static readonly Kernel Kernel = new("swiglu");

    public static string? Refusal(FrontDoor door) => Kernel.Refusal(door, new SwiGluArguments { Header = KernelHeader.Of<SwiGluArguments>(door.Dtype) });

    public static Tensor Run(Tensor gate, Tensor up) => Apply(None, LastAxis.Contiguous(gate), LastAxis.Contiguous(up))[0];

    protected override List<Tensor> Forward(Tensor?[] inputs, object options, List<Tensor>? kept)
    {
        SwiGluArguments args = Arguments(inputs);
        Tensor y = Fresh(null, inputs[0]!, inputs[0]!.shape);
        args.Y = KernelTensor.Rows(y);
        Kernel.Forward(args, y);
        return [y];
    }

    protected override void Backward(Tensor?[] upstream, Tensor?[] inputs, List<Tensor> kept, Tensor?[] gradients, object options)
    {
        SwiGluArguments args = Arguments(inputs);
        Tensor dY = LastAxis.Contiguous(upstream[0]!);
        args.GradY = KernelTensor.Rows(dY);
        args.GradGate = KernelTensor.Rows(gradients[0]);
        args.GradUp = KernelTensor.Rows(gradients[1]);
        Kernel.Backward(args, dY);
        GC.KeepAlive(dY);
    }

    private static SwiGluArguments Arguments(Tensor?[] inputs)
    {
        Tensor x = inputs[0]!;
        return new()
        {
            Header = KernelHeader.Of<SwiGluArguments>(x.dtype),
            Rows = LastAxis.Count(x), Features = x.shape[^1], Gate = KernelTensor.Rows(x), Up = KernelTensor.Rows(inputs[1]),
        };
    }
}

/// <summary>Softplus of rows and a bias in the kernel library.</summary>
internal sealed class SoftplusKernel : KernelFunction<SoftplusKernel, object>
{
    private static readonly object None = new();
    private static readonly Kernel Kernel = new("softplus");

    public static string? Refusal(FrontDoor door) => Kernel.Refusal(door.Accumulation, door.Device, new SoftplusArguments { Header = KernelHeader.Of<SoftplusArguments>(door.Accumulation) });

    public static Tensor Run(Tensor x, Tensor bias) => Apply(None, LastAxis.Contiguous(x), bias)[0];

    protected override List<Tensor> Forward(Tensor?[] inputs, object options, List<Tensor>? kept)
    {
        SoftplusArguments args = Arguments(inputs);
        Tensor y = Fresh(null, inputs[0]!, inputs[0]!.shape);
        args.Y = KernelTensor.Rows(y);
        Kernel.Forward(args, y);
        return [y];
    }

    protected override void Backward(Tensor?[] upstream, Tensor?[] inputs, List<Tensor> kept, Tensor?[] gradients, object options)
    {
        SoftplusArguments args = Arguments(inputs);
        Tensor dY = LastAxis.Contiguous(upstream[0]!);
        args.GradY = KernelTensor.Rows(dY);
        args.GradX = KernelTensor.Rows(gradients[0]);
        args.GradBias = KernelTensor.Of(gradients[1]);
        Kernel.Backward(args, dY);
        GC.KeepAlive(dY);
    }

    private static SoftplusArguments Arguments(Tensor?[] inputs)
    {
        Tensor x = inputs[0]!;
        return new()
        {
            Header = KernelHeader.Of<SoftplusArguments>(x.dtype),
            Rows = LastAxis.Count(x), Features = x.shape[^1], X = KernelTensor.Rows(x), Bias = KernelTensor.Of(inputs[1]),
        };
    }
}
