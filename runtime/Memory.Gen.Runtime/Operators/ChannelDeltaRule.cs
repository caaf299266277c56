using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>
/// The channel delta rule (Kimi Delta Attention), a delta rule with one decay per key channel:
/// S = diag(e^g) S, then S += k (beta (v - S^T k))^T, read o = S^T (scale q).
/// </summary>
/// <remarks>Kimi Team: Kimi Linear, an Expressive, Efficient Attention Architecture (arXiv 2510.26692), section 3.</remarks>
public static class ChannelDeltaRule
{
    private const string Name = "channel_delta_rule";

    /// <summary>Reads a whole sequence, or continues one.</summary>
    /// <param name="q">Queries <c>[B, T, H, K]</c>; T may be 0.</param>
    /// <param name="k">Keys <c>[B, T, H, K]</c>; stable while beta |k|^2 is at most 2.</param>
    /// <param name="v">Values <c>[B, T, H, V]</c>.</param>
    /// <param name="beta">Write strength <c>[B, T, H]</c>, 0 to 2; 0 writes nothing.</param>
    /// <param name="logDecay">Log decay <c>[B, T, H, K]</c>, at most 0; 0 keeps everything, -inf forgets everything.</param>
    /// <param name="initialState">State <c>[B, H, K, V]</c>, float32 or wider, or bfloat16 where one token in bfloat16 is read, T = 1; null for zeros.</param>
    /// <param name="scale">Factor on the queries; null for K^-1/2.</param>
    /// <param name="form">Null for the fastest that serves the call.</param>
    /// <param name="chunk">Tokens a chunk; null for the default. Changes rounding only.</param>
    /// <param name="segments">Which tokens make up which sequence, each with a state of its own; null where every row is one.</param>
    /// <returns>Output <c>[B, T, H, V]</c>, and the state <c>[B, H, K, V]</c> that continues the sequence.</returns>
    /// <exception cref="ArgumentException">An argument has the wrong rank, shape, dtype or device.</exception>
    public static MemoryRead Apply(
        Tensor q, Tensor k, Tensor v, Tensor beta, Tensor logDecay, Tensor? initialState = null,
        double? scale = null, OperatorForm? form = null, int? chunk = null, Segments? segments = null)
    {
        FrontDoor.Required(Name, nameof(beta), beta);
        FrontDoor.Required(Name, nameof(logDecay), logDecay);
        return MatrixMemory.Apply(Name, q, k, v, beta, logDecay, "BTHK", initialState, scale, form, chunk, segments, ChannelDeltaChunks.Run);
    }
}
