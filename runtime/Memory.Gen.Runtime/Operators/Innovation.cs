using TorchSharp.Modules;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>How far the tokens of a call are from what the memory before them led to expect: what tells a B'MOJO layer which to keep.</summary>
/// <remarks>
/// Innovation in the sense of a state space's realization: the part of an input that the state could not predict. How it is
/// measured is not in what we could read of the paper; these are our choices. Scores have no gradient.
/// </remarks>
public sealed class Innovation
{
    private const double Epsilon = 1e-6;
    private readonly Tensor errors;    // [B, T], mean square of x - W y - b
    private readonly Tensor foreseen;  // [B, T], false at the first token of a text

    private Innovation(Tensor errors, Tensor foreseen, Tensor scores) => (this.errors, this.foreseen, Scores) = (errors, foreseen, scores);

    /// <summary><c>[B, T]</c>, float32 or wider: <c>mean (x_t - W y_{t-1} - b)^2 / mean x_t^2</c>; infinite for the first token of a text.</summary>
    public Tensor Scores { get; }

    /// <summary>The error of a linear prediction from the memory's last output.</summary>
    /// <param name="x">What the layer reads, <c>[B, T, D]</c>.</param>
    /// <param name="before">What the memory gave for the token before each, <c>[B, T, D]</c>.</param>
    /// <param name="predictor">W and b: the best linear prediction of tokens whose mean is not 0 has a constant.</param>
    /// <param name="read">How many tokens each row has read before, <c>[B]</c> int64: the first of a text has nothing before it.</param>
    public static Innovation Of(Tensor x, Tensor before, Linear predictor, Tensor read)
    {
        using var scope = NewDisposeScope();
        Tensor wide = Wide(x);
        Tensor errors = (wide - Projection.Apply(before.detach(), predictor).to(wide.dtype)).square().mean([-1]);
        Tensor foreseen = (read.unsqueeze(1) + arange(x.shape[1], dtype: ScalarType.Int64, device: x.device)).gt(0);
        Tensor scores = (errors.detach() / (wide.square().mean([-1]) + Epsilon)).masked_fill(foreseen.logical_not(), double.PositiveInfinity);
        return new Innovation(errors.MoveToOuterDisposeScope(), foreseen.MoveToOuterDisposeScope(), scores.MoveToOuterDisposeScope());
    }

    /// <summary>The prediction's loss, <c>mean (x_t - W y_{t-1} - b)^2</c> over all tokens that have one before them; its gradient reaches W and b alone.</summary>
    /// <param name="padding">bool <c>[B, T]</c>, true at tokens that do not count; null where all do.</param>
    /// <returns>A number <c>[]</c>; 0 without tokens that count.</returns>
    public Tensor Loss(Tensor? padding = null)
    {
        using var scope = NewDisposeScope();
        Tensor counts = padding is null ? foreseen : foreseen.logical_and(padding.logical_not());
        Tensor sum = errors.masked_fill(counts.logical_not(), 0).sum();
        return (sum / counts.sum().clamp_min(1)).MoveToOuterDisposeScope();
    }

    /// <summary>What the memory recalls for a token's own key before the token is written, against what is written: <c>1 - cos(v_t, S_{t-1}^T k_t)</c>, over all heads together.</summary>
    /// <param name="k">Keys <c>[B, T, H, K]</c>, or <c>[B, T, N]</c> of a diagonal memory.</param>
    /// <param name="v">Values <c>[B, T, H, V]</c>, or <c>[B, T, C]</c>.</param>
    /// <param name="state">S before the first token, <c>[B, H, K, V]</c> or <c>[B, C, N]</c>; null for nothing.</param>
    /// <param name="read">What the memory reads for queries of the shape of <paramref name="k"/> while it takes in these tokens: <c>S_t^T q_t</c>.</param>
    /// <returns><c>[B, T]</c>, float32 or wider; 1 where nothing is recalled.</returns>
    public static Tensor Residual(Tensor k, Tensor v, Tensor? state, Func<Tensor, Tensor> read)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        long T = k.shape[1];
        ScalarType wide = v.dtype.Wide();
        if (T == 0) return zeros(k.shape[..2], dtype: wide, device: k.device).MoveToOuterDisposeScope();

        // Asked with the next token's key, a token reads what the memory holds before that one is written.
        Tensor key = k.select(1, 0).to(wide);
        Tensor first = state is null ? zeros_like(v.select(1, 0), dtype: wide) : (state * (k.dim() == 3 ? key.unsqueeze(1) : key.unsqueeze(3))).sum(2);
        Tensor others = read(cat(new[] { k.narrow(1, 1, T - 1), k.narrow(1, 0, 1) }, 1)).narrow(1, 0, T - 1).to(wide);
        Tensor recalled = cat(new[] { first.unsqueeze(1), others }, 1).flatten(2), written = v.to(wide).flatten(2);
        Tensor lengths = (recalled.square().sum(2) * written.square().sum(2)).sqrt();
        return (1 - ((recalled * written).sum(2) / (lengths + Epsilon))).MoveToOuterDisposeScope();
    }

    /// <summary>A token's size, <c>mean x_t^2</c>: a baseline that predicts nothing.</summary>
    /// <param name="x"><c>[B, T, D]</c>.</param>
    /// <returns><c>[B, T]</c>, float32 or wider.</returns>
    public static Tensor Norm(Tensor x)
    {
        using var scope = NewDisposeScope();
        return Wide(x).square().mean([-1]).MoveToOuterDisposeScope();
    }

    /// <summary>A number in [0, 1) that a token's position alone decides, spread as if drawn: a baseline that chooses blindly.</summary>
    /// <param name="positions"><c>[B, T]</c> int64.</param>
    /// <param name="dtype">The model's element type.</param>
    /// <returns><c>[B, T]</c>, float32 or wider.</returns>
    public static Tensor Random(Tensor positions, ScalarType dtype)
    {
        // Squares and products modulo a prime below 2^31: whole numbers, the same on every device.
        const long Prime = int.MaxValue;
        using var scope = NewDisposeScope();
        Tensor number = positions.remainder(Prime);
        foreach ((long factor, long summand) in new[] { (48_271L, 1_013L), (69_621L, 90_001L), (39_373L, 7_919L) })
        {
            number = (number * factor + summand).remainder(Prime);
            number = number.square().remainder(Prime);
        }

        return (number.to(dtype.Wide()) / (double)Prime).MoveToOuterDisposeScope();
    }

    /// <summary>A token's position: the newest have the largest.</summary>
    /// <param name="positions"><c>[B, T]</c> int64.</param>
    /// <param name="dtype">The model's element type.</param>
    /// <returns><c>[B, T]</c>, float32 or wider.</returns>
    public static Tensor Recency(Tensor positions, ScalarType dtype) => positions.to(dtype.Wide());

    private static Tensor Wide(Tensor x) => x.detach().to(x.dtype.Wide());
}
