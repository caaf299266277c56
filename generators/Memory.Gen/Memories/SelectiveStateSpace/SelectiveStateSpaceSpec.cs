using System.Globalization;
using Memory.Gen.Generators.Specs;

namespace Memory.Gen.Generators.Memories.SelectiveStateSpace;

/// <summary>A selective state space.</summary>
/// <param name="Letter">Its letter in the pattern.</param>
/// <param name="FeedForward">Its own feed-forward width.</param>
/// <param name="Expansion">Channels in multiples of the width.</param>
/// <param name="StateDim">States of a channel.</param>
/// <param name="ConvWidth">Width of the short convolution.</param>
/// <param name="StepRank">Rank of the map from channels to their step sizes.</param>
public sealed record SelectiveStateSpaceSpec(char Letter, int? FeedForward, int Expansion, int StateDim, int ConvWidth, int StepRank)
    : MixerSpec(Letter, FeedForward)
{
    /// <inheritdoc/>
    public override string Canonical => string.Format(
        CultureInfo.InvariantCulture,
        "selective_state_space expansion={0} state={1} convolution={2} step_rank={3}",
        Expansion, StateDim, ConvWidth, StepRank);

    internal static SelectiveStateSpaceSpec Read(AttributeSpec attribute, int dim) => new(
        attribute.Letter,
        attribute.FeedForward,
        attribute.Int("Expansion", absent: 2),
        attribute.Int("StateDim", absent: 16),
        attribute.Int("ConvWidth", absent: 4),
        attribute.Int("StepRank", absent: (dim / 16) + (dim % 16 > 0 ? 1 : 0)));
}
