using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>What a linear Titans memory returns.</summary>
/// <param name="Output">What every token read, <c>[B, T, H, V]</c>.</param>
/// <param name="FinalState">The memory after the last token.</param>
/// <param name="FinalMomentum">Its momentum.</param>
public readonly record struct TitansLinearRead(Tensor Output, Tensor FinalState, Tensor FinalMomentum);

/// <summary>
/// A matrix that learns while it reads: G = k (M_c^T k - v)^T at the memory M_c its block started with,
/// S = eta S - theta G, M = (1 - alpha) M + S, read o = M^T q.
/// </summary>
/// <remarks>Behrouz, Zhong, Mirrokni: Titans (arXiv 2501.00663), section 3. With other options it is <see cref="TitansMlp"/> of one layer.</remarks>
public static class TitansLinear
{
    private const string Name = "titans_linear";

    /// <summary>Reads a whole sequence, or continues one; a call begins a block.</summary>
    /// <param name="q">Queries <c>[B, T, H, K]</c>; T may be 0.</param>
    /// <param name="k">Keys <c>[B, T, H, K]</c>.</param>
    /// <param name="v">Values <c>[B, T, H, V]</c>.</param>
    /// <param name="theta">Step size <c>[B, T, H]</c>, positive.</param>
    /// <param name="eta">Momentum factor <c>[B, T, H]</c>, 0 to 1.</param>
    /// <param name="alpha">Forgetting <c>[B, T, H]</c>, 0 to 1.</param>
    /// <param name="block">Tokens whose gradients are taken at the same memory; part of the model, not of the computation.</param>
    /// <param name="initialState">Memory <c>[B, H, K, V]</c>, float32 or wider; null for zeros.</param>
    /// <param name="initialMomentum">Momentum <c>[B, H, K, V]</c>, float32 or wider; null for zeros.</param>
    /// <param name="form">Null for the fastest that serves the call.</param>
    /// <param name="chunk">Tokens a chunk, rounded up to whole blocks; null for the default. Changes rounding only.</param>
    /// <param name="segments">Which tokens make up which sequence, each with a state and blocks of its own; null where every row is one.</param>
    /// <returns>Output <c>[B, T, H, V]</c>, and the memory and momentum <c>[B, H, K, V]</c> that continue the sequence.</returns>
    /// <exception cref="ArgumentException">An argument has the wrong rank, shape, dtype or device.</exception>
    public static TitansLinearRead Apply(
        Tensor q, Tensor k, Tensor v, Tensor theta, Tensor eta, Tensor alpha, int block,
        Tensor? initialState = null, Tensor? initialMomentum = null, OperatorForm? form = null, int? chunk = null, Segments? segments = null)
    {
        var door = new FrontDoor(Name);
        door.Value(nameof(q), q, "BTHK");
        door.Value(nameof(k), k, "BTHK");
        door.Value(nameof(v), v, "BTHV");
        door.Gate(nameof(theta), theta, "BTH");
        door.Gate(nameof(eta), eta, "BTH");
        door.Gate(nameof(alpha), alpha, "BTH");
        SegmentLayout? layout = door.Segments(segments);
        door.State(nameof(initialState), initialState, "BHKV");
        door.State(nameof(initialMomentum), initialMomentum, "BHKV");
        door.AtLeastOne('K');
        door.Positive(nameof(block), block);
        door.Positive(nameof(chunk), chunk);
        var call = new TitansCall(q, k, v, theta, eta, alpha, [initialState], [initialMomentum], null, null, new TitansOptions(block));
        TitansMlpRead read = TitansMemory.Apply(Name, door, call, [new TitansShape(door['K'], door['V'])], layout, form, chunk);
        return new TitansLinearRead(read.Output, read.FinalWeights[0], read.FinalMomenta[0]);
    }
}
