using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.State;

/// <summary>A state of one layer with one tensor of each kind, as the generator would write it.</summary>
internal sealed class SmallState : MemoryState
{
    public const string ModelName = "Small", Hash = "0123abcd";

    public SmallState(long batch, ScalarType dtype = ScalarType.Float64, string model = ModelName, string declaration = Hash)
        : base(model, declaration, batch, CPU, dtype) => Layer = new SmallLayer(this);

    public SmallLayer Layer { get; }

    public override SmallState Clone() => (SmallState)base.Clone();

    protected override MemoryState New(long batch) => new SmallState(batch, Dtype);

    public static SmallState Load(string path)
    {
        var state = new SmallState(BatchOf(path), DtypeOf(path));
        state.Read(path);
        return state;
    }

    /// <summary>Reads values as a layer of a model would: [B, T] into every tensor.</summary>
    public void Advance(Tensor values)
    {
        using var step = Begin(values.shape[0], values.shape[1]);
        Layer.Read(values);
        step.Commit();
    }

    /// <summary>All that the state holds, as numbers.</summary>
    public double[][] Content =>
        [.. Tensors.Select(t => t.Value.to(ScalarType.Float64).contiguous().view(-1).data<double>().ToArray()), [.. Positions.data<long>().ToArray().Select(p => (double)p)]];
}

internal sealed class SmallLayer : LayerState
{
    public SmallLayer(MemoryState owner) : base(owner, "layers.0")
    {
        Sum = Memory("sum", 2);
        Last = Cache("last", 3, 1);
        All = GrowingCache("all", 1);
    }

    public StateTensor Sum { get; }
    public StateTensor Last { get; }
    public StateTensor All { get; }

    public void Read(Tensor values)
    {
        Sum.Update(Sum.Value * 0.5 + values.sum(1, keepdim: true));
        Last.Append(values.unsqueeze(-1));
        All.Append(values.unsqueeze(-1));
    }
}
