using Memory.Gen.Runtime.Operators;
using Memory.Gen.Runtime.Tests.Operators;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.State;

/// <summary>A state of one Titans memory, as the generator would write it.</summary>
internal sealed class TitansState : MemoryState
{
    public const string ModelName = "Titans";

    private readonly TitansCase variant;

    public TitansState(TitansCase variant, long batch, ScalarType dtype = ScalarType.Float64) : base(ModelName, "0123abcd", batch, CPU, dtype)
    {
        this.variant = variant;
        Blocks = new TitansBlocks(new Layer(this), "memory", TitansCase.H, variant.Widths, variant.Options.Block, variant.Momentum, variant.Forgetting, variant.Options.GatedLinearUnit);
    }

    public TitansBlocks Blocks { get; }

    public override TitansState Clone() => (TitansState)base.Clone();

    protected override MemoryState New(long batch) => new TitansState(variant, batch, Dtype);

    public static TitansState Load(TitansCase variant, string path)
    {
        var state = new TitansState(variant, BatchOf(path), DtypeOf(path));
        state.Read(path);
        return state;
    }

    /// <summary>Reads tokens as a layer of a model would.</summary>
    /// <param name="x">Sequences of the variant.</param>
    /// <param name="others">Its target and gamma.</param>
    /// <param name="initial">What a row begins with: weights, then momenta.</param>
    public Tensor Advance(Tensor[] x, Tensor[] others, Tensor[] initial)
    {
        using var step = Begin(x[0].shape[0], x[0].shape[1]);
        Tensor output = Read(x, others, initial);
        step.Commit();
        return output;
    }

    /// <summary>The same, given up before its commit.</summary>
    public void Try(Tensor[] x, Tensor[] others, Tensor[] initial)
    {
        using var step = Begin(x[0].shape[0], x[0].shape[1]);
        Read(x, others, initial);
    }

    private Tensor Read(Tensor[] x, Tensor[] others, Tensor[] initial) => Blocks.Read(
        x[0], x[1], x[2], x[3], variant.Momentum ? x[4] : null, variant.Forgetting ? x[^1] : null,
        initial[..variant.Depth], variant.Momentum ? initial[variant.Depth..] : null, variant.Options,
        variant.TargetOf(others, Batch), variant.Residual ? others[^1] : null);

    private sealed class Layer(MemoryState owner) : LayerState(owner, "layers.0");
}
