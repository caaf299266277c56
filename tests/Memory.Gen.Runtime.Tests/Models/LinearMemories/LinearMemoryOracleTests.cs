using Memory.Gen.Runtime.Tests.Models.Mixtures;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models.LinearMemories;

[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.Linear, Heads = 2, KeyDim = 4, ValueDim = 3, ConvWidth = 3)]
public sealed partial class AdditiveMemory;

[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.Linear, Heads = 3, UnitLength = true, OutputGate = false)]
public sealed partial class UnitAdditiveMemory;

/// <summary>The closest to Transformers are RNNs.</summary>
[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.Linear, Heads = 2, FeatureMap = FeatureMap.EluPlusOne, Normalized = true, ConvWidth = 0, OutputGate = false)]
public sealed partial class NormalizedMemory;

[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.Linear, Heads = 2, KeyDim = 5, FeatureMap = FeatureMap.Relu, Normalized = true)]
public sealed partial class ReluMemory;

/// <summary>The closest to Based.</summary>
[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.Linear, Heads = 2, FeatureMap = FeatureMap.Taylor, KeyDim = 4, Normalized = true, ConvWidth = 0, OutputGate = false)]
public sealed partial class TaylorMemory;

[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.Linear, Heads = 3, FeatureMap = FeatureMap.Taylor, KeyDim = 5)]
public sealed partial class AdditiveTaylorMemory;

[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.Linear, Heads = 2, FeatureMap = FeatureMap.Hedgehog, Normalized = true, ConvWidth = 0)]
public sealed partial class HedgehogMemory;

[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.Linear, Heads = 3, FeatureMap = FeatureMap.Hedgehog, KeyDim = 3, OutputGate = false)]
public sealed partial class AdditiveHedgehogMemory;

[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.ScalarDecay, Heads = 3, ConvWidth = 2)]
public sealed partial class ScalarDecayMemory;

[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.ScalarDecay, Decay = DecaySchedule.RetNet, RotaryBase = 100, Heads = 3, ValueDim = 4, ConvWidth = 0)]
public sealed partial class RetentionMemory;

[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.ScalarDecay, Decay = DecaySchedule.Lightning, Heads = 3, OutputGate = false)]
public sealed partial class LightningMemory;

[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.TiedDecay, Heads = 2, KeyDim = 5, ValueDim = 4)]
public sealed partial class TiedDecayMemory;

/// <summary>The closest to HGRN2.</summary>
[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.TiedDecay, Heads = 3, ConvWidth = 0, OutputGate = false)]
public sealed partial class BareTiedDecayMemory;

[MemoryModel(VocabSize = 11, Dim = 6, Layers = 4, FeedForward = 0)]
[LinearMemory(Rule = MemoryRule.TiedDecay, Heads = 2)]
public sealed partial class TiedDecayStack;

[MemoryModel(VocabSize = 11, Dim = 6, Pattern = "FLwL", FeedForward = 0)]
[LinearMemory('F', Rule = MemoryRule.ScalarDecay, Decay = DecaySchedule.Lightning, Heads = 2, ConvWidth = 0)]
[LinearMemory('L', Rule = MemoryRule.ScalarDecay, Decay = DecaySchedule.Lightning, Heads = 3)]
[SlidingAttention('w', Heads = 2, Window = 1, RotaryBase = 0)]
public sealed partial class LightningStack;

[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.ChannelDecay, Heads = 2, KeyDim = 5, ValueDim = 2)]
public sealed partial class ChannelDecayMemory;

[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.Delta, Heads = 2, KeyDim = 2, ValueDim = 5)]
public sealed partial class DeltaMemory;

[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.GatedDelta, Heads = 2, KeyDim = 4, ValueDim = 3)]
public sealed partial class GatedDeltaMemory;

[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.GatedDelta, Heads = 3, NegativeEigenvalues = true, ConvWidth = 0, OutputGate = false)]
public sealed partial class TurningDeltaMemory;

[MemoryLayer(Dim = 6)]
[LinearMemory(Heads = 2, KeyDim = 4, RotaryBase = 10)]
public sealed partial class PlacedDeltaMemory;

[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.Linear, FeatureMap = FeatureMap.EluPlusOne, Heads = 1, RotaryBase = 50, ConvWidth = 2, OutputGate = false)]
public sealed partial class PlacedMapMemory;

[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.ChannelDelta, Heads = 2, KeyDim = 5, ValueDim = 4)]
public sealed partial class ChannelDeltaMemory;

[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.ChannelDelta, Heads = 3, KeyDim = 3, NegativeEigenvalues = true, ConvWidth = 0, OutputGate = false)]
public sealed partial class TurningChannelDeltaMemory;

[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.BonusDecay, Heads = 2, KeyDim = 5, ValueDim = 4)]
public sealed partial class BonusDecayMemory;

/// <summary>The closest to RWKV-6.</summary>
[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.BonusDecay, Heads = 3, ConvWidth = 0)]
public sealed partial class BareBonusDecayMemory;

[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.BonusDecay, Heads = 2, KeyDim = 1, ConvWidth = 2, UnitLength = true, OutputGate = false)]
public sealed partial class UnitBonusDecayMemory;

[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.GeneralizedDelta, Heads = 2, KeyDim = 5, ValueDim = 4)]
public sealed partial class GeneralizedDeltaMemory;

/// <summary>The closest to RWKV-7.</summary>
[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.GeneralizedDelta, Heads = 3, ConvWidth = 0)]
public sealed partial class BareGeneralizedDeltaMemory;

[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.GeneralizedDelta, Heads = 2, KeyDim = 1, ConvWidth = 2, OutputGate = false)]
public sealed partial class UngatedGeneralizedDeltaMemory;

[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.GatedSlots, Heads = 2, KeyDim = 5, ValueDim = 4, Slots = 7)]
public sealed partial class GatedSlotsMemory;

/// <summary>The closest to Gated Slot Attention.</summary>
[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.GatedSlots, Heads = 3, Slots = 4, ConvWidth = 0, OutputGate = false)]
public sealed partial class BareGatedSlotsMemory;

[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.GatedSlots, Heads = 1, Slots = 5, ConvWidth = 0, RotaryBase = 50)]
public sealed partial class PlacedGatedSlotsMemory;

[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.GatedSlots, Heads = 2, Slots = 2, UnitLength = true)]
public sealed partial class UnitGatedSlotsMemory;

[MemoryLayer(Dim = 6)]
[LinearMemory(Heads = 2, KeyDim = 5, ValueDim = 4, Householders = 3, NegativeEigenvalues = true)]
public sealed partial class GatedDeltaProductMemory;

[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.Delta, Heads = 3, Householders = 2, ConvWidth = 0, OutputGate = false)]
public sealed partial class BareDeltaProductMemory;

[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.Delta, Heads = 1, Householders = 4, ConvWidth = 0, RotaryBase = 10)]
public sealed partial class PlacedDeltaProductMemory;

/// <summary>The closest to the memories of Qwen3-Next.</summary>
[MemoryLayer(Dim = 6)]
[LinearMemory(Heads = 6, KeyHeads = 2, KeyDim = 4, ValueDim = 3)]
public sealed partial class SharedKeysMemory;

[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.Delta, Heads = 6, KeyHeads = 3, KeyDim = 2, ConvWidth = 0, RotaryBase = 10, OutputGate = false)]
public sealed partial class PlacedSharedKeysMemory;

[MemoryLayer(Dim = 6)]
[LinearMemory(Heads = 3, KeyHeads = 1, KeyDim = 4, Householders = 2, NegativeEigenvalues = true)]
public sealed partial class SharedKeysProductMemory;

[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.Delta, Heads = 6, KeyHeads = 2, KeyDim = 4, Householders = 3, ConvWidth = 0)]
public sealed partial class BareSharedKeysProductMemory;

[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.ScalarDecay, Heads = 6, KeyHeads = 3, KeyDim = 4)]
public sealed partial class SharedKeysScalarDecayMemory;

[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.ScalarDecay, Decay = DecaySchedule.RetNet, Heads = 6, KeyHeads = 2, KeyDim = 4, RotaryBase = 100, ConvWidth = 0)]
public sealed partial class SharedKeysRetentionMemory;

[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.Linear, Heads = 6, KeyHeads = 2, KeyDim = 3, FeatureMap = FeatureMap.Hedgehog, Normalized = true)]
public sealed partial class SharedKeysHedgehogMemory;

[MemoryLayer(Dim = 6)]
[LinearMemory(Rule = MemoryRule.Linear, Heads = 3, KeyHeads = 1, FeatureMap = FeatureMap.Taylor, KeyDim = 4, ConvWidth = 0)]
public sealed partial class SharedKeysTaylorMemory;

/// <summary>Every rule of a linear memory and everything around it against the equations, token by token in float64.</summary>
public sealed class LinearMemoryOracleTests : IDisposable
{
    private const long Rows = 2, Tokens = 19, Width = 6;
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly Generator random = new(3, CPU);

    public static TheoryData<string> All =>
    [
        nameof(AdditiveMemory), nameof(UnitAdditiveMemory), nameof(NormalizedMemory), nameof(ReluMemory),
        nameof(TaylorMemory), nameof(AdditiveTaylorMemory), nameof(HedgehogMemory), nameof(AdditiveHedgehogMemory), nameof(ScalarDecayMemory), nameof(RetentionMemory), nameof(LightningMemory),
        nameof(TiedDecayMemory), nameof(BareTiedDecayMemory), nameof(ChannelDecayMemory),
        nameof(DeltaMemory), nameof(GatedDeltaMemory), nameof(TurningDeltaMemory), nameof(PlacedDeltaMemory), nameof(PlacedMapMemory), nameof(ChannelDeltaMemory), nameof(TurningChannelDeltaMemory),
        nameof(BonusDecayMemory), nameof(BareBonusDecayMemory), nameof(UnitBonusDecayMemory),
        nameof(GeneralizedDeltaMemory), nameof(BareGeneralizedDeltaMemory), nameof(UngatedGeneralizedDeltaMemory),
        nameof(GatedDeltaProductMemory), nameof(BareDeltaProductMemory), nameof(PlacedDeltaProductMemory),
        nameof(GatedSlotsMemory), nameof(BareGatedSlotsMemory), nameof(PlacedGatedSlotsMemory), nameof(UnitGatedSlotsMemory),
        nameof(SharedKeysMemory), nameof(PlacedSharedKeysMemory), nameof(SharedKeysProductMemory), nameof(BareSharedKeysProductMemory),
        nameof(SharedKeysScalarDecayMemory), nameof(SharedKeysRetentionMemory), nameof(SharedKeysHedgehogMemory), nameof(SharedKeysTaylorMemory),
    ];

    public void Dispose()
    {
        scope.Dispose();
        random.Dispose();
    }

    [Theory, MemberData(nameof(All))]
    public void ALayerIsItsEquationsTokenByToken(string name)
    {
        var (layer, rule) = New(name);
        using var owned = layer;
        RandomWeights.Fill(layer, 0.5, Normal);
        Tensor x = Normal(Rows, Tokens, Width).requires_grad_();
        LinearMemoryOracle[] oracles = [.. Enumerable.Range(0, (int)Rows).Select(_ => new LinearMemoryOracle(rule, weight => layer.get_parameter("mixer." + weight)))];
        Tensor expected = stack([.. oracles.Select((oracle, b) => stack([.. x[b].unbind(0).Select(oracle.Read)], 0))], 0);
        using MemoryState state = ((IMemoryLayer)layer).NewState(Rows);
        Tensor whole = layer.call(x), split = cat([.. new[] { (0L, 9L), (9, 1), (10, 9) }.Select(part => ((IMemoryLayer)layer).Prefill(x.narrow(1, part.Item1, part.Item2), state))], 1);
        Numbers.Near(expected, whole, 1e-11, "outputs");
        Numbers.Near(expected, split, 1e-11, "outputs in parts");
        Numbers.Near(stack([.. oracles.Select(oracle => oracle.S!)], 0), Held(rule.Rule == MemoryRule.GatedSlots ? "mixer.slot_keys" : "mixer.memory"), 1e-12, "memory");
        if (rule.Rule == MemoryRule.GatedSlots)
            Numbers.Near(stack([.. oracles.Select(oracle => oracle.U!)], 0), Held("mixer.slot_values"), 1e-12, "values of the slots");
        if (rule.IsNormalized)
            Numbers.Near(stack([.. oracles.Select(oracle => oracle.Z!)], 0), Held("mixer.normalizer"), 1e-12, "normalizer");

        Tensor upstream = Normal(expected.shape);
        (string, Tensor)[] inputs = [("x", x), .. layer.named_parameters().Select(p => (p.name, (Tensor)p.parameter))];
        foreach (Tensor actual in new[] { whole, split })
            Numbers.NearGradients(expected, actual, inputs, upstream, 1e-9);

        Tensor Held(string tensor) => state.Tensors.Single(t => t.Name == tensor).Value;
    }

    /// <summary>A layer's place counts all layers of the model, whatever they are.</summary>
    [Fact]
    public void LayersFurtherUpForgetMoreSlowly()
    {
        using var lightning = new LightningStack(dtype: ScalarType.Float64);
        CheckStack(lightning, layer => layer == 2 ? null : new(MemoryRule.ScalarDecay, layer == 0 ? 2 : 3) { Decay = DecaySchedule.Lightning });
        using var tied = new TiedDecayStack(dtype: ScalarType.Float64);
        CheckStack(tied, _ => new(MemoryRule.TiedDecay, 2));
    }

    // Four layers without feed-forward networks; one without a rule is a window of one token, which reads that token's value.
    private void CheckStack(nn.Module<Tensor, Tensor> model, Func<int, LinearMemoryRule?> declared)
    {
        RandomWeights.Fill(model, 0.5, Normal);
        Tensor tokens = randint(0, 11, [Tokens], dtype: ScalarType.Int64, generator: random);
        Tensor Weight(string name) => model.get_parameter(name + ".weight")!;
        Tensor x = Weight("embedding")[tokens];
        for (int layer = 0; layer < 4; layer++)
        {
            string mixer = $"layers.{layer}.mixer.";
            Func<Tensor, Tensor> read = declared(layer) is { } rule
                ? new LinearMemoryOracle(rule with { Depth = layer / 4.0 }, weight => model.get_parameter(mixer + weight)).Read
                : token => Weight(mixer + "output").mv(Weight(mixer + "value").mv(token));
            x = x + stack([.. Normed(x, Weight($"layers.{layer}.mixer_norm")).unbind(0).Select(read)], 0);
        }

        Numbers.Near(Normed(x, Weight("norm")).matmul(Weight("head").t()), model.call(tokens.unsqueeze(0))[0], 1e-11, "logits");
        Assert.DoesNotContain(model.state_dict().Keys, key => key.Contains("decay", StringComparison.Ordinal) || key.Contains("depth", StringComparison.Ordinal));

        static Tensor Normed(Tensor x, Tensor weight) => x / (x.square().mean([1], keepdim: true) + 1e-6).sqrt() * weight;
    }

    [Fact]
    public void WhatSetsTheDecayStaysInFloat32()
    {
        foreach (nn.Module<Tensor, Tensor> layer in new nn.Module<Tensor, Tensor>[]
        {
            new ScalarDecayMemory(dtype: ScalarType.BFloat16), new BonusDecayMemory(dtype: ScalarType.BFloat16), new BonusDecayMixture(dtype: ScalarType.BFloat16), new GatedDeltaMemory(dtype: ScalarType.BFloat16), new GatedDeltaMixture(dtype: ScalarType.BFloat16),
            new ChannelDecayMemory(dtype: ScalarType.BFloat16), new ChannelDecayMixture(dtype: ScalarType.BFloat16), new ChannelDeltaMemory(dtype: ScalarType.BFloat16), new ChannelDeltaMixture(dtype: ScalarType.BFloat16), new GeneralizedDeltaMemory(dtype: ScalarType.BFloat16), new GeneralizedDeltaMixture(dtype: ScalarType.BFloat16), new TitansMixture(dtype: ScalarType.BFloat16),
        })
        {
            using var owned = layer;
            Assert.All(layer.named_parameters(), p => Assert.Equal(
                p.name is "mixer.decay_rate" or "mixer.decay_bias" or "mixer.forgetting_bias" ? ScalarType.Float32 : ScalarType.BFloat16, p.parameter.dtype));
            foreach (ScalarType all in new[] { ScalarType.BFloat16, ScalarType.Float64 })
            {
                Assert.Equal(layer.get_parameter("mixer.output.weight")!.dtype, layer.call(ones([1, 3, Width], dtype: layer.get_parameter("mixer.output.weight")!.dtype)).dtype);
                layer.to(all);
            }
        }
    }

    private static (nn.Module<Tensor, Tensor> Layer, LinearMemoryRule Rule) New(string name)
    {
        const ScalarType type = ScalarType.Float64;
        return name switch
        {
            nameof(AdditiveMemory) => (new AdditiveMemory(dtype: type), new(MemoryRule.Linear, 2)),
            nameof(UnitAdditiveMemory) => (new UnitAdditiveMemory(dtype: type), new(MemoryRule.Linear, 3) { UnitLength = true }),
            nameof(NormalizedMemory) => (new NormalizedMemory(dtype: type), new(MemoryRule.Linear, 2) { Map = FeatureMap.EluPlusOne, IsNormalized = true }),
            nameof(ReluMemory) => (new ReluMemory(dtype: type), new(MemoryRule.Linear, 2) { Map = FeatureMap.Relu, IsNormalized = true }),
            nameof(TaylorMemory) => (new TaylorMemory(dtype: type), new(MemoryRule.Linear, 2) { Map = FeatureMap.Taylor, IsNormalized = true }),
            nameof(AdditiveTaylorMemory) => (new AdditiveTaylorMemory(dtype: type), new(MemoryRule.Linear, 3) { Map = FeatureMap.Taylor }),
            nameof(HedgehogMemory) => (new HedgehogMemory(dtype: type), new(MemoryRule.Linear, 2) { Map = FeatureMap.Hedgehog, IsNormalized = true }),
            nameof(AdditiveHedgehogMemory) => (new AdditiveHedgehogMemory(dtype: type), new(MemoryRule.Linear, 3) { Map = FeatureMap.Hedgehog }),
            nameof(ScalarDecayMemory) => (new ScalarDecayMemory(dtype: type), new(MemoryRule.ScalarDecay, 3)),
            nameof(RetentionMemory) => (new RetentionMemory(dtype: type), new(MemoryRule.ScalarDecay, 3) { Decay = DecaySchedule.RetNet, RotaryBase = 100 }),
            nameof(LightningMemory) => (new LightningMemory(dtype: type), new(MemoryRule.ScalarDecay, 3) { Decay = DecaySchedule.Lightning }),
            nameof(TiedDecayMemory) => (new TiedDecayMemory(dtype: type), new(MemoryRule.TiedDecay, 2)),
            nameof(BareTiedDecayMemory) => (new BareTiedDecayMemory(dtype: type), new(MemoryRule.TiedDecay, 3)),
            nameof(ChannelDecayMemory) => (new ChannelDecayMemory(dtype: type), new(MemoryRule.ChannelDecay, 2)),
            nameof(DeltaMemory) => (new DeltaMemory(dtype: type), new(MemoryRule.Delta, 2)),
            nameof(GatedDeltaMemory) => (new GatedDeltaMemory(dtype: type), new(MemoryRule.GatedDelta, 2)),
            nameof(PlacedDeltaMemory) => (new PlacedDeltaMemory(dtype: type), new(MemoryRule.GatedDelta, 2) { RotaryBase = 10 }),
            nameof(PlacedMapMemory) => (new PlacedMapMemory(dtype: type), new(MemoryRule.Linear, 1) { Map = FeatureMap.EluPlusOne, RotaryBase = 50 }),
            nameof(ChannelDeltaMemory) => (new ChannelDeltaMemory(dtype: type), new(MemoryRule.ChannelDelta, 2)),
            nameof(BonusDecayMemory) => (new BonusDecayMemory(dtype: type), new(MemoryRule.BonusDecay, 2)),
            nameof(BareBonusDecayMemory) => (new BareBonusDecayMemory(dtype: type), new(MemoryRule.BonusDecay, 3)),
            nameof(UnitBonusDecayMemory) => (new UnitBonusDecayMemory(dtype: type), new(MemoryRule.BonusDecay, 2) { UnitLength = true }),
            nameof(GeneralizedDeltaMemory) => (new GeneralizedDeltaMemory(dtype: type), new(MemoryRule.GeneralizedDelta, 2)),
            nameof(BareGeneralizedDeltaMemory) => (new BareGeneralizedDeltaMemory(dtype: type), new(MemoryRule.GeneralizedDelta, 3)),
            nameof(UngatedGeneralizedDeltaMemory) => (new UngatedGeneralizedDeltaMemory(dtype: type), new(MemoryRule.GeneralizedDelta, 2)),
            nameof(GatedDeltaProductMemory) => (new GatedDeltaProductMemory(dtype: type), new(MemoryRule.GatedDelta, 2) { Writes = 3, Strongest = 2 }),
            nameof(BareDeltaProductMemory) => (new BareDeltaProductMemory(dtype: type), new(MemoryRule.Delta, 3) { Writes = 2 }),
            nameof(PlacedDeltaProductMemory) => (new PlacedDeltaProductMemory(dtype: type), new(MemoryRule.Delta, 1) { Writes = 4, RotaryBase = 10 }),
            nameof(GatedSlotsMemory) => (new GatedSlotsMemory(dtype: type), new(MemoryRule.GatedSlots, 2)),
            nameof(BareGatedSlotsMemory) => (new BareGatedSlotsMemory(dtype: type), new(MemoryRule.GatedSlots, 3)),
            nameof(PlacedGatedSlotsMemory) => (new PlacedGatedSlotsMemory(dtype: type), new(MemoryRule.GatedSlots, 1) { RotaryBase = 50 }),
            nameof(UnitGatedSlotsMemory) => (new UnitGatedSlotsMemory(dtype: type), new(MemoryRule.GatedSlots, 2) { UnitLength = true }),
            nameof(SharedKeysMemory) => (new SharedKeysMemory(dtype: type), new(MemoryRule.GatedDelta, 6) { KeyHeads = 2 }),
            nameof(PlacedSharedKeysMemory) => (new PlacedSharedKeysMemory(dtype: type), new(MemoryRule.Delta, 6) { KeyHeads = 3, RotaryBase = 10 }),
            nameof(SharedKeysProductMemory) => (new SharedKeysProductMemory(dtype: type), new(MemoryRule.GatedDelta, 3) { KeyHeads = 1, Writes = 2, Strongest = 2 }),
            nameof(BareSharedKeysProductMemory) => (new BareSharedKeysProductMemory(dtype: type), new(MemoryRule.Delta, 6) { KeyHeads = 2, Writes = 3 }),
            nameof(SharedKeysScalarDecayMemory) => (new SharedKeysScalarDecayMemory(dtype: type), new(MemoryRule.ScalarDecay, 6) { KeyHeads = 3 }),
            nameof(SharedKeysRetentionMemory) => (new SharedKeysRetentionMemory(dtype: type), new(MemoryRule.ScalarDecay, 6) { KeyHeads = 2, Decay = DecaySchedule.RetNet, RotaryBase = 100 }),
            nameof(SharedKeysHedgehogMemory) => (new SharedKeysHedgehogMemory(dtype: type), new(MemoryRule.Linear, 6) { KeyHeads = 2, Map = FeatureMap.Hedgehog, IsNormalized = true }),
            nameof(SharedKeysTaylorMemory) => (new SharedKeysTaylorMemory(dtype: type), new(MemoryRule.Linear, 3) { KeyHeads = 1, Map = FeatureMap.Taylor }),
            nameof(TurningChannelDeltaMemory) => (new TurningChannelDeltaMemory(dtype: type), new(MemoryRule.ChannelDelta, 3) { Strongest = 2 }),
            _ => (new TurningDeltaMemory(dtype: type), new(MemoryRule.GatedDelta, 3) { Strongest = 2 }),
        };
    }

    private Tensor Normal(params long[] shape) => randn(shape, dtype: ScalarType.Float64, generator: random);
}
