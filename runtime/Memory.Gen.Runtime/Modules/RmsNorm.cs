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
    private readonly Parameter weight;
    private bool registered;

    /// <param name="features">Size of the last axis.</param>
    /// <param name="eps">Added to the mean of squares.</param>
    /// <param name="device">Where the weight lies; null is the CPU.</param>
    /// <param name="dtype">Its element type; null is float32.</param>
    public RmsNorm(long features, double eps = 1e-6, Device? device = null, ScalarType? dtype = null) : base(nameof(RmsNorm))
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(features, 1);
        this.eps = eps;
        weight = Initialize.Parameter(ones([features], dtype: dtype, device: device));
        RegisterComponents();
    }

    /// <summary>Normalizes the last axis; shape and element type stay. Half types are normalized in float32.</summary>
    /// <param name="x"><c>[..., features]</c>.</param>
    public override Tensor forward(Tensor x) => RootMeanSquareNorm.Apply(x, weight, eps);

    /// <summary>The same, times silu(gate), in one pass.</summary>
    /// <param name="x"><c>[..., features]</c>.</param>
    /// <param name="gate">The shape of <paramref name="x"/>.</param>
    public Tensor Gated(Tensor x, Tensor gate) => RootMeanSquareNorm.Gated(x, weight, gate, eps);

    /// <inheritdoc/>
    protected override void RegisterComponents()
    {
        if (registered)
            return;
        registered = true;
        register_parameter(nameof(weight), weight);
    }
}
