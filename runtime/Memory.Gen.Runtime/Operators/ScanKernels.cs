using Memory.Gen.Runtime.Kernels;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>The linear scan in the kernel library.</summary>
internal sealed class LinearScanKernel : KernelFunction<LinearScanKernel, object>
{
    private static readonly object None = new();
    private static readonly Kernel Kernel = new("linear_scan");

    public static string? Refusal(FrontDoor door) => Kernel.Refusal(door, new LinearScanArguments
    {
        Header = KernelHeader.Of<LinearScanArguments>(), Batch = door['B'], Tokens = door['T'], Channels = door['C'],
    });

    public static MemoryRead Run(Tensor a, Tensor b, Tensor? initialState)
    {
        List<Tensor> outputs = Apply(None, a, b, initialState);
        return new MemoryRead(outputs[0], outputs[1]);
    }

    protected override List<Tensor> Forward(Tensor?[] inputs, object options, List<Tensor>? kept)
    {
        LinearScanArguments args = Arguments(inputs);
        Tensor h = torch.empty([args.Batch, args.Tokens, args.Channels], dtype: ScalarType.Float32);
        Tensor final = torch.empty([args.Batch, args.Channels], dtype: ScalarType.Float32);
        args.H = KernelTensor.Of(h);
        args.FinalState = KernelTensor.Of(final);
        kept?.Add(h);
        Kernel.Forward(args);
        return [h, final];
    }

    protected override void Backward(Tensor?[] upstream, Tensor?[] inputs, List<Tensor> kept, Tensor?[] gradients, object options)
    {
        LinearScanArguments args = Arguments(inputs);
        args.H = KernelTensor.Of(kept[0]);
        args.GradH = KernelTensor.Of(upstream[0]);
        args.GradFinalState = KernelTensor.Of(upstream[1]);
        args.GradA = KernelTensor.Of(gradients[0]);
        args.GradB = KernelTensor.Of(gradients[1]);
        args.GradInitialState = KernelTensor.Of(gradients[2]);
        Kernel.Backward(args);
    }

    private static LinearScanArguments Arguments(Tensor?[] inputs)
    {
        long[] shape = inputs[0]!.shape;
        return new()
        {
            Header = KernelHeader.Of<LinearScanArguments>(),
            Batch = shape[0], Tokens = shape[1], Channels = shape[2],
            A = KernelTensor.Of(inputs[0]), B = KernelTensor.Of(inputs[1]), InitialState = KernelTensor.Of(inputs[2]),
        };
    }
}

/// <summary>The selective scan in the kernel library.</summary>
internal sealed unsafe class SelectiveScanKernel : KernelFunction<SelectiveScanKernel, object>
{
    private static readonly object None = new();
    private static readonly Kernel Kernel = new("selective_scan");

    public static string? Refusal(FrontDoor door) => Kernel.Refusal(door, new SelectiveScanArguments
    {
        Header = KernelHeader.Of<SelectiveScanArguments>(), Batch = door['B'], Tokens = door['T'], Channels = door['C'], StateDim = door['N'],
    });

    /// <param name="inputs">u, delta, A, B, C, D and the initial state, the last of which may be null.</param>
    public static MemoryRead Run(params Tensor?[] inputs)
    {
        List<Tensor> outputs = Apply(None, inputs);
        return new MemoryRead(outputs[0], outputs[1]);
    }

    protected override List<Tensor> Forward(Tensor?[] inputs, object options, List<Tensor>? kept)
    {
        SelectiveScanArguments args = Arguments(inputs);
        Tensor y = torch.empty([args.Batch, args.Tokens, args.Channels], dtype: ScalarType.Float32);
        Tensor final = torch.empty([args.Batch, args.Channels, args.StateDim], dtype: ScalarType.Float32);
        args.Y = KernelTensor.Of(y);
        args.FinalState = KernelTensor.Of(final);
        if (kept is not null)
        {
            Tensor checkpoints = torch.empty([Kernel.CheckpointBytes(args) / sizeof(float)], dtype: ScalarType.Float32);
            args.Checkpoints = KernelLibrary.Data(checkpoints);
            kept.Add(checkpoints);
        }

        Kernel.Forward(args);
        return [y, final];
    }

    protected override void Backward(Tensor?[] upstream, Tensor?[] inputs, List<Tensor> kept, Tensor?[] gradients, object options)
    {
        SelectiveScanArguments args = Arguments(inputs);
        args.Checkpoints = KernelLibrary.Data(kept[0]);
        args.GradY = KernelTensor.Of(upstream[0]);
        args.GradFinalState = KernelTensor.Of(upstream[1]);
        args.GradU = KernelTensor.Of(gradients[0]);
        args.GradDelta = KernelTensor.Of(gradients[1]);
        args.GradA = KernelTensor.Of(gradients[2]);
        args.GradB = KernelTensor.Of(gradients[3]);
        args.GradC = KernelTensor.Of(gradients[4]);
        args.GradD = KernelTensor.Of(gradients[5]);
        args.GradInitialState = KernelTensor.Of(gradients[6]);
        Kernel.Backward(args);
    }

    private static SelectiveScanArguments Arguments(Tensor?[] inputs)
    {
        long[] shape = inputs[0]!.shape;
        return new()
        {
            Header = KernelHeader.Of<SelectiveScanArguments>(),
            Batch = shape[0], Tokens = shape[1], Channels = shape[2], StateDim = inputs[2]!.shape[1],
            U = KernelTensor.Of(inputs[0]), Delta = KernelTensor.Of(inputs[1]), A = KernelTensor.Of(inputs[2]),
            B = KernelTensor.Of(inputs[3]), C = KernelTensor.Of(inputs[4]), D = KernelTensor.Of(inputs[5]), InitialState = KernelTensor.Of(inputs[6]),
        };
    }
}
