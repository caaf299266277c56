using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>One call of a Titans memory of any depth, as it came through the front door.</summary>
/// <param name="Q">Queries <c>[B, T, H, K]</c>.</param>
/// <param name="K">Keys <c>[B, T, H, K]</c>.</param>
/// <param name="V">Values <c>[B, T, H, V]</c>.</param>
/// <param name="Theta">Step size <c>[B, T, H]</c>.</param>
/// <param name="Eta">Momentum factor <c>[B, T, H]</c>; null for no momentum.</param>
/// <param name="Alpha">Forgetting <c>[B, T, H]</c>; null for none.</param>
/// <param name="Weights">One entry a layer; null where a matrix begins as zeros.</param>
/// <param name="Momenta">One entry a layer, none without momentum; null where a momentum begins as zeros.</param>
/// <param name="Target">What the weights decay toward, one matrix a layer; null for zeros.</param>
/// <param name="Residual">Factor <c>[H, V]</c> on the normalised output that is added to the input; null for the plain output.</param>
/// <param name="Options">The rule.</param>
internal sealed record TitansCall(
    Tensor Q, Tensor K, Tensor V, Tensor Theta, Tensor? Eta, Tensor? Alpha, Tensor?[] Weights, Tensor?[] Momenta,
    Tensor[]? Target, Tensor? Residual, TitansOptions Options)
{
    public int Layers => Weights.Length;

    /// <summary>The target of a layer.</summary>
    public Tensor? TargetOf(int l) => Target?[l];

    /// <summary>The same with every tensor in the element type of the sums.</summary>
    public TitansCall To(ScalarType dtype) => this with
    {
        Q = Q.to(dtype), K = K.to(dtype), V = V.to(dtype), Theta = Theta.to(dtype), Eta = Eta?.to(dtype), Alpha = Alpha?.to(dtype), Residual = Residual?.to(dtype),
    };
}

/// <summary>What the Titans memories share once their arguments are checked: the form, and the trivial lengths.</summary>
internal static class TitansMemory
{
    /// <summary>Runs the kernel, the token loop or the tensor operations.</summary>
    /// <param name="name">The operator.</param>
    /// <param name="door">Has checked the call.</param>
    /// <param name="call">The call.</param>
    /// <param name="widths">The first layer's inputs, then every layer's outputs.</param>
    /// <param name="form">Null for the fastest that serves the call.</param>
    /// <param name="chunk">Tokens a chunk of a memory of one matrix; null for the default.</param>
    public static TitansMlpRead Apply(string name, FrontDoor door, TitansCall call, long[] widths, OperatorForm? form, int? chunk = null)
    {
        OperatorForm chosen = OperatorForms.Choose(name, form, () => TitansKernel.Refusal(door, call, widths));
        using var scope = NewDisposeScope();
        TitansMlpRead read = chosen == OperatorForm.Native ? TitansKernel.Run(call) : Tensors(door, call, widths, chosen, chunk);
        return new TitansMlpRead(
            read.Output.MoveToOuterDisposeScope(),
            [.. read.FinalWeights.Select(w => w.MoveToOuterDisposeScope())], [.. read.FinalMomenta.Select(s => s.MoveToOuterDisposeScope())]);
    }

    /// <summary>What is left of <paramref name="value"/> where the rest of it has gone to <paramref name="target"/>.</summary>
    /// <param name="kept">Null for all of it.</param>
    /// <param name="value">What decays.</param>
    /// <param name="target">Null for zeros.</param>
    public static Tensor Decayed(Tensor? kept, Tensor value, Tensor? target) =>
        kept is null ? value : target is null ? kept * value : target + (kept * (value - target));

    private static TitansMlpRead Tensors(FrontDoor door, TitansCall call, long[] widths, OperatorForm chosen, int? chunk)
    {
        long B = door['B'], T = door['T'], H = door['H'], V = door['V'];
        Tensor Matrix(Tensor? given, int l) => given ?? zeros([B, H, widths[l], widths[l + 1]], dtype: door.Accumulation, device: door.Device);
        Tensor[] W = [.. call.Weights.Select(Matrix)], S = [.. call.Momenta.Select(Matrix)];
        if (B * T * H * V == 0)
        {
            return new TitansMlpRead(
                zeros([B, T, H, V], dtype: door.Dtype, device: door.Device), [.. W.Select(w => w.clone())], [.. S.Select(s => s.clone())]);
        }

        call = call.To(door.Accumulation);
        Tensor output = chosen == OperatorForm.Reference || T == 1 ? TitansLoop.Run(call, W, S)
            : TitansSolve.Serves(call) ? TitansSolve.Run(call, W, S, chunk ?? ChunkLayout.DefaultLength)
            : TitansChunks.Run(call, W, S);
        return new TitansMlpRead(output.to(door.Dtype), W, S);
    }
}
