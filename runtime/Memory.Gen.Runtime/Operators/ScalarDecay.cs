using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>Linear attention with one decay per token and head: S = e^g S + k v^T, read o = S^T (scale q).</summary>
/// <remarks>RetNet (arXiv 2307.08621) with a constant decay, Mamba-2 (arXiv 2405.21060) with a chosen one.</remarks>
public static class ScalarDecay
{
    private const string Name = "scalar_decay";

    /// <summary>Reads a whole sequence, or continues one.</summary>
    /// <param name="q">Queries <c>[B, T, H, K]</c>; T may be 0.</param>
    /// <param name="k">Keys <c>[B, T, H, K]</c>.</param>
    /// <param name="v">Values <c>[B, T, H, V]</c>.</param>
    /// <param name="logDecay">Log decay <c>[B, T, H]</c>, at most 0; 0 keeps everything, -inf forgets everything.</param>
    /// <param name="initialState">State <c>[B, H, K, V]</c>, float32 or wider, or bfloat16 where one token in bfloat16 is read, T = 1; null for zeros.</param>
    /// <param name="scale">Factor on the queries; null for K^-1/2.</param>
    /// <param name="form">Null for the fastest that serves the call.</param>
    /// <param name="chunk">Tokens a chunk; null for the default. Changes rounding only.</param>
    /// <param name="segments">Which tokens make up which sequence, each with a state of its own; null where every row is one.</param>
    /// <returns>Output <c>[B, T, H, V]</c>, and the state <c>[B, H, K, V]</c> that continues the sequence.</returns>
    /// <exception cref="ArgumentException">An argument has the wrong rank, shape, dtype or device.</exception>
    public static MemoryRead Apply(
        Tensor q, Tensor k, Tensor v, Tensor logDecay, Tensor? initialState = null,
        double? scale = null, OperatorForm? form = null, int? chunk = null, Segments? segments = null)
    {
        FrontDoor.Required(Name, nameof(logDecay), logDecay);
        return MatrixMemory.Apply(Name, q, k, v, null, logDecay, "BTH", initialState, scale, form, chunk, segments, AdditiveChunks.Run);
    }
}
