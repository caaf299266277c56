using Memory.Gen.Runtime.Kernels;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>What a kernel on sequences needs that has no numbers to choose.</summary>
/// <param name="Segments">Null where every row is one sequence.</param>
internal sealed record SequenceOptions(SegmentLayout? Segments);

/// <summary>The linear scan in the kernel library.</summary>
internal sealed class LinearScanKernel : KernelFunction<LinearScanKernel, SequenceOptions>
{
    private static readonly Kernel Kernel = new("linear_scan");

    public static string? Refusal(FrontDoor door) => Kernel.Refusal(door, new LinearScanArguments
    {
        Header = KernelHeader.Of<LinearScanArguments>(door.Dtype), Batch = door['B'], Tokens = door['T'], Channels = door['C'],
    });

    public static MemoryRead Run(SegmentLayout? segments, Tensor a, Tensor b, Tensor? initialState)
    {
        List<Tensor> outputs = SegmentLayout.RunKernel(segments, (x, runs) => Apply(new(runs), [.. x, Gates.Single(initialState)]), Gates.Single(a), b);
        return new MemoryRead(outputs[0], outputs[1]);
    }

    protected override List<Tensor> Forward(Tensor?[] inputs, SequenceOptions options, List<Tensor>? kept)
    {
        LinearScanArguments args = Arguments(inputs, options);
        Tensor h = Fresh(options.Segments, inputs[1]!, args.Batch, args.Tokens, args.Channels);
        Tensor final = Single(h, SegmentLayout.Sequences(options.Segments, args.Batch), args.Channels);
        args.H = KernelTensor.Of(h);
        args.FinalState = KernelTensor.Of(final);
        kept?.Add(h);
        Kernel.Forward(args, h);
        return [h, final];
    }

    protected override void Backward(Tensor?[] upstream, Tensor?[] inputs, List<Tensor> kept, Tensor?[] gradients, SequenceOptions options)
    {
        LinearScanArguments args = Arguments(inputs, options);
        args.H = KernelTensor.Of(kept[0]);
        args.GradH = KernelTensor.Of(upstream[0]);
        args.GradFinalState = KernelTensor.Of(upstream[1]);
        args.GradA = KernelTensor.Of(gradients[0]);
        args.GradB = KernelTensor.Of(gradients[1]);
        args.GradInitialState = KernelTensor.Of(gradients[2]);
        Kernel.Backward(args, inputs[0]!);
    }

    protected override SegmentLayout? SegmentsOf(SequenceOptions options) => options.Segments;

    private static LinearScanArguments Arguments(Tensor?[] inputs, SequenceOptions options)
    {
        long[] shape = inputs[0]!.shape;
        return new()
        {
            Header = KernelHeader.Of<LinearScanArguments>(inputs[1]!.dtype),
            Batch = shape[0], Tokens = shape[1], Channels = shape[2],
            Segments = KernelCalls.Segments(options.Segments, inputs[0]!),
            A = KernelTensor.Of(inputs[0]), B = KernelTensor.Of(inputs[1]), InitialState = KernelTensor.Of(inputs[2]),
        };
    }
}

/// <summary>The selective scan in the kernel library.</summary>
internal sealed unsafe class SelectiveScanKernel : KernelFunction<SelectiveScanKernel, SequenceOptions>
{
    private static readonly Kernel Kernel = new("selective_scan");

    public static string? Refusal(FrontDoor door) => Kernel.Refusal(door, new SelectiveScanArguments
    {
        Header = KernelHeader.Of<SelectiveScanArguments>(door.Dtype), Batch = door['B'], Tokens = door['T'], Channels = door['C'], StateDim = door['N'],
    });

    public static MemoryRead Run(SegmentLayout? segments, Tensor u, Tensor delta, Tensor A, Tensor Bm, Tensor Cm, Tensor D, Tensor? initialState)
    {
        List<Tensor> outputs = SegmentLayout.RunKernel(
            segments, (x, runs) => Apply(new(runs), x[0], x[1], Gates.Single(A), x[2], x[3], Gates.Single(D), Gates.Single(initialState)), u, Gates.Single(delta), Bm, Cm);
        return new MemoryRead(outputs[0], outputs[1]);
    }

    protected override List<Tensor> Forward(Tensor?[] inputs, SequenceOptions options, List<Tensor>? kept)
    {
        SelectiveScanArguments args = Arguments(inputs, options);
        Tensor y = Fresh(options.Segments, inputs[0]!, args.Batch, args.Tokens, args.Channels);
        Tensor final = Single(y, SegmentLayout.Sequences(options.Segments, args.Batch), args.Channels, args.StateDim);
        args.Y = KernelTensor.Of(y);
        args.FinalState = KernelTensor.Of(final);
        if (kept is not null)
        {
            Tensor checkpoints = Single(y, Kernel.CheckpointBytes(args, y) / sizeof(float));
            args.Checkpoints = KernelLibrary.Data(checkpoints);
            kept.Add(checkpoints);
        }

        Kernel.Forward(args, y);
        return [y, final];
    }

    protected override void Backward(Tensor?[] upstream, Tensor?[] inputs, List<Tensor> kept, Tensor?[] gradients, SequenceOptions options)
    {
        SelectiveScanArguments args = Arguments(inputs, options);
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
        Kernel.Backward(args, inputs[0]!);
    }

    protected override SegmentLayout? SegmentsOf(SequenceOptions options) => options.Segments;

    private static SelectiveScanArguments Arguments(Tensor?[] inputs, SequenceOptions options)
    {
        long[] shape = inputs[0]!.shape;
        return new()
        {
            Header = KernelHeader.Of<SelectiveScanArguments>(inputs[0]!.dtype),
            Batch = shape[0], Tokens = shape[1], Channels = shape[2], StateDim = inputs[2]!.shape[1],
            Segments = KernelCalls.Segments(options.Segments, inputs[0]!),
            U = KernelTensor.Of(inputs[0]), Delta = KernelTensor.Of(inputs[1]), A = KernelTensor.Of(inputs[2]),
            B = KernelTensor.Of(inputs[3]), C = KernelTensor.Of(inputs[4]), D = KernelTensor.Of(inputs[5]), InitialState = KernelTensor.Of(inputs[6]),
        };
    }
}
