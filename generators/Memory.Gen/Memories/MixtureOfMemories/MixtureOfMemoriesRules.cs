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

        if (errors.CheckRange("BalanceLoss", spec.BalanceLoss, 0, Limits.BalanceLoss) && spec is { IsDense: true, BalanceLoss: > 0 })
            errors.Unused("BalanceLoss", Limits.Text(spec.BalanceLoss), "TopK = " + Limits.Text(spec.TopK), "every token is in every memory, so their use is always equal");
        if (spec is { IsDense: true, SharedProjections: true })
            errors.Unsupported(
                "SharedProjections", "true", "TopK = " + Limits.Text(spec.TopK), "memories that get every token by the same projections hold the same",
                ["no SharedProjections", .. spec.TopK > 1 ? ["TopK = " + Limits.Text(spec.TopK - 1)] : System.Array.Empty<string>()]);
        if (!errors.CheckNamed("Rule", spec.Memory.Rule))
            return;
        LinearMemoryRules.CheckUnitLength(spec.Memory, errors);
        LinearMemoryRules.CheckSlots(spec.Memory, errors, Limits.MixtureHeadFeatures);
        LinearMemoryRules.CheckHouseholders(spec.Memory, errors, Limits.MixtureHeads);
        LinearMemoryRules.CheckKeyHeads(spec.Memory, errors, Limits.MixtureHeads);
        LinearMemoryRules.CheckNegativeEigenvalues(spec.Memory, errors);
    }
}
