using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>What the memories with a state <c>[B, H, K, V]</c> share: checks, form, dtype, and the trivial lengths.</summary>
internal static class MatrixMemory
{
    /// <summary>Checks everything, then runs the kernel, the token loop or <paramref name="chunked"/>.</summary>
    public static MemoryRead Apply(
        string name, Tensor q, Tensor k, Tensor v, Tensor? beta, Tensor? logDecay, string decayAxes,
        Tensor? initialState, double? scale, OperatorForm? form, int? chunk, Segments? segments, ChunkedForm chunked, Tensor? a = null, Tensor? b = null)
    {
        var tokens = new MatrixTokens(q, k, v, beta, logDecay, a, b);
        if (form is null && chunk is null && segments is null && MatrixKernel.RunDirectly(name, tokens, decayAxes.Length, initialState, scale) is { } direct) return direct;
        var door = new FrontDoor(name);
        door.Value(nameof(q), q, "BTHK");
        door.Value(nameof(k), k, "BTHK");
        door.Value(nameof(v), v, "BTHV");
        if (a is not null) door.Value(nameof(a), a, "BTHK");
        if (b is not null) door.Value(nameof(b), b, "BTHK");
        if (beta is not null) door.Gate(nameof(beta), beta, "BTH");
        if (logDecay is not null) door.Gate(nameof(logDecay), logDecay, decayAxes);
        SegmentLayout? layout = door.Segments(segments);
        door.State(nameof(initialState), initialState, "BHKV", bfloat16Too: door['T'] == 1);
        CheckOptions(door, scale, chunk);
        double factor = Scale(door, scale);
        var kernel = new MatrixKernel.Options(MatrixKernel.For(beta, logDecay, a), factor);
        bool narrow = initialState?.dtype == ScalarType.BFloat16;
        OperatorForm chosen = OperatorForms.Choose(name, form, () =>
            narrow && MatrixKernel.Records([.. tokens.All, initialState]) ? "a state in BFloat16 has no backward pass in the kernel" : kernel.Refusal(door));

        using var scope = NewDisposeScope();
        if (chosen == OperatorForm.Native) return MatrixKernel.Run(kernel, layout, tokens, initialState).ToOuterScope();
        Tensor state = narrow ? initialState!.to(door.Accumulation) : initialState ?? zeros([door.Sequences, door['H'], door['K'], door['V']], dtype: door.Accumulation, device: door.Device);
        var options = new ChunkedOptions(factor, chunk);
        Tensor[] read = SegmentLayout.Run(layout, chosen, Sequences, tokens.All, [state]);
        return new MemoryRead(read[0].to(door.Dtype), narrow ? read[1].to(ScalarType.BFloat16) : read[1]).ToOuterScope();

        Tensor[] Sequences(Tensor?[] x, Tensor[] states, long[]? lengths)
        {
            MemoryRead sums = Tensors(MatrixTokens.Of(x), states[0], options, chosen, chunked);
            return [sums.Output, sums.FinalState];
        }
    }

    /// <summary>What the numbers among the arguments must be.</summary>
    public static void CheckOptions(FrontDoor door, double? scale, int? chunk)
    {
        door.AtLeastOne('K');
        door.Finite(nameof(scale), scale);
        door.Positive(nameof(chunk), chunk);
    }

    /// <summary>The factor on the queries: K^-1/2 unless another is given.</summary>
    public static double Scale(FrontDoor door, double? scale) => scale ?? 1 / Math.Sqrt(door['K']);

    /// <summary>The token loop or <paramref name="chunked"/>, in the dtype of the state.</summary>
    public static MemoryRead Tensors(MatrixTokens x, Tensor state, ChunkedOptions options, OperatorForm chosen, ChunkedForm chunked)
    {
        long[] shape = [.. x.Q.shape[..3], x.V.shape[3]];
        if (shape.Contains(0)) return new MemoryRead(zeros(shape, dtype: state.dtype, device: state.device), state.clone());
        MatrixTokens wide = x.To(state.dtype);
        return shape[1] == 1 || chosen == OperatorForm.Reference ? Recurrence.Run(wide, state, options.Scale) : chunked(wide, state, options);
    }
}

/// <summary>The chunk-parallel form of a matrix memory, called with at least two tokens and everything in the accumulation dtype.</summary>
internal delegate MemoryRead ChunkedForm(MatrixTokens x, Tensor state, ChunkedOptions options);

/// <summary>Options of the chunk-parallel forms.</summary>
/// <param name="Scale">Factor on the queries.</param>
/// <param name="Chunk">Tokens of one chunk; null for the default.</param>
internal sealed record ChunkedOptions(double Scale, long? Chunk);
