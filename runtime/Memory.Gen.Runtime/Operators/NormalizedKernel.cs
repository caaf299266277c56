using Memory.Gen.Runtime.Kernels;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>Normalised linear attention in the kernel library.</summary>
internal sealed unsafe class NormalizedKernel : KernelFunction<NormalizedKernel, NormalizedKernel.Options>
{
    private static readonly Kernel Kernel = new("linear_attention_normalized");

    public static string? Refusal(FrontDoor door) => Kernel.Refusal(door, new NormalizedArguments
    {
        Header = KernelHeader.Of<NormalizedArguments>(door.Dtype),
        Batch = door['B'], Tokens = door['T'], Heads = door['H'], KeyDim = door['K'], ValueDim = door['V'],
    });

    public static List<Tensor> Run(Options options, SegmentLayout? segments, Tensor q, Tensor k, Tensor v, Tensor? state, Tensor? normalizer) =>
        SegmentLayout.RunKernel(segments, (x, runs) => Apply(options with { Segments = runs }, [.. x, Gates.Single(state), Gates.Single(normalizer)]), q, k, v);

    protected override List<Tensor> Forward(Tensor?[] inputs, Options options, List<Tensor>? kept)
    {
        NormalizedArguments args = Arguments(inputs, options);
        long sequences = SegmentLayout.Sequences(options.Segments, args.Batch);
        Tensor o = Fresh(options.Segments, inputs[0]!, args.Batch, args.Tokens, args.Heads, args.ValueDim);
        Tensor final = Single(o, sequences, args.Heads, args.KeyDim, args.ValueDim), normalizer = Single(o, sequences, args.Heads, args.KeyDim);
        args.O = KernelTensor.Of(o);
        args.FinalState = KernelTensor.Of(final);
        args.FinalNormalizer = KernelTensor.Of(normalizer);
        if (kept is not null)
        {
            Tensor divisors = Single(o, args.Batch, args.Tokens, args.Heads);
            Tensor checkpoints = Single(o, Kernel.CheckpointBytes(args, o) / sizeof(float));
            args.Divisors = (float*)KernelLibrary.Data(divisors);
            args.Checkpoints = KernelLibrary.Data(checkpoints);
            kept.AddRange([o, divisors, checkpoints]);
        }

        Kernel.Forward(args, o);
        return [o, final, normalizer];
    }

    protected override void Backward(Tensor?[] upstream, Tensor?[] inputs, List<Tensor> kept, Tensor?[] gradients, Options options)
    {
        NormalizedArguments args = Arguments(inputs, options);
        args.O = KernelTensor.Of(kept[0]);
        args.Divisors = (float*)KernelLibrary.Data(kept[1]);
        args.Checkpoints = KernelLibrary.Data(kept[2]);
        args.GradO = KernelTensor.Of(upstream[0]);
        args.GradFinalState = KernelTensor.Of(upstream[1]);
        args.GradFinalNormalizer = KernelTensor.Of(upstream[2]);
        args.GradQ = KernelTensor.Of(gradients[0]);
        args.GradK = KernelTensor.Of(gradients[1]);
        args.GradV = KernelTensor.Of(gradients[2]);
        args.GradInitialState = KernelTensor.Of(gradients[3]);
        args.GradInitialNormalizer = KernelTensor.Of(gradients[4]);
        Kernel.Backward(args, inputs[0]!);
    }

    protected override SegmentLayout? SegmentsOf(Options options) => options.Segments;

    private static NormalizedArguments Arguments(Tensor?[] inputs, Options options)
    {
        long[] shape = inputs[0]!.shape;
        return new()
        {
            Header = KernelHeader.Of<NormalizedArguments>(inputs[0]!.dtype),
            Batch = shape[0], Tokens = shape[1], Heads = shape[2], KeyDim = shape[3], ValueDim = inputs[2]!.shape[3],
            Segments = KernelCalls.Segments(options.Segments, inputs[0]!), Scale = options.Scale, Epsilon = options.Eps,
            Q = KernelTensor.Of(inputs[0]), K = KernelTensor.Of(inputs[1]), V = KernelTensor.Of(inputs[2]),
            InitialState = KernelTensor.Of(inputs[3]), InitialNormalizer = KernelTensor.Of(inputs[4]),
        };
    }

    /// <param name="Scale">Factor on the queries.</param>
    /// <param name="Eps">Added to the divisor.</param>
    /// <param name="Segments">Null where every row is one sequence.</param>
    internal sealed record Options(double Scale, double Eps, SegmentLayout? Segments = null);
}
