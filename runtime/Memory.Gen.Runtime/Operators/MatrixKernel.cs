using Memory.Gen.Runtime.Kernels;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>The memories with a state <c>[B, H, K, V]</c> in the kernel library. States at some tokens are kept for backward, which recomputes those between.</summary>
internal sealed unsafe class MatrixKernel : KernelFunction<MatrixKernel, MatrixKernel.Options>
{
    private static readonly Kernel Delta = new("gated_delta_rule"), Scalar = new("scalar_decay"), Channel = new("channel_decay"), ChannelDelta = new("channel_delta_rule"),
        Generalized = new("generalized_delta_rule"), Scored = new("channel_scores", onlyForward: true);

    /// <summary>The kernel of a rule that has these gates, and what it recalls by.</summary>
    public static Kernel For(Tensor? beta, Tensor? logDecay, Tensor? a) => (beta is not null, logDecay?.dim() == 4) switch
    {
        _ when a is not null => Generalized,
        (true, false) => Delta,
        (false, true) => Channel,
        (false, false) => Scalar,
        (true, true) => ChannelDelta,
    };

    /// <summary>Whether a call with these inputs becomes a node of the graph.</summary>
    public static bool Records(params Tensor?[] inputs) => IsRecorded(inputs);

    public static MemoryRead Run(Options options, SegmentLayout? segments, MatrixTokens x, Tensor? state)
    {
        List<Tensor> outputs = SegmentLayout.RunKernel(
            segments, (tokens, runs) => Apply(options with { Segments = runs }, [.. tokens, state]), (x with { Beta = Gates.Single(x.Beta), LogDecay = Gates.Single(x.LogDecay) }).All);
        return new MemoryRead(outputs[0], outputs[1]);
    }

    /// <summary>The memory where no gradient is wanted; null for a call of another kind, or one whose arguments do not fit.</summary>
    public static MemoryRead? RunDirectly(string name, in MatrixTokens x, int decayAxes, Tensor? state, double? scale)
    {
        (Tensor q, Tensor k, Tensor v, Tensor? beta, Tensor? logDecay, Tensor? a, Tensor? b) = x;
        if (!double.IsFinite(scale ?? 0) || !KernelLibrary.TakesDirectly(q, k, v, beta ?? q, logDecay ?? q, a ?? q, b ?? q, state ?? q)) return null;
        long[] keys = q.Sizes(), values = v.Sizes();
        if (keys.Length != 4 || values.Length != 4) return null;
        long B = keys[0], T = keys[1], H = keys[2], K = keys[3], V = values[3];
        ReadOnlySpan<long> tokens = keys.AsSpan(..3);
        bool fits = K > 0 && k.Has(keys) && tokens.SequenceEqual(values.AsSpan(..3)) && (beta is null || beta.Has(tokens))
            && (logDecay is null || logDecay.Has(keys.AsSpan(..decayAxes))) && (a is null || a.Has(keys)) && (b is null || b.Has(keys)) && (state is null || state.Has(B, H, K, V));
        if (!fits) return null;
        Kernel kernel = For(beta, logDecay, a);
        MatrixArguments args = new()
        {
            Header = KernelHeader.Of<MatrixArguments>(ScalarType.Float32),
            Batch = B, Tokens = T, Heads = H, KeyDim = K, ValueDim = V, Scale = scale ?? 1 / Math.Sqrt(K),
            Q = KernelTensor.Contiguous(q, keys), K = KernelTensor.Contiguous(k, keys), V = KernelTensor.Contiguous(v, values),
            Beta = KernelTensor.Contiguous(beta, tokens), LogDecay = KernelTensor.Contiguous(logDecay, keys.AsSpan(..decayAxes)),
            A = KernelTensor.Contiguous(a, keys), B = KernelTensor.Contiguous(b, keys),
            InitialState = KernelTensor.Contiguous(state, B, H, K, V),
        };
        if (!kernel.Serves(args, out long workspace) || !OperatorForms.TakesKernel(name)) return null;
        Tensor o = torch.empty(values, dtype: ScalarType.Float32, device: CPU);
        Tensor final = torch.empty([B, H, K, V], dtype: ScalarType.Float32, device: CPU);
        args.O = KernelTensor.Contiguous(o, values);
        args.FinalState = KernelTensor.Contiguous(final, B, H, K, V);
        kernel.Run(args, workspace);
        GC.KeepAlive(q);
        GC.KeepAlive(k);
        GC.KeepAlive(v);
        GC.KeepAlive(beta);
        GC.KeepAlive(logDecay);
        GC.KeepAlive(a);
        GC.KeepAlive(b);
        GC.KeepAlive(state);
        return new MemoryRead(o, final);
    }

    /// <summary>The memory of channel decay read along its other axis, y = scale S q <c>[B, T, H, K]</c>, and the state after it.</summary>
    public static List<Tensor> Scores(Options options, Tensor q, Tensor k, Tensor v, Tensor logDecay, Tensor state)
    {
        Tensor[] dense = Array.ConvertAll([q, k, v, logDecay, state], KernelTensor.Dense);
        MatrixArguments args = Arguments([dense[1], dense[1], dense[2], null, dense[3], null, null, dense[4]], options);
        Tensor y = Fresh(options.Segments, k, k.shape), final = Single(y, state.shape);
        args.Q = KernelTensor.Of(dense[0]);
        args.O = KernelTensor.Of(y);
        args.FinalState = KernelTensor.Of(final);
        options.Kernel.Forward(args, y);
        GC.KeepAlive(options); // has the segments, which the kernel reads where they lie
        GC.KeepAlive(dense);
        return [y, final];
    }

    protected override List<Tensor> Forward(Tensor?[] inputs, Options options, List<Tensor>? kept)
    {
        MatrixArguments args = Arguments(inputs, options);
        Tensor o = Fresh(options.Segments, inputs[0]!, args.Batch, args.Tokens, args.Heads, args.ValueDim);
        Tensor final = torch.empty(
            [SegmentLayout.Sequences(options.Segments, args.Batch), args.Heads, args.KeyDim, args.ValueDim], dtype: inputs[7]?.dtype ?? ScalarType.Float32, device: o.device);
        args.O = KernelTensor.Of(o);
        args.FinalState = KernelTensor.Of(final);
        if (kept is not null)
        {
            Tensor checkpoints = Single(o, options.Kernel.CheckpointBytes(args, o) / sizeof(float));
            args.Checkpoints = KernelLibrary.Data(checkpoints);
            kept.Add(checkpoints);
        }

        options.Kernel.Forward(args, o);
        return [o, final];
    }

    protected override void Backward(Tensor?[] upstream, Tensor?[] inputs, List<Tensor> kept, Tensor?[] gradients, Options options)
    {
        MatrixArguments args = Arguments(inputs, options);
        args.Checkpoints = KernelLibrary.Data(kept[0]);
        args.GradO = KernelTensor.Of(upstream[0]);
        args.GradFinalState = KernelTensor.Of(upstream[1]);
        args.GradQ = KernelTensor.Of(gradients[0]);
        args.GradK = KernelTensor.Of(gradients[1]);
        args.GradV = KernelTensor.Of(gradients[2]);
        args.GradBeta = KernelTensor.Of(gradients[3]);
        args.GradLogDecay = KernelTensor.Of(gradients[4]);
        args.GradA = KernelTensor.Of(gradients[5]);
        args.GradB = KernelTensor.Of(gradients[6]);
        args.GradInitialState = KernelTensor.Of(gradients[7]);
        options.Kernel.Backward(args, inputs[0]!);
    }

    protected override SegmentLayout? SegmentsOf(Options options) => options.Segments;

    private static MatrixArguments Arguments(Tensor?[] inputs, Options options)
    {
        long[] shape = inputs[0]!.shape;
        return new()
        {
            Header = KernelHeader.Of<MatrixArguments>(inputs[0]!.dtype),
            Batch = shape[0], Tokens = shape[1], Heads = shape[2], KeyDim = shape[3], ValueDim = inputs[2]!.shape[3],
            Segments = KernelCalls.Segments(options.Segments, inputs[0]!), Scale = options.Scale, StateDtype = KernelHeader.Number(inputs[7]?.dtype),
            Q = KernelTensor.Of(inputs[0]), K = KernelTensor.Of(inputs[1]), V = KernelTensor.Of(inputs[2]),
            Beta = KernelTensor.Of(inputs[3]), LogDecay = KernelTensor.Of(inputs[4]),
            A = KernelTensor.Of(inputs[5]), B = KernelTensor.Of(inputs[6]), InitialState = KernelTensor.Of(inputs[7]),
        };
    }

    /// <param name="Kernel">The rule.</param>
    /// <param name="Scale">Factor on the queries.</param>
    /// <param name="Segments">Null where every row is one sequence.</param>
    internal sealed record Options(Kernel Kernel, double Scale, SegmentLayout? Segments = null)
    {
        public static Options ChannelDecay(double scale, SegmentLayout? segments = null) => new(Channel, scale, segments);

        /// <summary>For <see cref="Scores"/>.</summary>
        public static Options ChannelScores(double scale, SegmentLayout? segments = null) => new(Scored, scale, segments);

        public string? Refusal(FrontDoor door, char keys = 'K', char values = 'V', long writes = 1) => Kernel.Refusal(door, new MatrixArguments
        {
            Header = KernelHeader.Of<MatrixArguments>(door.Dtype),
            Batch = door['B'], Tokens = writes * door['T'], Heads = door['H'], KeyDim = door[keys], ValueDim = door[values],
        });
    }
}
