using Memory.Gen.Runtime.Kernels;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>The causal convolution and its SiLU in the kernel library.</summary>
internal sealed unsafe class ConvolutionKernel : KernelFunction<ConvolutionKernel, SequenceOptions>
{
    private static readonly Kernel Kernel = new("causal_conv");

    public static string? Refusal(FrontDoor door) => Kernel.Refusal(door, new ConvolutionArguments
    {
        Header = KernelHeader.Of<ConvolutionArguments>(door.Dtype),
        Batch = door['B'], Tokens = door['T'], Channels = door['C'], Width = door['W'],
    });

    public static MemoryRead Run(SegmentLayout? segments, Tensor x, Tensor weight, Tensor? bias, Tensor? initialState)
    {
        List<Tensor> outputs = SegmentLayout.RunKernel(segments, (tokens, runs) => Apply(new(runs), tokens[0], Gates.Single(weight), Gates.Single(bias), initialState), x);
        return new MemoryRead(outputs[0], outputs[1]);
    }

    /// <summary>The convolution into heads, with or without their unit length, where no gradient is wanted; null for a call of another kind, or one whose arguments do not fit.</summary>
    public static MemoryRead? RunHeads(Tensor x, Tensor weight, Tensor? bias, Tensor? initialState, long heads, bool unit)
    {
        if (!KernelLibrary.TakesDirectly(x, weight, bias ?? weight, initialState ?? weight)) return null;
        long[] shape = x.Sizes(), weights = weight.Sizes();
        if (shape.Length != 3 || weights.Length != 2 || weights[0] != shape[2] || heads < 1 || shape[2] == 0 || shape[2] % heads != 0) return null;
        long B = shape[0], T = shape[1], C = shape[2], past = weights[1] - 1;
        if ((bias is not null && !bias.Has(C)) || (initialState is not null && !initialState.Has(B, past, C))) return null;
        ConvolutionArguments args = new()
        {
            Header = KernelHeader.Of<ConvolutionArguments>(ScalarType.Float32),
            Batch = B, Tokens = T, Channels = C, Width = weights[1],
            X = KernelTensor.Contiguous(x, shape), Weight = KernelTensor.Contiguous(weight, weights), Bias = KernelTensor.Contiguous(bias, C), InitialState = KernelTensor.Contiguous(initialState, B, past, C),
        };
        if (!Kernel.Serves(args, out long workspace) || !OperatorForms.TakesKernel("causal_conv")) return null;

        Tensor y = torch.empty([B, T, heads, C / heads], dtype: ScalarType.Float32, device: CPU);
        Tensor final = torch.empty([B, past, C], dtype: ScalarType.Float32, device: CPU);
        args.Y = KernelTensor.Contiguous(y, shape);
        args.FinalState = KernelTensor.Contiguous(final, B, past, C);
        Kernel.Run(args, workspace);
        if (unit) UnitLengthKernel.InPlace(KernelTensor.Rows(args.Y.Data, C / heads), B * T * heads, C / heads);
        GC.KeepAlive(x);
        GC.KeepAlive(weight);
        GC.KeepAlive(bias);
        GC.KeepAlive(initialState);
        return new MemoryRead(y, final);
    }

    protected override List<Tensor> Forward(Tensor?[] inputs, SequenceOptions options, List<Tensor>? kept)
    {
        ConvolutionArguments args = Arguments(inputs, options);
        Tensor y = Fresh(options.Segments, inputs[0]!, args.Batch, args.Tokens, args.Channels);
        Tensor final = Fresh(null, y, SegmentLayout.Sequences(options.Segments, args.Batch), args.Width - 1, args.Channels);
        args.Y = KernelTensor.Of(y);
        args.FinalState = KernelTensor.Of(final);
        Kernel.Forward(args, y);
        return [y, final];
    }

    protected override void Backward(Tensor?[] upstream, Tensor?[] inputs, List<Tensor> kept, Tensor?[] gradients, SequenceOptions options)
    {
        ConvolutionArguments args = Arguments(inputs, options);
        args.GradY = KernelTensor.Of(upstream[0]);
        args.GradFinalState = KernelTensor.Of(upstream[1]);
        args.GradX = KernelTensor.Of(gradients[0]);
        args.GradWeight = KernelTensor.Of(gradients[1]);
        args.GradBias = KernelTensor.Of(gradients[2]);
        args.GradInitialState = KernelTensor.Of(gradients[3]);
        Kernel.Backward(args, inputs[0]!);
    }

    protected override SegmentLayout? SegmentsOf(SequenceOptions options) => options.Segments;

    private static ConvolutionArguments Arguments(Tensor?[] inputs, SequenceOptions options)
    {
        long[] shape = inputs[0]!.shape;
        return new()
        {
            Header = KernelHeader.Of<ConvolutionArguments>(inputs[0]!.dtype),
            Batch = shape[0], Tokens = shape[1], Channels = shape[2], Width = inputs[1]!.shape[1],
            Segments = KernelCalls.Segments(options.Segments, inputs[0]!),
            X = KernelTensor.Of(inputs[0]), Weight = KernelTensor.Of(inputs[1]),
            Bias = KernelTensor.Of(inputs[2]), InitialState = KernelTensor.Of(inputs[3]),
        };
    }
}
