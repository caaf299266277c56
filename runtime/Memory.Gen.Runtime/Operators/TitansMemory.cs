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
    /// <summary>Leading tokens of each row that count, those after them being fill; null where all count.</summary>
    public long[]? Lengths { get; init; }

    /// <summary>Whether the last weights and momenta are wanted: who stops within a block goes on from where the block began.</summary>
    public bool Ends { get; init; } = true;

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
    /// <param name="shapes">Of the matrices.</param>
    /// <param name="segments">Which tokens make up which sequence; null where every row is one.</param>
    /// <param name="form">Null for the fastest that serves the call.</param>
    /// <param name="chunk">Tokens a chunk of a memory of one matrix; null for the default.</param>
    public static TitansMlpRead Apply(
        string name, FrontDoor door, TitansCall call, TitansShape[] shapes, SegmentLayout? segments, OperatorForm? form, int? chunk = null)
    {
        OperatorForm chosen = OperatorForms.Choose(name, form, () => TitansKernel.Refusal(door, call, shapes));
        using var scope = NewDisposeScope();
        TitansMlpRead read = chosen == OperatorForm.Native ? TitansKernel.Run(call, segments) : Tensors(door, call, shapes, segments, chosen, chunk);
        return new TitansMlpRead(
            read.Output.MoveToOuterDisposeScope(),
            [.. read.FinalWeights.Select(w => w.MoveToOuterDisposeScope())], [.. read.FinalMomenta.Select(s => s.MoveToOuterDisposeScope())]);
    }

    /// <summary>What is left of <paramref name="value"/> where the rest of it has gone to <paramref name="target"/>.</summary>
    /// <param name="kept">Null for all of it.</param>
    /// <param name="value">What decays.</param>
    /// <param name="target">Null for zeros.</param>
    public static Tensor Decayed(Tensor? kept, Tensor value, Tensor? target) =>
        kept is null ? value : target is null ? kept * value : (kept * value) + ((1 - kept) * target);

    private static TitansMlpRead Tensors(FrontDoor door, TitansCall call, TitansShape[] shapes, SegmentLayout? segments, OperatorForm chosen, int? chunk)
    {
        int layers = call.Layers, momenta = call.Momenta.Length;
        Tensor Matrix(Tensor? given, int l) =>
            given ?? zeros([door.Sequences, door['H'], shapes[l].From, shapes[l].To], dtype: door.Accumulation, device: door.Device);
        Tensor[] states = [.. call.Weights.Select(Matrix), .. call.Momenta.Select(Matrix), .. call.Target ?? []];
        TitansCall wide = call.To(door.Accumulation);
        Tensor[] read = SegmentLayout.Run(segments, chosen, Sequences, [wide.Q, wide.K, wide.V, wide.Theta, wide.Eta, wide.Alpha], states);
        return TitansMlpRead.Of([read[0].to(door.Dtype), .. read[1..]], layers);

        Tensor[] Sequences(Tensor?[] x, Tensor[] entering, long[]? lengths)
        {
            Tensor[] W = entering[..layers], S = entering[layers..(layers + momenta)];
            TitansCall part = wide with
            {
                Q = x[0]!, K = x[1]!, V = x[2]!, Theta = x[3]!, Eta = x[4], Alpha = x[5],
                Target = call.Target is null ? null : entering[^layers..], Lengths = lengths,
            };
            long[] shape = [.. part.Q.shape[..3], part.V.shape[3]];
            if (shape.Contains(0)) return [zeros(shape, dtype: door.Accumulation, device: door.Device), .. W.Select(w => w.clone()), .. S.Select(s => s.clone())];
            Tensor output = chosen == OperatorForm.Reference || (shape[1] == 1 && lengths is null) ? TitansLoop.Run(part, W, S)
                : TitansSolve.Serves(part) ? TitansSolve.Run(part, W, S, chunk ?? ChunkLayout.DefaultLength)
                : TitansChunks.Run(part, W, S);
            return call.Ends ? [output, .. W, .. S] : [output];
        }
    }
}
