using Memory.Gen.Runtime.Kernels;
using TorchSharp;
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
    // A row or two, copied here, cost a tenth of torch's way to them.
    private const long FewSymbols = 16;

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
    /// <exception cref="ObjectDisposedException">The table was disposed.</exception>
    public override Tensor forward(Tensor symbols)
    {
        if (weight.IsInvalid) throw new ObjectDisposedException(nameof(Embedding), "Embedding was disposed, and its weight with it.");
        if (Few(symbols) is { } rows) return rows;
        using var scope = NewDisposeScope();
        return weight.index_select(0, symbols.reshape(-1)).view([.. symbols.shape, weight.shape[1]]).MoveToOuterDisposeScope();
    }

    // Null for more symbols, where a gradient is wanted, and where torch has to say what is wrong with them.
    private unsafe Tensor? Few(Tensor symbols)
    {
        if (symbols.IsInvalid || symbols.dtype != ScalarType.Int64 || symbols.device_type != DeviceType.CPU || symbols.numel() > FewSymbols || !symbols.is_contiguous() || !KernelLibrary.TakesDirectly(weight)) return null;
        int features = (int)weight.size(1), count = (int)symbols.numel();
        long symbolCount = weight.size(0);
        var chosen = new ReadOnlySpan<long>(KernelLibrary.Data(symbols), count);
        foreach (long symbol in chosen)
            if (symbol < 0 || symbol >= symbolCount) return null;
        Tensor rows = empty([.. symbols.Sizes(), features], dtype: ScalarType.Float32, device: CPU);
        float* from = (float*)KernelLibrary.Data(weight), to = (float*)KernelLibrary.Data(rows);
        for (int i = 0; i < count; i++)
            new ReadOnlySpan<float>(from + (chosen[i] * features), features).CopyTo(new Span<float>(to + ((long)i * features), features));
        GC.KeepAlive(symbols);
        GC.KeepAlive(weight);
        return rows;
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
