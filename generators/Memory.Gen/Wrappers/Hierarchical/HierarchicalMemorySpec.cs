using System;
using System.Globalization;
using Memory.Gen.Generators.Specs;

namespace Memory.Gen.Generators.Wrappers.Hierarchical;

/// <summary>HMT: sensory tokens, and a recall over the memories of past segments.</summary>
/// <param name="SegmentTokens">Rows of the window.</param>
/// <param name="BackpropSegments">How many segments back a loss reaches; null for all.</param>
/// <param name="LossScope">Which predictions a trainer counts.</param>
/// <param name="LossTokens">How many with LastNTokens.</param>
/// <param name="SensoryTokens">Tokens of the segment before in front of a segment.</param>
/// <param name="Recall">The recall; null where the last memory is passed on directly.</param>
public sealed record HierarchicalMemorySpec(
    int SegmentTokens, int? BackpropSegments, LossScope LossScope, int LossTokens, int SensoryTokens, RecallSpec? Recall)
    : WrapperSpec(SegmentTokens, BackpropSegments, LossScope, LossTokens)
{
    /// <inheritdoc/>
    public override string Canonical => string.Format(
        CultureInfo.InvariantCulture, "hierarchical_memory segment={0} sensory={1} recall={2}", SegmentTokens, SensoryTokens, Recall?.Canonical ?? "none");

    /// <inheritdoc/>
    public override long OtherRows => SensoryTokens + 2L;

    /// <inheritdoc/>
    /// <remarks>Sensory tokens are new ones of the segment before.</remarks>
    public override long LeastSegmentTokens => OtherRows + Math.Max(1, SensoryTokens);

    /// <inheritdoc/>
    public override bool LooksAhead => Recall is { IsCausal: false };

    /// <summary>Tokens that a summary is made of.</summary>
    public long SummaryTokens => Recall is null ? 0 : Math.Max(1, (long)Math.Round(NewTokens * Recall.SummaryFraction, MidpointRounding.AwayFromZero));

    /// <summary>Rows that the backbone reads for a summary.</summary>
    public long SummaryRows => Recall is null ? 0 : SummaryTokens + (Recall.IsOneEnded ? 1 : 2);

    /// <summary>The last tokens of the text that the state keeps.</summary>
    public long RecentTokens => Recall is { IsCausal: true } ? Math.Max(SummaryTokens, SensoryTokens) : SensoryTokens;

    internal static HierarchicalMemorySpec Read(AttributeSpec attribute, int dim)
    {
        var (segment, backprop, scope, lossTokens) = ReadShared(attribute);
        return new HierarchicalMemorySpec(
            segment, backprop, scope, lossTokens, attribute.Int("SensoryTokens"),
            attribute.Bool("Recall", absent: true) ? RecallSpec.Read(attribute, dim) : null);
    }
}

/// <summary>How a segment recalls.</summary>
/// <param name="Slots">Memories that are kept.</param>
/// <param name="Dim">Features of queries and keys.</param>
/// <param name="Scale">Factor on the scores.</param>
/// <param name="SummaryFraction">Share of the new tokens that a summary is made of.</param>
/// <param name="IsCausal">Whether they are those of the segment before.</param>
/// <param name="IsOneEnded">Whether the learned row stands behind them only.</param>
public sealed record RecallSpec(int Slots, int Dim, double Scale, double SummaryFraction, bool IsCausal, bool IsOneEnded)
{
    internal string Canonical => string.Format(
        CultureInfo.InvariantCulture, "slots:{0},dim:{1},scale:{2:R},summary:{3:R},causal:{4}{5}", Slots, Dim, Scale, SummaryFraction, IsCausal, IsOneEnded ? ",one_ended" : "");

    internal static RecallSpec Read(AttributeSpec attribute, int dim)
    {
        int features = attribute.Int("RecallDim", absent: dim);
        return new RecallSpec(
            attribute.Int("RecallSlots", absent: 300),
            features,
            attribute.Double("RecallScale", absent: 1 / Math.Sqrt(Math.Max(1, features))),
            attribute.Double("SummaryFraction", absent: 0.5),
            attribute.Bool("CausalRecall", absent: true),
            attribute.Bool("OneEndedSummary", absent: false));
    }
}
