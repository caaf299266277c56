using Memory.Gen.Runtime.Operators;
using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Modules;

/// <summary>A linear projection for each of M memories, without bias: every token copy is multiplied by the weight of its own memory.</summary>
public sealed class RoutedLinear : nn.Module<Tensor, Routing, Tensor>
{
    private readonly Parameter weight;
    private bool registered;

    /// <param name="memories">M, at least 1.</param>
    /// <param name="inputs">Size of the last axis that comes in, at least 1.</param>
    /// <param name="outputs">Size of the last axis that goes out, at least 1.</param>
    /// <param name="device">Where the weights lie; null is the CPU.</param>
    /// <param name="dtype">Their element type; null is float32.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is below 1.</exception>
    public RoutedLinear(long memories, long inputs, long outputs, Device? device = null, ScalarType? dtype = null) : base(nameof(RoutedLinear))
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(memories, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(inputs, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(outputs, 1);
        weight = Initialize.Uniform([memories, outputs, inputs], 1 / Math.Sqrt(inputs), device, dtype);
        RegisterComponents();
    }

    internal Parameter Weight => weight;

    /// <summary>Projects token copies as <see cref="Routing.Gather"/> lays them out.</summary>
    /// <param name="rows"><c>[1, N, inputs]</c> or <c>[N, 1, inputs]</c>.</param>
    /// <param name="route">Says which of them belong to which memory.</param>
    /// <returns>The same with the last axis <c>outputs</c>.</returns>
    public override Tensor forward(Tensor rows, Routing route) => RoutedProjection.Apply(rows, route, this);

    /// <inheritdoc/>
    protected override void RegisterComponents()
    {
        if (registered)
            return;
        registered = true;
        register_parameter(nameof(weight), weight);
    }
}
