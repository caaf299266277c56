using Memory.Gen.Runtime.Kernels;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>An operator of the kernel library as one node of the graph.</summary>
/// <typeparam name="TSelf">The operator itself.</typeparam>
/// <typeparam name="TOptions">What it needs besides tensors.</typeparam>
/// <remarks>
/// Inputs have fixed places, of which some may be empty. All have a contiguous last axis where the operator sees them, and
/// they live until its call of the library has returned.
/// </remarks>
internal abstract class KernelFunction<TSelf, TOptions> : OperatorFunction<TSelf, KernelFunction<TSelf, TOptions>.Call>
    where TSelf : KernelFunction<TSelf, TOptions>, new()
    where TOptions : class
{
    /// <summary>Runs the operator; an absent input is null.</summary>
    protected static List<Tensor> Apply(TOptions options, params Tensor?[] inputs)
    {
        if (!IsRecorded(inputs)) return Shared.Compute(inputs, options);
        bool[] present = Array.ConvertAll(inputs, input => input is not null);
        bool[] wanted = Array.ConvertAll(inputs, input => input is { requires_grad: true });
        return Run(new Call(options, present, wanted), [.. inputs.OfType<Tensor>()]);
    }

    /// <summary>Both passes at once and no node in the graph; the gradients are those of the inputs that are there, null where not wanted.</summary>
    public static (List<Tensor> Outputs, List<Tensor> Gradients) Both(TOptions options, Tensor?[] inputs, Tensor?[] gradients, bool[] wanted) =>
        Both(new Call(options, Array.ConvertAll(inputs, input => input is not null), wanted), [.. inputs.OfType<Tensor>()], gradients);

    /// <summary>Computes fresh outputs; adds to <paramref name="kept"/>, unless it is null, what backward needs besides the inputs.</summary>
    protected abstract List<Tensor> Forward(Tensor?[] inputs, TOptions options, List<Tensor>? kept);

    /// <summary>Writes the gradients that are not null.</summary>
    /// <param name="upstream">For every output its gradient, null when nothing depends on that output.</param>
    /// <param name="inputs">What forward was given.</param>
    /// <param name="kept">What forward kept, in order.</param>
    /// <param name="gradients">For every input the tensor to write, of its shape and contiguous; null when it is not wanted.</param>
    /// <param name="options">What forward was given.</param>
    protected abstract void Backward(Tensor?[] upstream, Tensor?[] inputs, List<Tensor> kept, Tensor?[] gradients, TOptions options);

    /// <summary>The segments among the options; null where every row is one sequence.</summary>
    protected virtual SegmentLayout? SegmentsOf(TOptions options) => null;

    /// <summary>A tensor for the operator to write, of the dtype and on the device of <paramref name="like"/>: zeros where it leaves tokens out.</summary>
    protected static Tensor Fresh(SegmentLayout? segments, Tensor like, params long[] shape) =>
        segments is null or { IsComplete: true } ? torch.empty(shape, dtype: like.dtype, device: like.device) : zeros(shape, dtype: like.dtype, device: like.device);

    /// <summary>The same for what is float32 whatever the inputs are: states, and what is kept for backward.</summary>
    protected static Tensor Single(Tensor like, params long[] shape) => torch.empty(shape, dtype: ScalarType.Float32, device: like.device);

    protected sealed override List<Tensor> Forward(Tensor[] inputs, Call options, List<Tensor>? saved)
    {
        Tensor[] dense = Array.ConvertAll(inputs, KernelTensor.Dense);
        saved?.AddRange(dense);
        List<Tensor> outputs = Forward(options.Spread(dense), options.Options, saved);
        GC.KeepAlive(options);
        GC.KeepAlive(dense);
        GC.KeepAlive(outputs);
        return outputs;
    }

    protected sealed override List<Tensor> Backward(Tensor?[] gradients, List<Tensor> saved, Call options)
    {
        Tensor?[] upstream = Array.ConvertAll(gradients, gradient => gradient is null ? null : KernelTensor.Dense(gradient));
        int count = options.Present.Count(present => present);
        Tensor?[] inputs = options.Spread([.. saved[..count]]);
        var results = new Tensor?[inputs.Length];
        for (int i = 0; i < results.Length; i++)
        {
            if (options.Wanted[i]) results[i] = Fresh(SegmentsOf(options.Options), inputs[i]!, inputs[i]!.shape);
        }

        Backward(upstream, inputs, saved[count..], results, options.Options);
        GC.KeepAlive(options);
        GC.KeepAlive(upstream);
        GC.KeepAlive(saved);
        GC.KeepAlive(results);
        return [.. results.Where((_, i) => options.Present[i]).Select(result => result!)];
    }

    // Without a node in the graph: nothing is kept but the outputs, and copies of inputs that the kernel cannot take are freed at once.
    private List<Tensor> Compute(Tensor?[] inputs, TOptions options)
    {
        Tensor?[] dense = Array.ConvertAll(inputs, input => input is null ? null : KernelTensor.Dense(input));
        List<Tensor> outputs = Forward(dense, options, null);
        GC.KeepAlive(options); // has the segments, which the kernel reads where they lie
        GC.KeepAlive(inputs);
        for (int i = 0; i < inputs.Length; i++)
        {
            if (!ReferenceEquals(dense[i], inputs[i])) dense[i]!.Dispose();
        }

        return outputs;
    }

    /// <summary>One call: its options, the inputs that are there, and those whose gradient is wanted.</summary>
    internal sealed record Call(TOptions Options, bool[] Present, bool[] Wanted)
    {
        public Tensor?[] Spread(Tensor[] inputs)
        {
            var places = new Tensor?[Present.Length];
            for (int i = 0, next = 0; i < places.Length; i++)
            {
                if (Present[i]) places[i] = inputs[next++];
            }

            return places;
        }
    }
}
