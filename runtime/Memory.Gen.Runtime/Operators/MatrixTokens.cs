using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>What the tokens of a call say to a memory with a state <c>[B, H, K, V]</c>.</summary>
/// <param name="Q">Queries <c>[B, T, H, K]</c>.</param>
/// <param name="K">Keys <c>[B, T, H, K]</c>.</param>
/// <param name="V">Values <c>[B, T, H, V]</c>.</param>
/// <param name="Beta">Write strength <c>[B, T, H]</c> of a delta rule; null adds <c>k v^T</c>.</param>
/// <param name="LogDecay"><c>[B, T, H]</c> or <c>[B, T, H, K]</c>; null keeps everything.</param>
/// <param name="A">What the generalised delta rule recalls by, <c>[B, T, H, K]</c>; null for the other rules.</param>
/// <param name="B">Where it writes what it recalled, likewise.</param>
internal readonly record struct MatrixTokens(Tensor Q, Tensor K, Tensor V, Tensor? Beta = null, Tensor? LogDecay = null, Tensor? A = null, Tensor? B = null)
{
    /// <summary>All of them, in the order that <see cref="Of"/> takes them in.</summary>
    public Tensor?[] All => [Q, K, V, Beta, LogDecay, A, B];

    public static MatrixTokens Of(Tensor?[] x) => new(x[0]!, x[1]!, x[2]!, x[3], x[4], x[5], x[6]);

    public MatrixTokens To(ScalarType dtype) => Of(Array.ConvertAll(All, x => x is null || x.dtype == dtype ? x : x.to(dtype)));
}
