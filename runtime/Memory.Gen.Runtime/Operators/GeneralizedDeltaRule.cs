using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>
/// The generalised delta rule of RWKV-7, whose transition is diagonal plus low rank:
/// S_t = diag(e^g) S_{t-1} + b (S_{t-1}^T a)^T + k v^T, read o = S_t^T (scale q).
/// </summary>
/// <remarks>
/// What a recalls is that of the state before its decay. With a = -(e^g * k) and b = beta k it is the channel delta rule that
/// writes beta v. Peng et al.: RWKV-7 "Goose" with Expressive Dynamic State Evolution (arXiv 2503.14456), section 4.1.
/// </remarks>
public static class GeneralizedDeltaRule
{
    private const string Name = "generalized_delta_rule";

    /// <summary>Reads a whole sequence, or continues one.</summary>
    /// <param name="q">Queries <c>[B, T, H, K]</c>; T may be 0.</param>
    /// <param name="k">Keys <c>[B, T, H, K]</c>.</param>
    /// <param name="v">Values <c>[B, T, H, V]</c>.</param>
    /// <param name="a">What is recalled by, <c>[B, T, H, K]</c>: in RWKV-7 a unit key, negated.</param>
    /// <param name="b">Where what was recalled is written, <c>[B, T, H, K]</c>: in RWKV-7 the same unit key times a rate in (0, 1) of each channel. Stable while diag(e^g) + b a^T lengthens nothing, one token after the other.</param>
    /// <param name="logDecay">Log decay <c>[B, T, H, K]</c>, at most 0; 0 keeps everything, -inf forgets all but what a recalls.</param>
    /// <param name="initialState">State <c>[B, H, K, V]</c>, float32 or wider, or bfloat16 where one token in bfloat16 is read, T = 1; null for zeros.</param>
    /// <param name="scale">Factor on the queries; null for K^-1/2.</param>
    /// <param name="form">Null for the fastest that serves the call.</param>
    /// <param name="chunk">Tokens a chunk; null for the default. Changes rounding only.</param>
    /// <param name="segments">Which tokens make up which sequence, each with a state of its own; null where every row is one.</param>
    /// <returns>Output <c>[B, T, H, V]</c>, and the state <c>[B, H, K, V]</c> that continues the sequence.</returns>
    /// <exception cref="ArgumentException">An argument has the wrong rank, shape, dtype or device.</exception>
    public static MemoryRead Apply(
        Tensor q, Tensor k, Tensor v, Tensor a, Tensor b, Tensor logDecay, Tensor? initialState = null,
        double? scale = null, OperatorForm? form = null, int? chunk = null, Segments? segments = null)
    {
        FrontDoor.Required(Name, nameof(a), a);
        FrontDoor.Required(Name, nameof(b), b);
        FrontDoor.Required(Name, nameof(logDecay), logDecay);
        return MatrixMemory.Apply(Name, q, k, v, null, logDecay, "BTHK", initialState, scale, form, chunk, segments, GeneralizedDeltaChunks.Run, a, b);
    }
}
