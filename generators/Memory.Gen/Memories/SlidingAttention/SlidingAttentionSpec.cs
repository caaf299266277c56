using System.Globalization;
using Memory.Gen.Generators.Specs;

namespace Memory.Gen.Generators.Memories.SlidingAttention;

/// <summary>Softmax attention over a window of tokens.</summary>
/// <param name="Letter">Its letter in the pattern.</param>
/// <param name="FeedForward">Its own feed-forward width.</param>
/// <param name="Heads">Query heads.</param>
/// <param name="KeyValueHeads">Key and value heads.</param>
/// <param name="Window">Tokens a query sees; null for the whole past.</param>
/// <param name="RotaryBase">Base of the rotary positions; 0 for none.</param>
public sealed record SlidingAttentionSpec(
    char Letter, int? FeedForward, int Heads, int KeyValueHeads, int? Window, double RotaryBase)
    : MixerSpec(Letter, FeedForward)
{
    internal const double DefaultRotaryBase = 10_000;

    /// <inheritdoc/>
    public override string Canonical => string.Format(
        CultureInfo.InvariantCulture,
        "sliding_attention heads={0} key_value_heads={1} window={2} rotary_base={3:R}",
        Heads, KeyValueHeads, Window?.ToString(CultureInfo.InvariantCulture) ?? "all", RotaryBase);

    // The whole past is a window's at most; a state of that size does not grow.
    internal override MixerSpec Within(int window) => Window is null && window > 0 ? this with { Window = window } : this;

    internal static SlidingAttentionSpec Read(AttributeSpec attribute, int dim)
    {
        int heads = attribute.Int("Heads");
        return new SlidingAttentionSpec(
            attribute.Letter,
            attribute.FeedForward,
            heads,
            attribute.Int("KeyValueHeads", absent: heads),
            attribute.Has("Window") ? attribute.Int("Window") : null,
            attribute.Double("RotaryBase", absent: DefaultRotaryBase));
    }
}
