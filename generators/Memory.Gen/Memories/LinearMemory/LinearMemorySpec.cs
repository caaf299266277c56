using System.Globalization;
using Memory.Gen.Generators.Specs;

namespace Memory.Gen.Generators.Memories.LinearMemory;

/// <summary>A matrix memory for each head.</summary>
/// <param name="Letter">Its letter in the pattern.</param>
/// <param name="FeedForward">Its own feed-forward width.</param>
/// <param name="Rule">How it fades and what is written.</param>
/// <param name="Heads">Number of memories.</param>
/// <param name="KeyHeads">Keys and queries of a token, each for several memories; as many as those unless it is given.</param>
/// <param name="KeyDim">Features of a key.</param>
/// <param name="ValueDim">Features of a value.</param>
/// <param name="ConvWidth">Width of the short convolution; 0 for none.</param>
/// <param name="FeatureMap">Map of queries and keys.</param>
/// <param name="Normalized">Whether reads are divided by z^T q.</param>
/// <param name="UnitLength">Whether queries and keys have length one.</param>
/// <param name="OutputGate">Whether reads are gated.</param>
/// <param name="NegativeEigenvalues">Whether the write strength reaches 2.</param>
/// <param name="StateSpace">Whether it has the form of Mamba-2.</param>
/// <param name="Groups">Keys and queries of a token, each shared by several heads; only in that form.</param>
/// <param name="Decay">What sets the decay of each head.</param>
/// <param name="RotaryBase">Base of the rotary positions; 0 for none.</param>
/// <param name="Slots">Slots of a head, of a rule that has them.</param>
/// <param name="Householders">Writes of a token, of a delta rule.</param>
public sealed record LinearMemorySpec(
    char Letter,
    int? FeedForward,
    MemoryRule Rule,
    int Heads,
    int KeyHeads,
    int KeyDim,
    int ValueDim,
    int ConvWidth,
    FeatureMap FeatureMap,
    bool Normalized,
    bool UnitLength,
    bool OutputGate,
    bool NegativeEigenvalues,
    bool StateSpace,
    int Groups,
    DecaySchedule Decay,
    double RotaryBase,
    int Slots,
    int Householders)
    : MixerSpec(Letter, FeedForward)
{
    /// <summary>What the logarithm of a decay is divided by, in rules whose decays are roots of sigmoids.</summary>
    internal double DecayTemperature => HasSlots ? 8 : 16;

    /// <inheritdoc/>
    public override string Canonical => string.Format(
        CultureInfo.InvariantCulture,
        "linear_memory rule={0} heads={1} key={2} value={3} convolution={4} map={5} normalized={6} unit_length={7} gate={8} negative_eigenvalues={9}",
        Rule, Heads, KeyDim, ValueDim, ConvWidth, FeatureMap, Normalized, UnitLength, OutputGate, NegativeEigenvalues)
        + (StateSpace ? " state_space groups=" + Groups.ToString(CultureInfo.InvariantCulture) : "")
        + (IsFixed ? " decay=" + Decay : "")
        + (HasPositions ? " rotary_base=" + RotaryBase.ToString("R", CultureInfo.InvariantCulture) : "")
        + (HasSlots ? " slots=" + Slots.ToString(CultureInfo.InvariantCulture) : "")
        + (IsProduct ? " householders=" + Householders.ToString(CultureInfo.InvariantCulture) : "")
        + (SharesKeys ? " key_heads=" + KeyHeads.ToString(CultureInfo.InvariantCulture) : "");

    internal bool IsDelta => Rule is MemoryRule.Delta or MemoryRule.GatedDelta or MemoryRule.ChannelDelta;

    /// <summary>Whether each key feature has a decay of its own, by way of a projection to few features.</summary>
    internal bool HasChannels => Rule is MemoryRule.ChannelDecay or MemoryRule.BonusDecay or MemoryRule.ChannelDelta or MemoryRule.GeneralizedDelta;

    /// <summary>Those few features: 16 in Gated Linear Attention, as many as a head's values in Kimi Delta Attention, and as its keys in ours of RWKV-6 and RWKV-7.</summary>
    internal int DecayRank => Rule switch
    {
        MemoryRule.ChannelDelta => ValueDim,
        MemoryRule.BonusDecay or MemoryRule.GeneralizedDelta => KeyDim,
        _ => 16,
    };

    /// <summary>Whether each head fades at a rate that no token sets.</summary>
    internal bool IsFixed => Decay != DecaySchedule.Learned;

    /// <summary>Whether queries and keys have other features after their map than before.</summary>
    internal bool Expands => FeatureMap is FeatureMap.Taylor or FeatureMap.Hedgehog;

    /// <summary>Features of queries and keys after their map.</summary>
    internal long MappedDim => FeatureMap switch
    {
        FeatureMap.Taylor => 1 + KeyDim + ((long)KeyDim * (KeyDim + 1) / 2),
        FeatureMap.Hedgehog => 2L * KeyDim,
        _ => KeyDim,
    };

    /// <summary>Whether keys are what the decays leave room for.</summary>
    internal bool IsTied => Rule == MemoryRule.TiedDecay;

    /// <summary>Whether it is RWKV-6's rule, which reads before it writes and gives a token's own value a bonus.</summary>
    internal bool HasBonus => Rule == MemoryRule.BonusDecay;

    /// <summary>Whether it is RWKV-7's rule, which removes by one key and writes under another.</summary>
    internal bool IsGeneralized => Rule == MemoryRule.GeneralizedDelta;

    /// <summary>Whether a head keeps keys and values in slots, which a softmax reads.</summary>
    internal bool HasSlots => Rule == MemoryRule.GatedSlots;

    /// <summary>Numbers that all heads keep of a text: matrices, or slots.</summary>
    internal long Kept => HasSlots ? (long)Heads * Slots * (KeyDim + ValueDim) : Heads * MappedDim * ValueDim;

    /// <summary>Whether it is DeltaProduct, in which a token writes several times.</summary>
    internal bool IsProduct => Householders != 1;

    /// <summary>Whether several heads have the same keys and queries.</summary>
    internal bool SharesKeys => KeyHeads != Heads;

    /// <summary>Whether queries and keys turn to their positions.</summary>
    internal bool HasPositions => RotaryBase != 0;

    /// <summary>Whether each head fades at a rate that the token sets.</summary>
    internal bool HasHeadDecay => Rule == MemoryRule.GatedDelta || (Rule == MemoryRule.ScalarDecay && !IsFixed);

    /// <summary>Whether each token sets step sizes, which a rate of each head makes decays of.</summary>
    internal bool HasRate => HasHeadDecay || Rule == MemoryRule.ChannelDelta;

    /// <summary>Whether a write takes away what the key recalled before.</summary>
    internal bool Erases => IsDelta || Rule == MemoryRule.Titans;

    /// <summary>Products with a whole memory that a token takes: to read and to write, and where it erases to recall before each write; RWKV-7 erases by a product of its own.</summary>
    internal int Products => IsGeneralized ? 4 : Erases ? 1 + (2 * Householders) : 2;

    internal static LinearMemorySpec Read(AttributeSpec attribute, int dim)
    {
        MemoryRule rule = attribute.Enum("Rule", absent: MemoryRule.GatedDelta);
        int heads = attribute.Int("Heads");
        int features = heads > 0 ? dim / heads : 0;
        bool stateSpace = attribute.Bool("StateSpace", absent: false);
        FeatureMap map = attribute.Enum("FeatureMap", absent: FeatureMap.Identity);
        return new LinearMemorySpec(
            attribute.Letter,
            attribute.FeedForward,
            rule,
            heads,
            attribute.Int("KeyHeads", absent: heads),
            attribute.Int("KeyDim", absent: stateSpace ? 128 : map == FeatureMap.Taylor ? 16 : features),
            attribute.Int("ValueDim", absent: stateSpace ? 2 * features : features),
            attribute.Int("ConvWidth", absent: 4),
            map,
            attribute.Bool("Normalized", absent: false),
            attribute.Bool("UnitLength", absent: rule is MemoryRule.Delta or MemoryRule.GatedDelta or MemoryRule.ChannelDelta or MemoryRule.Titans),
            attribute.Bool("OutputGate", absent: true),
            attribute.Bool("NegativeEigenvalues", absent: false),
            stateSpace,
            attribute.Int("Groups", absent: 1),
            attribute.Enum("Decay", absent: DecaySchedule.Learned),
            attribute.Double("RotaryBase", absent: 0),
            attribute.Int("Slots", absent: 64),
            attribute.Int("Householders", absent: 1));
    }
}
