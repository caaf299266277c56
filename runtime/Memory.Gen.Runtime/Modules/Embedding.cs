using TorchSharp.Modules;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Modules;

/// <summary>A row of a table for every symbol.</summary>
/// <remarks>
/// TorchSharp's own embedding lives in native code: it loses its weight to the dispose scope that it is made in, hands out another
/// tensor at every look at the weight, and takes memory on the meta device.
/// </remarks>
public sealed class Embedding : nn.Module<Tensor, Tensor>
{
    private readonly Parameter weight;
    private bool registered;

    /// <summary>A table of numbers from N(0, 0.02^2).</summary>
    /// <param name="rows">Number of symbols, at least 1.</param>
    /// <param name="features">Length of a row, at least 1.</param>
    /// <param name="device">Where the table lies; null is the CPU.</param>
    /// <param name="dtype">Its element type; null is float32.</param>
    /// <exception cref="ArgumentOutOfRangeException">A size is below 1.</exception>
    public Embedding(long rows, long features, Device? device = null, ScalarType? dtype = null) : base(nameof(Embedding))
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1);
        ArgumentOutOfRangeException.ThrowIfLessThan(features, 1);
        weight = Initialize.Normal([rows, features], 0.02, device, dtype);
        RegisterComponents();
    }

    /// <summary>The table, <c>[rows, features]</c>.</summary>
    public Parameter Weight => weight;

    /// <summary>Symbols to their rows.</summary>
    /// <param name="symbols"><c>[...]</c>, int64 or int32, from 0 to rows - 1.</param>
    /// <returns><c>[..., features]</c></returns>
    public override Tensor forward(Tensor symbols)
    {
        using var scope = NewDisposeScope();
        return weight.index_select(0, symbols.reshape(-1)).view([.. symbols.shape, weight.shape[1]]).MoveToOuterDisposeScope();
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
