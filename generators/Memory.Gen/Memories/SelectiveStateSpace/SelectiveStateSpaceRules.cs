using Memory.Gen.Generators.Specs;

namespace Memory.Gen.Generators.Memories.SelectiveStateSpace;

/// <summary>What can be wrong with a declared selective state space.</summary>
internal static class SelectiveStateSpaceRules
{
    public static void Check(SelectiveStateSpaceSpec spec, int dim, ErrorList errors)
    {
        errors.CheckPositive("Expansion", spec.Expansion, "channels for each feature", Limits.Expansion, example: 2);
        errors.CheckPositive("StateDim", spec.StateDim, "states a channel", Limits.StateDim, example: 16);
        errors.CheckRange("ConvWidth", spec.ConvWidth, 2, Limits.ConvWidth);
        // Absent it follows from the width, about which there is a message already where it is wrong.
        if (errors.Spec.Has("StepRank"))
            errors.CheckPositive("StepRank", spec.StepRank, "features", Limits.StepRank, example: 16);
    }
}
