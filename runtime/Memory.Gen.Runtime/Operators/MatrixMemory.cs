using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>What the memories with a state <c>[B, H, K, V]</c> share: checks, form, dtype, and the trivial lengths.</summary>
internal static class MatrixMemory
{
    /// <summary>Checks everything, then runs the token loop or <paramref name="chunked"/>.</summary>
    public static MemoryRead Apply(
        string name, Tensor q, Tensor k, Tensor v, Tensor? beta, Tensor? logDecay, string decayAxes,
        Tensor? initialState, double? scale, OperatorForm? form, int? chunk, ChunkedForm chunked)
    {
        var door = new FrontDoor(name);
        door.Value(nameof(q), q, "BTHK");
        door.Value(nameof(k), k, "BTHK");
        door.Value(nameof(v), v, "BTHV");
        if (beta is not null) door.Gate(nameof(beta), beta, "BTH");
        if (logDecay is not null) door.Gate(nameof(logDecay), logDecay, decayAxes);
        door.State(nameof(initialState), initialState, "BHKV");
        door.AtLeastOne('K');
        door.Finite(nameof(scale), scale);
        door.Positive(nameof(chunk), chunk);
        OperatorForm chosen = OperatorForms.Choose(name, form);

        using var scope = NewDisposeScope();
        long B = door['B'], T = door['T'], H = door['H'], K = door['K'], V = door['V'];
        Tensor state = initialState ?? zeros([B, H, K, V], dtype: door.Accumulation, device: door.Device);
        double factor = scale ?? 1 / Math.Sqrt(K);
        Tensor Wide(Tensor x) => x.dtype == door.Accumulation ? x : x.to(door.Accumulation);

        Tensor output, final;
        if (B * T * H * V == 0)
        {
            (output, final) = (zeros([B, T, H, V], dtype: door.Accumulation, device: door.Device), state.clone());
        }
        else
        {
            Tensor? strength = beta is null ? null : Wide(beta), decay = logDecay is null ? null : Wide(logDecay);
            (output, final) = T == 1 || chosen == OperatorForm.Reference
                ? Recurrence.Run(Wide(q), Wide(k), Wide(v), strength, decay, state, factor)
                : chunked(Wide(q), Wide(k), Wide(v), strength, decay, state, new ChunkedOptions(factor, chunk));
        }

        if (output.dtype != door.Dtype) output = output.to(door.Dtype);
        return new MemoryRead(output.MoveToOuterDisposeScope(), final.MoveToOuterDisposeScope());
    }
}

/// <summary>The chunk-parallel form of a matrix memory, called with at least two tokens and everything in the accumulation dtype.</summary>
internal delegate MemoryRead ChunkedForm(
    Tensor q, Tensor k, Tensor v, Tensor? beta, Tensor? logDecay, Tensor state, ChunkedOptions options);

/// <summary>Options of the chunk-parallel forms.</summary>
/// <param name="Scale">Factor on the queries.</param>
/// <param name="Chunk">Tokens of one chunk; null for the default.</param>
internal sealed record ChunkedOptions(double Scale, long? Chunk);
