using static TorchSharp.torch;

namespace Memory.Gen.Runtime;

/// <summary>The part of a state that one layer reads and writes; every emitted layer kind has its own.</summary>
/// <param name="owner">The state this belongs to.</param>
/// <param name="prefix">Goes before the names of the layer's tensors, with a dot; "layers.3" for example.</param>
public abstract class LayerState(MemoryState owner, string prefix)
{
    private readonly List<StateTensor> tensors = [];

    /// <summary><c>[B]</c> int64: tokens each row had read when the current call began.</summary>
    public Tensor Positions => owner.Positions;

    /// <summary>The same as numbers; they are read from the device once a call.</summary>
    public IReadOnlyList<long> RowPositions => owner.RowPositions;

    /// <summary>bool <c>[B, T]</c>, true at tokens of this call that do not count in a loss; null where all do.</summary>
    public Tensor? Padding => owner.Padding;

    /// <summary>Adds a number to <see cref="MemoryState.AuxiliaryLoss"/> of this call.</summary>
    /// <param name="loss"><c>[]</c>. The state takes it over.</param>
    /// <exception cref="InvalidOperationException">No transaction is open.</exception>
    public void AddLoss(Tensor loss) => owner.AddLoss(loss);

    /// <summary>
    /// Cuts all that the layer keeps from what made it, in every row whose stretch of text begins here. Nothing else changes, and
    /// no gradient passes from one stretch to another, however calls divide the text.
    /// </summary>
    /// <param name="stretch">Tokens of a stretch, counted from the beginning of a row's text; at least 1.</param>
    /// <param name="read">Tokens of the present call that the layer has read.</param>
    /// <exception cref="InvalidOperationException">No transaction is open.</exception>
    public void Cut(long stretch, long read)
    {
        bool[] begins = [.. RowPositions.Select(position => position + read > 0 && (position + read) % stretch == 0)];
        if (!begins.Contains(true)) return;
        foreach (StateTensor tensor in tensors)
            if (tensor.Value.requires_grad) tensor.Update(tensor.Value.CutRows(begins));
    }

    /// <summary>A memory <c>[B, shape...]</c>, zeros at first, kept in float32, or float64 when the model is.</summary>
    /// <param name="name">Its name within the layer.</param>
    /// <param name="shape">Sizes after the batch axis.</param>
    protected internal StateTensor Memory(string name, params long[] shape) =>
        Add(owner.Add($"{prefix}.{name}", shape, owner.Dtype.Wide(), grows: false));

    /// <summary>A cache of activations <c>[B, shape...]</c>, zeros at first, kept in the model's element type.</summary>
    /// <param name="name">Its name within the layer.</param>
    /// <param name="shape">Sizes after the batch axis.</param>
    protected internal StateTensor Cache(string name, params long[] shape) =>
        Add(owner.Add($"{prefix}.{name}", shape, owner.Dtype, grows: false));

    /// <summary>Whole numbers <c>[B, shape...]</c>, int64, zeros at first: places in a text, counts.</summary>
    /// <param name="name">Its name within the layer.</param>
    /// <param name="shape">Sizes after the batch axis.</param>
    protected internal StateTensor Counts(string name, params long[] shape) =>
        Add(owner.Add($"{prefix}.{name}", shape, ScalarType.Int64, grows: false));

    /// <summary>A cache <c>[B, L, shape...]</c> whose L, 0 at first, grows with the text; entries are right-aligned.</summary>
    /// <param name="name">Its name within the layer.</param>
    /// <param name="shape">Sizes after the first two axes.</param>
    protected StateTensor GrowingCache(string name, params long[] shape) =>
        Add(owner.Add($"{prefix}.{name}", shape, owner.Dtype, grows: true));

    private StateTensor Add(StateTensor tensor)
    {
        tensors.Add(tensor);
        return tensor;
    }
}
