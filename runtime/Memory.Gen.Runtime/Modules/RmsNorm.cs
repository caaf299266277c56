using Memory.Gen.Runtime.Operators;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Modules;

/// <summary>
/// Root mean square norm over the last axis: <c>x / sqrt(mean(x^2) + eps) * weight</c>
/// (Zhang and Sennrich, Root Mean Square Layer Normalization, arXiv 1910.07467).
/// </summary>
public sealed class RmsNorm : nn.Module<Tensor, Tensor>
{
    private readonly double eps;
    private readonly long groups;
    private readonly Parameter weight;
    private bool registered;

    /// <param name="features">Size of the last axis, at least 1.</param>
    /// <param name="eps">Added to the mean of squares.</param>
    /// <param name="device">Where the weight lies; null is the CPU.</param>
    /// <param name="dtype">Its element type; null is float32.</param>
    /// <param name="groups">Parts of the last axis, each with a mean square of its own; divides <paramref name="features"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is below 1.</exception>
    /// <exception cref="ArgumentException">The groups do not divide the features.</exception>
    public RmsNorm(long features, double eps = 1e-6, Device? device = null, ScalarType? dtype = null, long groups = 1) : base(nameof(RmsNorm))
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(features, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(groups, 1);
        if (features % groups != 0)
            throw new ArgumentException($"RmsNorm: {groups} groups do not divide {features} features.", nameof(groups));
        this.groups = groups;
        this.eps = eps;
        weight = Initialize.Parameter(ones([features], dtype: dtype, device: device));
        RegisterComponents();
    }

    /// <summary>Normalizes the last axis; shape and element type stay. Half types are normalized in float32.</summary>
    /// <param name="x"><c>[..., features]</c>.</param>
    /// <returns><c>[..., features]</c>.</returns>
    public override Tensor forward(Tensor x) => groups == 1 ? RootMeanSquareNorm.Apply(x, weight, eps) : InGroups(x);

    /// <summary>The same, times silu(gate), in one pass.</summary>
    /// <param name="x"><c>[..., features]</c>.</param>
    /// <param name="gate">The shape of <paramref name="x"/>.</param>
    /// <returns><c>[..., features]</c>.</returns>
    /// <exception cref="InvalidOperationException">The norm has groups.</exception>
    public Tensor Gated(Tensor x, Tensor gate) => RootMeanSquareNorm.Gated(x, OneWeight(), gate, eps);

    /// <summary>The gated norm of every head, and the heads side by side.</summary>
    /// <param name="x"><c>[..., H, features]</c>.</param>
    /// <param name="gate"><c>[..., H * features]</c>.</param>
    /// <returns>The shape of <paramref name="gate"/>.</returns>
    /// <exception cref="InvalidOperationException">The norm has groups.</exception>
    public Tensor GatedHeads(Tensor x, Tensor gate) => RootMeanSquareNorm.GatedHeads(x, OneWeight(), gate, eps);

    private Parameter OneWeight() => groups == 1 ? weight : throw new InvalidOperationException("RmsNorm: a gate behind the norm needs groups = 1.");

    // The operator has one weight for all rows: here every group is a row, and the weights follow it.
    private Tensor InGroups(Tensor x)
    {
        using var scope = NewDisposeScope();
        long features = weight.shape[0] / groups;
        Tensor rows = x.reshape([.. x.shape[..^1], groups, features]);
        Tensor normed = RootMeanSquareNorm.Apply(rows, ones([features], dtype: x.dtype, device: x.device), eps);
        return (normed * weight.view(groups, features)).view(x.shape).MoveToOuterDisposeScope();
    }

    /// <inheritdoc/>
    protected override void RegisterComponents()
    {
        if (registered)
            return;
        registered = true;
        register_parameter(nameof(weight), weight);
    }
}
