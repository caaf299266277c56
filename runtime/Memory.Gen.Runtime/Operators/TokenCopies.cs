using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>Copies tokens <c>[B*T, F]</c> to places <c>[N, F]</c>; backward adds a token's copies up without atomics, always in the same order.</summary>
internal sealed class TokenCopies : OperatorFunction<TokenCopies, object>
{
    public static readonly object None = new();

    protected override List<Tensor> Forward(Tensor[] inputs, object options, List<Tensor>? saved)
    {
        Tensor x = inputs[0], tokens = inputs[1], places = inputs[2];
        saved?.Add(places);
        return [x.index_select(0, tokens)];
    }

    protected override List<Tensor> Backward(Tensor?[] gradients, List<Tensor> saved, object options)
    {
        Tensor places = saved[0];
        return [Copies(gradients[0]!, places).sum(1), null!, null!];
    }

    /// <summary>The copies of every token, <c>[B*T, K, F]</c>.</summary>
    public static Tensor Copies(Tensor rows, Tensor places) =>
        rows.index_select(0, places.flatten()).view(places.shape[0], places.shape[1], rows.shape[1]);
}

/// <summary>The sum over a token's copies <c>[N, F]</c>, each times its weight <c>[B*T, K]</c>: <c>[B*T, F]</c>.</summary>
internal sealed class MixedCopies : OperatorFunction<MixedCopies, object>
{
    public static readonly object None = new();

    protected override List<Tensor> Forward(Tensor[] inputs, object options, List<Tensor>? saved)
    {
        Tensor rows = inputs[0], weights = inputs[1], places = inputs[4];
        saved?.AddRange(inputs);
        return [TokenCopies.Copies(rows, places).mul_(weights.unsqueeze(2)).sum(1)];
    }

    protected override List<Tensor> Backward(Tensor?[] gradients, List<Tensor> saved, object options)
    {
        Tensor dY = gradients[0]!;
        if (saved is not [var rows, var weights, var tokens, var copies, var places]) throw new InvalidOperationException();
        Tensor dRows = dY.index_select(0, tokens).mul_(weights.flatten().index_select(0, copies).unsqueeze(1));
        Tensor dWeights = TokenCopies.Copies(rows, places).mul_(dY.unsqueeze(1)).sum(2);
        return [dRows, dWeights, null!, null!, null!];
    }
}
