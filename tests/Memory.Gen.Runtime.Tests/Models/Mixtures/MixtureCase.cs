using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models.Mixtures;

[MemoryLayer(Dim = 6)]
[MixtureOfMemories(Heads = 2)]
public sealed partial class GatedDeltaMixture;

[MemoryLayer(Dim = 6)]
[MixtureOfMemories(Heads = 2, KeyDim = 2, ValueDim = 5, Memories = 3, TopK = 1, ConvWidth = 0)]
public sealed partial class PlainGatedDeltaMixture;

[MemoryLayer(Dim = 6)]
[MixtureOfMemories(Heads = 2, KeyDim = 5, ValueDim = 2, Memories = 3, Rule = MemoryRule.Delta, ConvWidth = 0, SharedProjections = true)]
public sealed partial class DeltaMixture;

[MemoryLayer(Dim = 6)]
[MixtureOfMemories(Heads = 2, Memories = 5, TopK = 3, Rule = MemoryRule.Linear, ConvWidth = 0, SharedMemory = false, OutputGate = false)]
public sealed partial class LinearMixture;

[MemoryLayer(Dim = 6)]
[MixtureOfMemories(Heads = 3, Memories = 2, TopK = 2, Rule = MemoryRule.ScalarDecay, ConvWidth = 3, UnitLength = true)]
public sealed partial class DenseMixture;

[MemoryLayer(Dim = 6)]
[MixtureOfMemories(Heads = 2, KeyDim = 4, ValueDim = 3, Memories = 3, TopK = 2, Rule = MemoryRule.ScalarDecay, ConvWidth = 0)]
public sealed partial class ScalarDecayMixture;

[MemoryLayer(Dim = 6)]
[MixtureOfMemories(Heads = 2, Memories = 4, TopK = 2, Rule = MemoryRule.ChannelDecay, ConvWidth = 0)]
public sealed partial class ChannelDecayMixture;

[MemoryLayer(Dim = 6)]
[MixtureOfMemories(Heads = 2, KeyDim = 4, ValueDim = 5, Memories = 3, TopK = 2, Rule = MemoryRule.ChannelDelta, ConvWidth = 0)]
public sealed partial class ChannelDeltaMixture;

[MemoryLayer(Dim = 6)]
[MixtureOfMemories(Heads = 2, KeyDim = 4, ValueDim = 5, Memories = 3, TopK = 2, Householders = 3, ConvWidth = 0)]
public sealed partial class DeltaProductMixture;

[MemoryLayer(Dim = 6)]
[MixtureOfMemories(Heads = 3, Memories = 4, TopK = 2, Rule = MemoryRule.Delta, Householders = 2, NegativeEigenvalues = true, SharedMemory = false, SharedProjections = true)]
public sealed partial class ConvolvedDeltaProductMixture;

[MemoryLayer(Dim = 6)]
[MixtureOfMemories(Heads = 2, KeyDim = 4, ValueDim = 5, Memories = 3, TopK = 2, Rule = MemoryRule.ChannelDelta, NegativeEigenvalues = true, ConvWidth = 0)]
public sealed partial class TurningChannelDeltaMixture;

[MemoryLayer(Dim = 6)]
[MixtureOfMemories(Heads = 6, KeyHeads = 2, KeyDim = 4, ValueDim = 3, Memories = 3, TopK = 2, ConvWidth = 0)]
public sealed partial class SharedKeysMixture;

[MemoryLayer(Dim = 6)]
[MixtureOfMemories(Heads = 6, KeyHeads = 3, KeyDim = 2, Memories = 4, TopK = 2, Rule = MemoryRule.Delta, Householders = 2, SharedMemory = false, SharedProjections = true)]
public sealed partial class SharedKeysProductMixture;

[MemoryLayer(Dim = 6)]
[MixtureOfMemories(Heads = 3, KeyHeads = 1, KeyDim = 4, Memories = 3, TopK = 2, Rule = MemoryRule.Titans)]
public sealed partial class SharedKeysTitansMixture;

[MemoryLayer(Dim = 6)]
[MixtureOfMemories(Heads = 2, KeyDim = 4, ValueDim = 5, Memories = 3, TopK = 2, Rule = MemoryRule.BonusDecay, ConvWidth = 0)]
public sealed partial class BonusDecayMixture;

[MemoryLayer(Dim = 6)]
[MixtureOfMemories(Heads = 3, Memories = 4, TopK = 2, Rule = MemoryRule.BonusDecay, SharedMemory = false, SharedProjections = true)]
public sealed partial class ConvolvedBonusDecayMixture;

[MemoryLayer(Dim = 6)]
[MixtureOfMemories(Heads = 2, KeyDim = 4, ValueDim = 5, Memories = 3, TopK = 2, Rule = MemoryRule.GatedSlots, Slots = 7, ConvWidth = 0)]
public sealed partial class GatedSlotsMixture;

[MemoryLayer(Dim = 6)]
[MixtureOfMemories(Heads = 3, Memories = 4, TopK = 2, Rule = MemoryRule.GatedSlots, Slots = 4, SharedMemory = false, SharedProjections = true, OutputGate = false)]
public sealed partial class ConvolvedGatedSlotsMixture;

[MemoryLayer(Dim = 6)]
[MixtureOfMemories(Heads = 2, KeyDim = 4, ValueDim = 5, Memories = 3, TopK = 2, Rule = MemoryRule.TiedDecay, ConvWidth = 0)]
public sealed partial class TiedDecayMixture;

[MemoryLayer(Dim = 6)]
[MixtureOfMemories(Heads = 3, Memories = 4, TopK = 2, Rule = MemoryRule.TiedDecay, SharedMemory = false, SharedProjections = true, OutputGate = false)]
public sealed partial class ConvolvedTiedDecayMixture;

[MemoryLayer(Dim = 6)]
[MixtureOfMemories(Heads = 2, KeyDim = 4, ValueDim = 5, Memories = 3, TopK = 2, Rule = MemoryRule.GeneralizedDelta, ConvWidth = 0)]
public sealed partial class GeneralizedDeltaMixture;

[MemoryLayer(Dim = 6)]
[MixtureOfMemories(Heads = 3, Memories = 4, TopK = 2, Rule = MemoryRule.GeneralizedDelta, SharedMemory = false, SharedProjections = true, OutputGate = false)]
public sealed partial class ConvolvedGeneralizedDeltaMixture;

[MemoryLayer(Dim = 6)]
[MixtureOfMemories(Heads = 2, Memories = 3, TopK = 2, Rule = MemoryRule.Titans, SharedMemory = false)]
public sealed partial class TitansMixture;

/// <summary>A layer with a mixture of memories in float64, with weights of ordinary size, and what the oracles must know of it.</summary>
internal sealed class MixtureCase : IDisposable
{
    private readonly Generator random = new(11, CPU);

    private MixtureCase(nn.Module<Tensor, Tensor> layer, MemoryRule rule, int heads, int memories, int topK, bool shared, bool sharedProjections)
    {
        (Layer, Rule, Heads, KeyHeads, Memories, TopK, HasShared, SharesProjections) = (layer, rule, heads, heads, memories, topK, shared, sharedProjections);
        RandomWeights.Fill(layer, 0.5, Normal);
    }

    public static TheoryData<string> All =>
    [
        nameof(GatedDeltaMixture), nameof(PlainGatedDeltaMixture), nameof(DeltaMixture), nameof(LinearMixture), nameof(DenseMixture), nameof(ScalarDecayMixture),
        nameof(ChannelDecayMixture), nameof(ChannelDeltaMixture), nameof(DeltaProductMixture), nameof(ConvolvedDeltaProductMixture), nameof(TurningChannelDeltaMixture),
        nameof(SharedKeysMixture), nameof(SharedKeysProductMixture), nameof(SharedKeysTitansMixture),
        nameof(BonusDecayMixture), nameof(ConvolvedBonusDecayMixture), nameof(GatedSlotsMixture), nameof(ConvolvedGatedSlotsMixture),
        nameof(TiedDecayMixture), nameof(ConvolvedTiedDecayMixture), nameof(GeneralizedDeltaMixture), nameof(ConvolvedGeneralizedDeltaMixture), nameof(TitansMixture),
    ];

    /// <summary>Those whose token-free steps can be written as ordinary tokens: no convolution, no momentum.</summary>
    public static TheoryData<string> Maskable =>
    [
        nameof(PlainGatedDeltaMixture), nameof(DeltaMixture), nameof(LinearMixture), nameof(ScalarDecayMixture), nameof(ChannelDecayMixture), nameof(ChannelDeltaMixture),
        nameof(DeltaProductMixture), nameof(TurningChannelDeltaMixture), nameof(SharedKeysMixture), nameof(BonusDecayMixture), nameof(GatedSlotsMixture),
        nameof(TiedDecayMixture), nameof(GeneralizedDeltaMixture),
    ];

    public nn.Module<Tensor, Tensor> Layer { get; }

    public IMemoryLayer Memory => (IMemoryLayer)Layer;

    public MemoryRule Rule { get; }

    public int Heads { get; }

    /// <summary>Heads of queries and keys.</summary>
    public int KeyHeads { get; private init; }

    /// <summary>Writes of a token.</summary>
    public int Writes { get; private init; } = 1;

    /// <summary>The largest write strength.</summary>
    public double Strongest { get; private init; } = 1;

    public int Memories { get; }

    public int TopK { get; }

    /// <summary>What a memory keeps beside the inputs of its convolutions, by its names in the state.</summary>
    public string[] Kept => Rule switch
    {
        MemoryRule.Titans => ["memory", "momentum"],
        MemoryRule.GatedSlots => ["slot_keys", "slot_values"],
        _ => ["memory"],
    };

    public bool HasShared { get; }

    public bool SharesProjections { get; }

    public static MixtureCase New(string name)
    {
        const ScalarType type = ScalarType.Float64;
        return name switch
        {
            nameof(GatedDeltaMixture) => new(new GatedDeltaMixture(dtype: type), MemoryRule.GatedDelta, 2, 4, 2, true, false),
            nameof(PlainGatedDeltaMixture) => new(new PlainGatedDeltaMixture(dtype: type), MemoryRule.GatedDelta, 2, 3, 1, true, false),
            nameof(DeltaMixture) => new(new DeltaMixture(dtype: type), MemoryRule.Delta, 2, 3, 2, true, true),
            nameof(LinearMixture) => new(new LinearMixture(dtype: type), MemoryRule.Linear, 2, 5, 3, false, false),
            nameof(DenseMixture) => new(new DenseMixture(dtype: type), MemoryRule.ScalarDecay, 3, 2, 2, true, false),
            nameof(ScalarDecayMixture) => new(new ScalarDecayMixture(dtype: type), MemoryRule.ScalarDecay, 2, 3, 2, true, false),
            nameof(ChannelDecayMixture) => new(new ChannelDecayMixture(dtype: type), MemoryRule.ChannelDecay, 2, 4, 2, true, false),
            nameof(ChannelDeltaMixture) => new(new ChannelDeltaMixture(dtype: type), MemoryRule.ChannelDelta, 2, 3, 2, true, false),
            nameof(DeltaProductMixture) => new(new DeltaProductMixture(dtype: type), MemoryRule.GatedDelta, 2, 3, 2, true, false) { Writes = 3 },
            nameof(ConvolvedDeltaProductMixture) => new(new ConvolvedDeltaProductMixture(dtype: type), MemoryRule.Delta, 3, 4, 2, false, true) { Writes = 2, Strongest = 2 },
            nameof(TurningChannelDeltaMixture) => new(new TurningChannelDeltaMixture(dtype: type), MemoryRule.ChannelDelta, 2, 3, 2, true, false) { Strongest = 2 },
            nameof(SharedKeysMixture) => new(new SharedKeysMixture(dtype: type), MemoryRule.GatedDelta, 6, 3, 2, true, false) { KeyHeads = 2 },
            nameof(SharedKeysProductMixture) => new(new SharedKeysProductMixture(dtype: type), MemoryRule.Delta, 6, 4, 2, false, true) { KeyHeads = 3, Writes = 2 },
            nameof(SharedKeysTitansMixture) => new(new SharedKeysTitansMixture(dtype: type), MemoryRule.Titans, 3, 3, 2, true, false) { KeyHeads = 1 },
            nameof(BonusDecayMixture) => new(new BonusDecayMixture(dtype: type), MemoryRule.BonusDecay, 2, 3, 2, true, false),
            nameof(ConvolvedBonusDecayMixture) => new(new ConvolvedBonusDecayMixture(dtype: type), MemoryRule.BonusDecay, 3, 4, 2, false, true),
            nameof(GatedSlotsMixture) => new(new GatedSlotsMixture(dtype: type), MemoryRule.GatedSlots, 2, 3, 2, true, false),
            nameof(ConvolvedGatedSlotsMixture) => new(new ConvolvedGatedSlotsMixture(dtype: type), MemoryRule.GatedSlots, 3, 4, 2, false, true),
            nameof(TiedDecayMixture) => new(new TiedDecayMixture(dtype: type), MemoryRule.TiedDecay, 2, 3, 2, true, false),
            nameof(ConvolvedTiedDecayMixture) => new(new ConvolvedTiedDecayMixture(dtype: type), MemoryRule.TiedDecay, 3, 4, 2, false, true),
            nameof(GeneralizedDeltaMixture) => new(new GeneralizedDeltaMixture(dtype: type), MemoryRule.GeneralizedDelta, 2, 3, 2, true, false),
            nameof(ConvolvedGeneralizedDeltaMixture) => new(new ConvolvedGeneralizedDeltaMixture(dtype: type), MemoryRule.GeneralizedDelta, 3, 4, 2, false, true),
            _ => new(new TitansMixture(dtype: type), MemoryRule.Titans, 2, 3, 2, false, false),
        };
    }

    public Tensor Normal(params long[] shape) => randn(shape, dtype: ScalarType.Float64, generator: random);

    /// <summary>A weight of the layer; null where it has none of that name.</summary>
    public Tensor? Weight(string name) => Layer.get_parameter("mixer." + name);

    /// <summary>The weight of a projection in one memory, <c>[out, in]</c>; memory M is the shared one.</summary>
    public Tensor Weight(string name, int memory) =>
        SharesProjections ? Weight(name + ".weight")!
        : memory == Memories ? Weight($"shared_{name}.weight")!
        : Weight(name + ".weight")!.select(0, memory);

    public void Dispose()
    {
        Layer.Dispose();
        random.Dispose();
    }
}
