using Memory.Gen.Generators.Memories.LinearMemory;
using Memory.Gen.Generators.Specs;

namespace Memory.Gen.Generators.Memories.MixtureOfMemories;

/// <summary>What can be wrong with a declared mixture of memories.</summary>
internal static class MixtureOfMemoriesRules
{
    public static void Check(MixtureOfMemoriesSpec spec, int dim, ErrorList errors)
    {
        LinearMemoryRules.CheckSizes(spec.Memory, dim, errors, Limits.MixtureHeads, Limits.MixtureHeadFeatures);
        if (errors.CheckPositive("Memories", spec.Memories, "memories", Limits.Memories, example: System.Math.Max(4, System.Math.Min(spec.TopK, Limits.Memories))) && (spec.TopK < 1 || spec.TopK > spec.Memories))
        {
            errors.Add("MEMGEN104", errors.Spec.Has("TopK") ? "TopK" : "Memories", Limits.Text(spec.TopK), Limits.Text(spec.Memories));
            errors.Offer("TopK = " + Limits.Text(spec.TopK < 1 ? 1 : spec.Memories));
        }

        errors.CheckRange("BalanceLoss", spec.BalanceLoss, 0, Limits.BalanceLoss);
        if (errors.CheckNamed("Rule", spec.Memory.Rule))
            LinearMemoryRules.CheckUnitLength(spec.Memory, errors);
    }
}
