using Memory.Gen.Generators.Specs;
using Memory.Gen.Generators.Wrappers.Segments;

namespace Memory.Gen.Generators.Wrappers.Hierarchical;

/// <summary>What can be wrong with a declared hierarchical memory.</summary>
internal static class HierarchicalMemoryRules
{
    private static readonly string[] OfRecall = ["RecallSlots", "RecallDim", "RecallScale", "SummaryFraction", "CausalRecall", "OneEndedSummary"];

    public static void Check(HierarchicalMemorySpec spec, ErrorList errors)
    {
        bool sensory = errors.CheckRange("SensoryTokens", spec.SensoryTokens, 0, (Limits.Window - 2) / 2);
        if (sensory && SegmentRules.Check(spec, spec.SensoryTokens == 0 ? "the 2 rows of the memory" : $"{Limits.Text(spec.SensoryTokens)} sensory tokens and the 2 rows of the memory", errors)
            && spec.SensoryTokens > spec.NewTokens)
        {
            errors.Add("MEMGEN112", "SensoryTokens", Limits.Text(spec.SensoryTokens), Limits.Text(spec.NewTokens), Limits.Text(spec.SegmentTokens));
            errors.Offer("SensoryTokens = " + Limits.Text((spec.SegmentTokens - 2) / 2));
        }

        if (spec.Recall is { } recall)
        {
            errors.CheckPositive("RecallSlots", recall.Slots, "memories", Limits.RecallSlots, example: 300);
            if (errors.Spec.Has("RecallDim"))
                errors.CheckPositive("RecallDim", recall.Dim, "features", Limits.Dim, example: 512);
            errors.CheckRange("RecallScale", recall.Scale, 1e-6, 1e6);
            errors.CheckRange("SummaryFraction", recall.SummaryFraction, 1e-6, 1);
            return;
        }

        foreach (string option in OfRecall)
            errors.Unused(option, errors.Spec.Text(option), "Recall = false", "the memory of the segment before is passed on directly", "Recall = true");
    }
}
