using System.Globalization;
using System.Linq;
using Memory.Gen.Generators.Specs;

namespace Memory.Gen.Generators.Memories.Titans;

/// <summary>A memory that learns while it reads, alone or beside an attention.</summary>
/// <param name="Letter">Its letter in the pattern.</param>
/// <param name="FeedForward">Its own feed-forward width.</param>
/// <param name="Variant">How memory and attention stand to each other.</param>
/// <param name="Heads">Heads of the memory and of the attention.</param>
/// <param name="Window">Tokens of the attention's window or segment; 0 without attention.</param>
/// <param name="Attention">Whether the window slides.</param>
/// <param name="BackpropSegments">How many segments back a loss reaches; of no use but with Context.</param>
/// <param name="Block">Tokens whose gradients are taken at the same weights.</param>
/// <param name="MemoryDepth">Layers of the memory network.</param>
/// <param name="Expansion">Its hidden width in head widths.</param>
/// <param name="Activation">Between its layers.</param>
/// <param name="Residual">Whether it is x + gamma LN(network(x)).</param>
/// <param name="Reads">Which state a token reads.</param>
/// <param name="AdaptiveStep">Whether each token sets its step size.</param>
/// <param name="Momentum">Whether writes have a momentum.</param>
/// <param name="Forgetting">Whether the memory forgets.</param>
/// <param name="MaxStep">Most that a token writes.</param>
/// <param name="MaxMomentum">Upper end of the momentum factor.</param>
/// <param name="Decay">At which weights the gradient is taken.</param>
/// <param name="DecayTo">Where forgotten weights go.</param>
/// <param name="InnerClip">Longest gradient of a token; 0 for no bound.</param>
/// <param name="ConvWidth">Width of the short convolutions; 0 for none.</param>
/// <param name="UnitLength">Whether queries and keys have length one.</param>
/// <param name="PersistentTokens">Learned tokens before every text.</param>
/// <param name="Persistent">What they are.</param>
/// <param name="Squash">Which side of the gate is squashed.</param>
/// <param name="RotaryBase">Base of the attention's rotary positions; 0 for none.</param>
/// <param name="GatedLinearUnit">Whether the memory network is a gated linear unit.</param>
/// <param name="Muon">Whether a block's momentum is orthogonalised before it is written.</param>
/// <param name="WeightNorm">Whether every column of the weights keeps its norm.</param>
public sealed record TitansSpec(
    char Letter,
    int? FeedForward,
    TitansVariant Variant,
    int Heads,
    int Window,
    TitansAttention Attention,
    int BackpropSegments,
    int Block,
    int MemoryDepth,
    int Expansion,
    TitansActivation Activation,
    bool Residual,
    TitansRead Reads,
    bool AdaptiveStep,
    bool Momentum,
    bool Forgetting,
    double MaxStep,
    double MaxMomentum,
    TitansDecay Decay,
    TitansDecayTarget DecayTo,
    double InnerClip,
    int ConvWidth,
    bool UnitLength,
    int PersistentTokens,
    TitansPersistent Persistent,
    TitansSquash Squash,
    double RotaryBase,
    bool GatedLinearUnit,
    bool Muon,
    bool WeightNorm)
    : MixerSpec(Letter, FeedForward)
{
    internal const int DefaultBlock = 16;

    // Newton-Schulz enlarges what is small in a block's momentum, rounding included, and costs the same whatever the block.
    internal const int DefaultMuonBlock = 64;
    private const int DefaultBackpropSegments = 7;

    /// <inheritdoc/>
    public override string Canonical => string.Format(
        CultureInfo.InvariantCulture,
        "titans_memory variant={0} heads={1} window={2} attention={3} block={4} depth={5} expansion={6} activation={7} residual={8} reads={9} "
            + "adaptive_step={10} momentum={11} forgetting={12} max_step={13:R} max_momentum={14:R} decay={15} decay_to={16} clip={17:R} "
            + "convolution={18} unit_length={19} persistent={20} {21} squash={22} rotary_base={23:R}",
        Variant, Heads, Window, Attention, Block, MemoryDepth, Expansion, Activation, Residual, Reads,
        AdaptiveStep, Momentum, Forgetting, MaxStep, MaxMomentum, Decay, DecayTo, InnerClip,
        ConvWidth, UnitLength, PersistentTokens, Persistent, Squash, RotaryBase)
        + (GatedLinearUnit ? " gated_linear_unit" : "") + (Muon ? " muon" : "") + (WeightNorm ? " weight_norm" : "");

    internal bool HasAttention => Variant != TitansVariant.MemoryOnly;

    /// <summary>Whether memory and attention meet in a gate; else the memory has a gate of its own.</summary>
    internal bool IsGated => Variant is TitansVariant.Gate or TitansVariant.Context;

    internal bool IsSegmented => HasAttention && Attention == TitansAttention.Segmented;

    internal bool HasPositions => HasAttention && RotaryBase != 0;

    internal bool HasConvolution => ConvWidth > 0;

    /// <summary>Whether the persistent memory is tokens of width D.</summary>
    internal bool HasTokens => PersistentTokens > 0 && Persistent == TitansPersistent.Tokens;

    /// <summary>Whether it is keys and values of the attention.</summary>
    internal bool HasRows => PersistentTokens > 0 && Persistent == TitansPersistent.KeyValue;

    /// <summary>Whether the memory has read tokens before the first one.</summary>
    internal bool MemoryHasPrefix => HasTokens && Variant != TitansVariant.Context;

    /// <summary>
    /// Whether the windows that a text is cut into are so short that what was forgotten is never read: a window's first token leaves
    /// nothing of M_0 to lead back to M_0.
    /// </summary>
    internal bool ReadsNothingForgotten =>
        Forgetting && DecayTo == TitansDecayTarget.Initial && !MemoryHasPrefix && Rows == 2 && Block == 1 && Reads == TitansRead.BlockStart;

    /// <summary>Inputs of the memory network's first layer, then the outputs of every layer.</summary>
    internal long[] Widths(long headDim) =>
        [headDim, .. Enumerable.Repeat(Expansion * headDim, MemoryDepth - 1), headDim];

    /// <summary>Matrices of the memory network.</summary>
    internal int Matrices => GatedLinearUnit ? MemoryDepth + 1 : MemoryDepth;

    /// <summary>Whether matrix <paramref name="l"/> is multiplied by what the network is asked; else by what its first layer has made of it.</summary>
    internal bool Enters(int l) => l == 0 || l == MemoryDepth;

    /// <summary>Whether it makes the answer.</summary>
    internal bool Leaves(int l) => l == MemoryDepth - 1;

    internal static TitansSpec Read(AttributeSpec attribute, int dim)
    {
        TitansVariant variant = attribute.Enum("variant", absent: TitansVariant.MemoryOnly);
        bool gated = attribute.Bool("GatedLinearUnit", absent: false), forgetting = attribute.Bool("Forgetting", absent: true), muon = attribute.Bool("Muon", absent: false);
        int block = attribute.Int("Block", absent: muon ? DefaultMuonBlock : DefaultBlock), depth = attribute.Int("MemoryDepth", absent: gated ? 2 : 1);
        return new TitansSpec(
            attribute.Letter,
            attribute.FeedForward,
            variant,
            attribute.Int("Heads"),
            attribute.Int("Window"),
            attribute.Enum("Attention", absent: variant == TitansVariant.Context ? TitansAttention.Segmented : TitansAttention.Sliding),
            attribute.Int("BackpropSegments", absent: DefaultBackpropSegments),
            block,
            depth,
            attribute.Int("Expansion", absent: 2),
            attribute.Enum("Activation", absent: TitansActivation.Silu),
            attribute.Bool("Residual", absent: false),
            attribute.Enum("Reads", absent: muon ? TitansRead.BlockStart : TitansRead.AfterWrite),
            attribute.Bool("AdaptiveStep", absent: true),
            attribute.Bool("Momentum", absent: true),
            forgetting,
            attribute.Double("MaxStep", absent: variant == TitansVariant.Context ? 0.1 : depth > 1 || muon ? 0.25 : 1),
            attribute.Double("MaxMomentum", absent: 0.95),
            attribute.Enum("Decay", absent: TitansDecay.AfterGradient),
            // Three matrices that fade to zero take one another's gradients along.
            attribute.Enum("DecayTo", absent: forgetting && (gated || depth > 2) ? TitansDecayTarget.Initial : TitansDecayTarget.Zero),
            attribute.Double("InnerClip", absent: muon || (block == 1 && depth == 1) ? 0 : 1),
            attribute.Int("ConvWidth", absent: 4),
            attribute.Bool("UnitLength", absent: true),
            attribute.Int("PersistentTokens"),
            attribute.Enum("Persistent", absent: TitansPersistent.Tokens),
            attribute.Enum("Squash", absent: TitansSquash.Attention),
            attribute.Double("RotaryBase", absent: 10_000),
            gated,
            muon,
            attribute.Bool("WeightNorm", absent: false));
    }
}
