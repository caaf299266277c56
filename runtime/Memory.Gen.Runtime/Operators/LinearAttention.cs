using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>Linear attention: S += k v^T, read o = S^T (scale q), plain or normalised.</summary>
/// <remarks>Katharopoulos, Vyas, Pappas, Fleuret: Transformers are RNNs (arXiv 2006.16236). Queries and keys are given after their feature map.</remarks>
public static class LinearAttention
{
    /// <summary>Reads a whole sequence, or continues one.</summary>
    /// <param name="q">Queries <c>[B, T, H, K]</c>; T may be 0.</param>
    /// <param name="k">Keys <c>[B, T, H, K]</c>.</param>
    /// <param name="v">Values <c>[B, T, H, V]</c>.</param>
    /// <param name="initialState">State <c>[B, H, K, V]</c>, float32 or wider, or bfloat16 where one token in bfloat16 is read, T = 1; null for zeros.</param>
    /// <param name="scale">Factor on the queries; null for K^-1/2.</param>
    /// <param name="form">Null for the fastest that serves the call.</param>
    /// <param name="chunk">Tokens a chunk; null for the default. Changes rounding only.</param>
    /// <param name="segments">Which tokens make up which sequence, each with a state of its own; null where every row is one.</param>
    /// <returns>Output <c>[B, T, H, V]</c>, and the state <c>[B, H, K, V]</c> that continues the sequence.</returns>
    /// <exception cref="ArgumentException">An argument has the wrong rank, shape, dtype or device.</exception>
    public static MemoryRead Apply(
        Tensor q, Tensor k, Tensor v, Tensor? initialState = null, double? scale = null, OperatorForm? form = null, int? chunk = null,
        Segments? segments = null) =>
        MatrixMemory.Apply("linear_attention", q, k, v, null, null, "BTH", initialState, scale, form, chunk, segments, AdditiveChunks.Run);

    /// <summary>The same, divided by what the keys alone would read: z += k, o = S^T (scale q) / (scale q . z + eps).</summary>
    /// <param name="q">Queries <c>[B, T, H, K]</c>, not negative.</param>
    /// <param name="k">Keys <c>[B, T, H, K]</c>, not negative.</param>
    /// <param name="v">Values <c>[B, T, H, V]</c>.</param>
    /// <param name="initialState">State S <c>[B, H, K, V]</c>, float32 or wider; null for zeros.</param>
    /// <param name="initialNormalizer">Normaliser z <c>[B, H, K]</c>, float32 or wider; null for zeros.</param>
    /// <param name="scale">Factor on the queries; null for K^-1/2.</param>
    /// <param name="eps">Added to the divisor.</param>
    /// <param name="form">Null for the fastest that serves the call.</param>
    /// <param name="chunk">Tokens a chunk; null for the default. Changes rounding only.</param>
    /// <param name="segments">Which tokens make up which sequence, each with a state of its own; null where every row is one.</param>
    /// <returns>Output <c>[B, T, H, V]</c>, and what continues the sequence: both S and z.</returns>
    /// <exception cref="ArgumentException">An argument has the wrong rank, shape, dtype or device.</exception>
    public static (Tensor Output, Tensor FinalState, Tensor FinalNormalizer) Normalized(
        Tensor q, Tensor k, Tensor v, Tensor? initialState = null, Tensor? initialNormalizer = null,
        double? scale = null, double eps = 1e-6, OperatorForm? form = null, int? chunk = null, Segments? segments = null)
    {
        const string Name = "linear_attention_normalized";
        var door = new FrontDoor(Name);
        door.Value(nameof(q), q, "BTHK");
        door.Value(nameof(k), k, "BTHK");
        door.Value(nameof(v), v, "BTHV");
        SegmentLayout? layout = door.Segments(segments);
        door.State(nameof(initialState), initialState, "BHKV");
        door.State(nameof(initialNormalizer), initialNormalizer, "BHK");
        door.Finite(nameof(eps), eps);
        MatrixMemory.CheckOptions(door, scale, chunk);
        double factor = MatrixMemory.Scale(door, scale);
        OperatorForm chosen = OperatorForms.Choose(Name, form, () => NormalizedKernel.Refusal(door));

        using var scope = NewDisposeScope();
        if (chosen == OperatorForm.Native)
        {
            List<Tensor> outputs = NormalizedKernel.Run(new(factor, eps), layout, q, k, v, initialState, initialNormalizer);
            foreach (Tensor each in outputs) each.MoveToOuterDisposeScope();
            return (outputs[0], outputs[1], outputs[2]);
        }

        // z is one more column of S, written by a value that is always one.
        long N = door.Sequences, H = door['H'], K = door['K'], V = door['V'];
        Tensor wide = v.to(door.Accumulation);
        Tensor S = initialState ?? zeros([N, H, K, V], dtype: wide.dtype, device: wide.device);
        Tensor z = initialNormalizer?.unsqueeze(3) ?? zeros([N, H, K, 1], dtype: wide.dtype, device: wide.device);
        Tensor ones = torch.ones([.. v.shape[..3], 1], dtype: wide.dtype, device: wide.device);
        var options = new ChunkedOptions(factor, chunk);
        Tensor[] read = SegmentLayout.Run(layout, chosen, Divided, [q, k, cat(new[] { wide, ones }, -1)], [cat(new[] { S, z }, -1)]);
        return (
            read[0].to(door.Dtype).MoveToOuterDisposeScope(),
            read[1].narrow(-1, 0, V).MoveToOuterDisposeScope(),
            read[1].select(-1, V).MoveToOuterDisposeScope());

        Tensor[] Divided(Tensor?[] x, Tensor[] states, long[]? lengths)
        {
            MemoryRead sums = MatrixMemory.Tensors(new(x[0]!, x[1]!, x[2]!), states[0], options, chosen, AdditiveChunks.Run);
            Tensor divisors = sums.Output.narrow(-1, V, 1) + eps;
            // What fill tokens divide by must have a gradient of zero, not of zero over zero.
            if (lengths is not null) divisors = divisors.masked_fill(SegmentLayout.Fill(lengths, divisors.shape[1], v.device).unsqueeze(-1).unsqueeze(-1), 1);
            return [sums.Output.narrow(-1, 0, V) / divisors, sums.FinalState];
        }
    }
}
