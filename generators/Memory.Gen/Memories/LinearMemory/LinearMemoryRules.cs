using Memory.Gen.Generators.Specs;

namespace Memory.Gen.Generators.Memories.LinearMemory;

/// <summary>What can be wrong with a declared linear memory.</summary>
internal static class LinearMemoryRules
{
    public static void Check(LinearMemorySpec spec, int dim, ErrorList errors)
    {
        bool heads = errors.CheckPositive("Heads", spec.Heads, "heads", Limits.Heads, example: 8);
        if (heads && !(errors.Spec.Has("KeyDim") && errors.Spec.Has("ValueDim")))
            errors.CheckDivides("Heads", spec.Heads, dim);
        foreach ((string name, int value) in new[] { ("KeyDim", spec.KeyDim), ("ValueDim", spec.ValueDim) })
            if (errors.Spec.Has(name))
                errors.CheckPositive(name, value, "features a head", Limits.HeadFeatures, example: 64);
            else if (heads && dim > 0 && dim % spec.Heads == 0)
                errors.CheckRange(name, value, 1, Limits.HeadFeatures);
        if (spec.ConvWidth != 0)
            errors.CheckRange("ConvWidth", spec.ConvWidth, 2, Limits.ConvWidth);
        if (errors.CheckNamed("Rule", spec.Rule) & errors.CheckNamed("FeatureMap", spec.FeatureMap))
            CheckCombinations(spec, errors);
    }

    private static void CheckCombinations(LinearMemorySpec spec, ErrorList errors)
    {
        const string deltaRules = "Rule = MemoryRule.Delta or MemoryRule.GatedDelta";
        if (spec.Rule != MemoryRule.Linear && spec.FeatureMap != FeatureMap.Identity)
            Unsupported("FeatureMap", "FeatureMap." + spec.FeatureMap, "a feature map belongs to a memory that only adds", "Rule = MemoryRule.Linear, or no FeatureMap");
        if (spec.Rule != MemoryRule.Linear && spec.Normalized)
            Unsupported("Normalized", "true", "a sum of keys does not follow a memory that fades or erases", "Rule = MemoryRule.Linear, or no Normalized");
        if (spec.Rule == MemoryRule.Linear && spec.Normalized && spec.FeatureMap == FeatureMap.Identity)
            errors.Add("MEMGEN204", "Normalized", "Normalized", "true", "FeatureMap = FeatureMap.Identity", "the sum it divides by could be zero or negative", "FeatureMap = FeatureMap.EluPlusOne or FeatureMap.Relu");
        if (spec.Rule == MemoryRule.Linear && spec.UnitLength && spec.FeatureMap != FeatureMap.Identity)
            errors.Add("MEMGEN204", "UnitLength", "UnitLength", "true", "FeatureMap = FeatureMap." + spec.FeatureMap, "a feature map sets the length itself", "one of the two");
        if (!spec.UnitLength && spec.IsDelta)
            Unsupported("UnitLength", "false", "erasing is only stable while beta |k|^2 <= 2", "no UnitLength");
        if (spec.NegativeEigenvalues && !spec.IsDelta)
            Unsupported("NegativeEigenvalues", "true", "only a delta rule has a write strength", deltaRules);

        void Unsupported(string argument, string value, string reason, string supported) =>
            errors.Add("MEMGEN204", argument, argument, value, "Rule = MemoryRule." + spec.Rule, reason, supported);
    }
}
