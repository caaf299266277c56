using Memory.Gen.Runtime.Kernels;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>The Titans memories in the kernel library: a matrix, or a perceptron of up to four layers.</summary>
internal sealed unsafe class TitansKernel : KernelFunction<TitansKernel, TitansKernel.Options>
{
    private static readonly Kernel Kernel = new("titans");

    /// <summary>Why this call cannot run here; null when it can.</summary>
    /// <param name="door">Batch, tokens and heads.</param>
    /// <param name="call">The rule.</param>
    /// <param name="shapes">Of the matrices.</param>
    public static string? Refusal(FrontDoor door, TitansCall call, TitansShape[] shapes)
    {
        if (call.Layers > TitansArguments.MostLayers) return $"the memory has {call.Layers} layers, the kernels go up to {TitansArguments.MostLayers}";
        if (Variant(call) is { } variant) return $"the kernels have no {variant}";
        var args = new TitansArguments
        {
            Header = KernelHeader.Of<TitansArguments>(door.Dtype),
            Batch = door['B'], Tokens = door['T'], Heads = door['H'], Layers = call.Layers, Block = call.Options.Block, DecaysToTarget = call.Target is null ? 0 : 1, Residual = call.Residual is null ? 0 : 1, Clip = call.Options.Clip ?? 0,
        };
        args.Dims[0] = shapes[0].From;
        for (int l = 0; l < shapes.Length; l++) args.Dims[l + 1] = shapes[l].To;
        return Kernel.Refusal(door, args);
    }

    public static TitansMlpRead Run(TitansCall call, SegmentLayout? segments)
    {
        // Gamma of every sequence, so that the kernel leaves a gradient for each.
        Tensor? gamma = call.Residual?.expand([SegmentLayout.Sequences(segments, call.Q.shape[0]), .. call.Residual.shape]);
        Tensor?[] matrices = [.. call.Weights, .. call.Momenta, .. call.Target ?? [], gamma];
        List<Tensor> outputs = SegmentLayout.RunKernel(
            segments, (x, runs) => Apply(new Options(call.Layers, call.Eta is not null, call.Target is not null, call.Residual is not null, call.Options, call.Ends, runs), [.. x, .. matrices.Select(Gates.Single)]),
            call.Q, call.K, call.V, Gates.Single(call.Theta), Gates.Single(call.Eta), Gates.Single(call.Alpha));
        return TitansMlpRead.Of(outputs, call.Layers);
    }

    protected override List<Tensor> Forward(Tensor?[] inputs, Options options, List<Tensor>? kept)
    {
        TitansArguments args = Arguments(inputs, options);
        int layers = options.Ends ? options.Layers : 0;
        Tensor o = Fresh(options.Segments, inputs[0]!, args.Batch, args.Tokens, args.Heads, args.Dims[options.Layers]);
        args.O = KernelTensor.Of(o);
        var weights = new Tensor[layers];
        var momenta = new Tensor[options.Momentum ? layers : 0];
        for (int l = 0; l < layers; l++)
        {
            long[] shape = [SegmentLayout.Sequences(options.Segments, args.Batch), args.Heads, args.Dims[l], args.Dims[l + 1]];
            args.FinalWeights[l] = KernelTensor.Of(weights[l] = Single(o, shape));
            if (options.Momentum) args.FinalMomenta[l] = KernelTensor.Of(momenta[l] = Single(o, shape));
        }

        if (kept is not null)
        {
            Tensor checkpoints = Single(o, Kernel.CheckpointBytes(args, o) / sizeof(float));
            args.Checkpoints = KernelLibrary.Data(checkpoints);
            kept.Add(checkpoints);
        }

        Kernel.Forward(args, o);
        return [o, .. weights, .. momenta];
    }

    protected override void Backward(Tensor?[] upstream, Tensor?[] inputs, List<Tensor> kept, Tensor?[] gradients, Options options)
    {
        TitansArguments args = Arguments(inputs, options);
        int layers = options.Layers;
        args.Checkpoints = KernelLibrary.Data(kept[0]);
        args.GradO = KernelTensor.Of(upstream[0]);
        args.GradQ = KernelTensor.Of(gradients[0]);
        args.GradK = KernelTensor.Of(gradients[1]);
        args.GradV = KernelTensor.Of(gradients[2]);
        args.GradTheta = KernelTensor.Of(gradients[3]);
        args.GradEta = KernelTensor.Of(gradients[4]);
        args.GradAlpha = KernelTensor.Of(gradients[5]);
        args.GradGamma = KernelTensor.Of(gradients[^1]);
        for (int l = 0; l < layers; l++)
        {
            if (options.Ends) args.GradFinalWeights[l] = KernelTensor.Of(upstream[1 + l]);
            args.GradInitialWeights[l] = KernelTensor.Of(gradients[6 + l]);
            if (options.Target) args.GradTarget[l] = KernelTensor.Of(gradients[options.TargetPlace + l]);
            if (!options.Momentum) continue;
            if (options.Ends) args.GradFinalMomenta[l] = KernelTensor.Of(upstream[1 + layers + l]);
            args.GradInitialMomenta[l] = KernelTensor.Of(gradients[6 + layers + l]);
        }

        Kernel.Backward(args, inputs[0]!);
    }

    protected override SegmentLayout? SegmentsOf(Options options) => options.Segments;

    // What of the rule only the tensor forms have.
    private static string? Variant(TitansCall call) =>
        call.Options.DecaysFirst ? "gradients after the decay"
        : call.Options.GatedLinearUnit ? "gated linear unit"
        : call.Options.Muon is not null ? "orthogonalised momentum"
        : null;

    private static TitansArguments Arguments(Tensor?[] inputs, Options options)
    {
        long[] shape = inputs[0]!.shape;
        int layers = options.Layers;
        var args = new TitansArguments
        {
            Header = KernelHeader.Of<TitansArguments>(inputs[0]!.dtype),
            Batch = shape[0], Tokens = shape[1], Heads = shape[2], Layers = layers, Block = options.Rule.Block,
            Activation = (long)options.Rule.Activation, ReadsBlockStart = options.Rule.ReadsBlockStart ? 1 : 0, Momentum = options.Momentum ? 1 : 0, DecaysToTarget = options.Target ? 1 : 0, Residual = options.Residual ? 1 : 0, Clip = options.Rule.Clip ?? 0,
            Segments = KernelCalls.Segments(options.Segments, inputs[0]!),
            Q = KernelTensor.Of(inputs[0]), K = KernelTensor.Of(inputs[1]), V = KernelTensor.Of(inputs[2]),
            Theta = KernelTensor.Of(inputs[3]), Eta = KernelTensor.Of(inputs[4]), Alpha = KernelTensor.Of(inputs[5]),
            Gamma = KernelTensor.Of(inputs[^1]),
        };
        args.Dims[0] = shape[3];
        args.Dims[layers] = inputs[2]!.shape[3];
        for (int l = 0; l < layers; l++)
        {
            if (inputs[6 + l] is { } weight) args.Dims[l + 1] = weight.shape[3];
            args.InitialWeights[l] = KernelTensor.Of(inputs[6 + l]);
            if (options.Target) args.Target[l] = KernelTensor.Of(inputs[options.TargetPlace + l]);
            if (options.Momentum) args.InitialMomenta[l] = KernelTensor.Of(inputs[6 + layers + l]);
        }

        return args;
    }

    /// <param name="Layers">Matrices of the memory.</param>
    /// <param name="Momentum">Whether there is momentum.</param>
    /// <param name="Target">Whether forgetting leads to a target.</param>
    /// <param name="Residual">Whether there is a gamma, which stands last among the inputs.</param>
    /// <param name="Rule">The rule; its activations are numbered as in memgen.h.</param>
    /// <param name="Ends">Whether weights and momenta after the last token are wanted.</param>
    /// <param name="Segments">Null where every row is one sequence.</param>
    internal sealed record Options(int Layers, bool Momentum, bool Target, bool Residual, TitansOptions Rule, bool Ends, SegmentLayout? Segments)
    {
        /// <summary>Where the target stands among the inputs.</summary>
        public int TargetPlace => 6 + (Layers * (Momentum ? 2 : 1));
    }
}
