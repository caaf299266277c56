using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models.Titans;

// Persistent tokens do not fill their last block, and a text ends within a block, within a segment and within a stretch of them.

[MemoryLayer(Dim = 6)]
[TitansMemory(TitansVariant.MemoryOnly, Heads = 2, Block = 4, PersistentTokens = 6)]
public sealed partial class MemoryOnlyTitans;

[MemoryLayer(Dim = 8)]
[TitansMemory(TitansVariant.Gate, Heads = 2, Window = 5, Block = 4, MemoryDepth = 2, PersistentTokens = 3)]
public sealed partial class GateTitans;

[MemoryLayer(Dim = 8)]
[TitansMemory(
    TitansVariant.Gate, Heads = 2, Window = 6, Block = 4, Attention = TitansAttention.Segmented, Squash = TitansSquash.Memory, Momentum = false,
    PersistentTokens = 2, Persistent = TitansPersistent.KeyValue)]
public sealed partial class SegmentedGateTitans;

[MemoryLayer(Dim = 8)]
[TitansMemory(TitansVariant.Layer, Heads = 2, Window = 4, Block = 5, DecayTo = TitansDecayTarget.Initial, PersistentTokens = 3)]
public sealed partial class LayerTitans;

[MemoryLayer(Dim = 8)]
[TitansMemory(TitansVariant.Context, Heads = 2, Window = 4, Block = 2, BackpropSegments = 1, MemoryDepth = 2, PersistentTokens = 2)]
public sealed partial class ContextTitans;

[MemoryLayer(Dim = 8)]
[TitansMemory(TitansVariant.Context, Heads = 2, Window = 4, Block = 4, BackpropSegments = 2, Forgetting = false)]
public sealed partial class OneBlockContextTitans;

// Each option at least once away from its default.

[MemoryLayer(Dim = 8)]
[TitansMemory(
    TitansVariant.MemoryOnly, Heads = 2, Block = 3, MemoryDepth = 3, Expansion = 1, Activation = TitansActivation.Gelu, Residual = true,
    Decay = TitansDecay.BeforeGradient, DecayTo = TitansDecayTarget.Initial, AdaptiveStep = false, MaxStep = 0.5, MaxMomentum = 0.6, InnerClip = 0.3)]
public sealed partial class DeepResidualTitans;

[MemoryLayer(Dim = 8)]
[TitansMemory(
    TitansVariant.Gate, Heads = 2, Window = 5, Block = 4, Reads = TitansRead.BlockStart, UnitLength = false, ConvWidth = 0, MaxStep = 0.1, InnerClip = 0,
    RotaryBase = 0, PersistentTokens = 3)]
public sealed partial class LaggingGateTitans;

[MemoryLayer(Dim = 8)]
[TitansMemory(
    TitansVariant.Gate, Heads = 2, Window = 5, Block = 4, Residual = true, Momentum = false, AdaptiveStep = false, Decay = TitansDecay.BeforeGradient,
    PersistentTokens = 2)]
public sealed partial class ResidualGateTitans;

[MemoryLayer(Dim = 8)]
[TitansMemory(
    TitansVariant.Layer, Heads = 2, Window = 6, Block = 4, Attention = TitansAttention.Segmented, Decay = TitansDecay.BeforeGradient, ConvWidth = 2,
    InnerClip = 0.5, PersistentTokens = 2, Persistent = TitansPersistent.KeyValue, RotaryBase = 100)]
public sealed partial class SegmentedLayerTitans;

[MemoryLayer(Dim = 8)]
[TitansMemory(
    TitansVariant.Context, Heads = 2, Window = 6, Block = 2, MemoryDepth = 2, Activation = TitansActivation.Gelu, Residual = true,
    DecayTo = TitansDecayTarget.Initial, Reads = TitansRead.BlockStart, Squash = TitansSquash.Memory, PersistentTokens = 2,
    Persistent = TitansPersistent.KeyValue, RotaryBase = 100)]
public sealed partial class ResidualContextTitans;

[MemoryLayer(Dim = 8)]
[TitansMemory(TitansVariant.Context, Heads = 2, Window = 5, Block = 1, BackpropSegments = 0, UnitLength = false, ConvWidth = 0, MaxStep = 0.1, RotaryBase = 0)]
public sealed partial class PlainContextTitans;

[MemoryLayer(Dim = 8)]
[TitansMemory(TitansVariant.MemoryOnly, Heads = 2, Block = 4, GatedLinearUnit = true, Expansion = 3, PersistentTokens = 3)]
public sealed partial class GatedUnitTitans;

[MemoryLayer(Dim = 8)]
[TitansMemory(
    TitansVariant.Context, Heads = 2, Window = 4, Block = 2, GatedLinearUnit = true, Expansion = 1, Activation = TitansActivation.Gelu, Residual = true,
    DecayTo = TitansDecayTarget.Initial, InnerClip = 0.3)]
public sealed partial class GatedUnitContextTitans;

[MemoryLayer(Dim = 8)]
[TitansMemory(TitansVariant.MemoryOnly, Heads = 2, Block = 4, Muon = true, PersistentTokens = 3)]
public sealed partial class MuonTitans;

[MemoryLayer(Dim = 8)]
[TitansMemory(
    TitansVariant.Gate, Heads = 2, Window = 5, Block = 5, Muon = true, WeightNorm = true, GatedLinearUnit = true, Forgetting = false, InnerClip = 0.3, Momentum = false,
    MaxStep = 0.1)]
public sealed partial class LargeChunkTitans;

[MemoryLayer(Dim = 8)]
[TitansMemory(
    TitansVariant.Layer, Heads = 2, Window = 6, Block = 3, Muon = true, WeightNorm = true, MemoryDepth = 3, Expansion = 1, Activation = TitansActivation.Gelu,
    Decay = TitansDecay.BeforeGradient, Residual = true, MaxStep = 0.02, MaxMomentum = 0.6, RotaryBase = 100, PersistentTokens = 3)]
public sealed partial class MuonLayerTitans;

/// <summary>Every way of putting memory and attention together against its equations, token by token in float64.</summary>
public sealed class TitansOracleTests : IDisposable
{
    private const long Rows = 2, Tokens = 17;
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Generator random = new(7, CPU);

    public static TheoryData<string> All =>
    [
        nameof(MemoryOnlyTitans), nameof(GateTitans), nameof(SegmentedGateTitans), nameof(LayerTitans), nameof(ContextTitans), nameof(OneBlockContextTitans),
        nameof(DeepResidualTitans), nameof(LaggingGateTitans), nameof(ResidualGateTitans), nameof(SegmentedLayerTitans), nameof(ResidualContextTitans),
        nameof(PlainContextTitans), nameof(GatedUnitTitans), nameof(GatedUnitContextTitans), nameof(MuonTitans), nameof(LargeChunkTitans), nameof(MuonLayerTitans),
    ];

    public void Dispose() => scope.Dispose();

    [Theory, MemberData(nameof(All))]
    public void ALayerIsItsEquationsTokenByToken(string name)
    {
        var (layer, rule) = New(name);
        using var owned = layer;
        RandomWeights.Fill(layer, 0.5, Normal);
        Tensor x = Normal(Rows, Tokens, name == nameof(MemoryOnlyTitans) ? 6 : 8).requires_grad_();
        Tensor expected = stack([.. x.unbind(0).Select(row => new TitansOracle(rule, weight => layer.get_parameter("mixer." + weight)).Read(row))], 0);
        using MemoryState state = ((IMemoryLayer)layer).NewState(Rows);
        Tensor whole = layer.call(x), split = cat([.. new[] { (0L, 9L), (9, 1), (10, 7) }.Select(part => ((IMemoryLayer)layer).Prefill(x.narrow(1, part.Item1, part.Item2), state))], 1);
        Numbers.Near(expected, whole, 1e-12, "outputs");
        Numbers.Near(expected, split, 1e-12, "outputs in parts");

        Tensor upstream = Normal(expected.shape);
        (string, Tensor)[] inputs = [("x", x), .. layer.named_parameters().Select(p => (p.name, (Tensor)p.parameter))];
        foreach (Tensor actual in new[] { whole, split })
            Numbers.NearGradients(expected, actual, inputs, upstream, 1e-10);
    }

    /// <summary>Gates near the middle of their ranges and little forgetting, whatever a token is; a memory of ordinary size.</summary>
    [Fact]
    public void AFreshLayerBeginsAsThePageSays()
    {
        using var layer = new ResidualContextTitans(dtype: ScalarType.Float64);
        double[] Values(string name) => layer.get_parameter("mixer." + name)!.detach().contiguous().data<double>().ToArray();
        double[] Open(string gate) => [.. Values($"memory.{gate}.bias").Select(b => 1 / (1 + Math.Exp(-b)))];
        Assert.All(Open("step"), value => Assert.Equal(0.5, value, 12));
        Assert.All(Open("momentum"), value => Assert.Equal(0.5, value, 12));
        Assert.All(Open("forgetting"), value => Assert.Equal(0.01, value, 12));
        Assert.All(Values("memory.gamma"), value => Assert.Equal(1, value));
        // Xavier's bound for 4 to 8 features.
        foreach (double[] weights in new[] { Values("memory.weights_1"), Values("memory.weights_2") })
            Assert.InRange(weights.Max(Math.Abs), 0.5, Math.Sqrt(6.0 / 12));
        using var plain = new LaggingGateTitans(dtype: ScalarType.Float64);
        Assert.InRange(plain.get_parameter("mixer.persistent")!.abs().max().item<double>(), 0.5, 1);
    }

    private static (nn.Module<Tensor, Tensor> Layer, TitansRule Rule) New(string name) => name switch
    {
        nameof(MemoryOnlyTitans) => (new MemoryOnlyTitans(dtype: ScalarType.Float64), new(TitansVariant.MemoryOnly, 4)),
        nameof(GateTitans) => (new GateTitans(dtype: ScalarType.Float64), new(TitansVariant.Gate, 4, 5) { MaxStep = 0.25 }),
        nameof(SegmentedGateTitans) => (new SegmentedGateTitans(dtype: ScalarType.Float64), new(TitansVariant.Gate, 4, 6) { IsSegmented = true, SquashesMemory = true }),
        nameof(LayerTitans) => (new LayerTitans(dtype: ScalarType.Float64), new(TitansVariant.Layer, 5, 4) { DecaysToInitial = true }),
        nameof(ContextTitans) => (new ContextTitans(dtype: ScalarType.Float64), new(TitansVariant.Context, 2, 4) { MaxStep = 0.1, Stretch = 8 }),
        nameof(DeepResidualTitans) => (new DeepResidualTitans(dtype: ScalarType.Float64), new(TitansVariant.MemoryOnly, 3)
        {
            Activation = TitansActivation.Gelu, DecaysFirst = true, DecaysToInitial = true, MaxStep = 0.5, MaxMomentum = 0.6, Clip = 0.3,
        }),
        nameof(LaggingGateTitans) => (new LaggingGateTitans(dtype: ScalarType.Float64), new(TitansVariant.Gate, 4, 5)
        {
            ReadsBlockStart = true, UnitLength = false, MaxStep = 0.1, Clip = double.PositiveInfinity, RotaryBase = 0,
        }),
        nameof(ResidualGateTitans) => (new ResidualGateTitans(dtype: ScalarType.Float64), new(TitansVariant.Gate, 4, 5) { DecaysFirst = true }),
        nameof(SegmentedLayerTitans) => (new SegmentedLayerTitans(dtype: ScalarType.Float64), new(TitansVariant.Layer, 4, 6)
        {
            IsSegmented = true, DecaysFirst = true, Clip = 0.5, RotaryBase = 100,
        }),
        nameof(ResidualContextTitans) => (new ResidualContextTitans(dtype: ScalarType.Float64), new(TitansVariant.Context, 2, 6)
        {
            Activation = TitansActivation.Gelu, DecaysToInitial = true, ReadsBlockStart = true, SquashesMemory = true, MaxStep = 0.1, RotaryBase = 100,
        }),
        nameof(PlainContextTitans) => (new PlainContextTitans(dtype: ScalarType.Float64), new(TitansVariant.Context, 1, 5)
        {
            UnitLength = false, MaxStep = 0.1, Clip = double.PositiveInfinity, RotaryBase = 0, Stretch = 5,
        }),
        nameof(GatedUnitTitans) => (new GatedUnitTitans(dtype: ScalarType.Float64), new(TitansVariant.MemoryOnly, 4) { GatedLinearUnit = true, DecaysToInitial = true, MaxStep = 0.25 }),
        nameof(GatedUnitContextTitans) => (new GatedUnitContextTitans(dtype: ScalarType.Float64), new(TitansVariant.Context, 2, 4)
        {
            GatedLinearUnit = true, Activation = TitansActivation.Gelu, DecaysToInitial = true, Clip = 0.3, MaxStep = 0.1, Stretch = 32,
        }),
        nameof(MuonTitans) => (new MuonTitans(dtype: ScalarType.Float64), new(TitansVariant.MemoryOnly, 4) { Muon = true, MaxStep = 0.25, Clip = double.PositiveInfinity }),
        nameof(LargeChunkTitans) => (new LargeChunkTitans(dtype: ScalarType.Float64), new(TitansVariant.Gate, 5, 5) { Muon = true, WeightNorm = true, GatedLinearUnit = true, Clip = 0.3, MaxStep = 0.1 }),
        nameof(MuonLayerTitans) => (new MuonLayerTitans(dtype: ScalarType.Float64), new(TitansVariant.Layer, 3, 6)
        {
            Muon = true, WeightNorm = true, Activation = TitansActivation.Gelu, DecaysFirst = true, DecaysToInitial = true, Clip = double.PositiveInfinity, MaxStep = 0.02,
            MaxMomentum = 0.6, RotaryBase = 100,
        }),
        _ => (new OneBlockContextTitans(dtype: ScalarType.Float64), new(TitansVariant.Context, 4, 4) { MaxStep = 0.1, Stretch = 12 }),
    };

    private Tensor Normal(params long[] shape) => randn(shape, dtype: ScalarType.Float64, generator: random);
}
