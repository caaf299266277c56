using Memory.Gen.Generators.Specs;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Memories.LinearMemory;

/// <summary>What can be wrong with a declared linear memory.</summary>
internal static class LinearMemoryRules
{
    public static void Check(LinearMemorySpec spec, int dim, ErrorList errors)
    {
        CheckSizes(spec, dim, errors, Limits.Heads, Limits.HeadFeatures);
        if (errors.CheckNamed("Rule", spec.Rule) & errors.CheckNamed("FeatureMap", spec.FeatureMap) & errors.CheckNamed("Decay", spec.Decay))
        {
            CheckCombinations(spec, errors);
            CheckPositions(spec, dim, errors);
            StateSpaceRules.Check(spec, errors);
        }
    }

    /// <summary>Heads, their features and the width of the convolution.</summary>
    public static void CheckSizes(LinearMemorySpec spec, int dim, ErrorList errors, int mostHeads, int mostFeatures)
    {
        bool heads = errors.CheckPositive("Heads", spec.Heads, "heads", mostHeads, Divisors.HeadsFor(dim));
        if (heads && !((spec.StateSpace || spec.FeatureMap == FeatureMap.Taylor || errors.Spec.Has("KeyDim")) && errors.Spec.Has("ValueDim")))
            errors.CheckDivides("Heads", spec.Heads, dim);
        foreach ((string name, int value) in new[] { ("KeyDim", spec.KeyDim), ("ValueDim", spec.ValueDim) })
            if (errors.Spec.Has(name))
                errors.CheckPositive(name, value, "features a head", mostFeatures, example: 64);
            else if (heads && dim > 0 && dim % spec.Heads == 0)
                errors.CheckRange(name, value, 1, mostFeatures);
        if (spec.ConvWidth != 0)
            errors.CheckRange("ConvWidth", spec.ConvWidth, 2, Limits.ConvWidth);
    }

    /// <summary>Keys of length one where a write takes away what its key recalled, and none where the rule itself says how long they are.</summary>
    public static void CheckUnitLength(LinearMemorySpec spec, ErrorList errors)
    {
        if (spec.IsTied && spec.UnitLength)
            errors.Unsupported("UnitLength", "true", RuleOf(spec), "a key is what its decay leaves room for", "no UnitLength");
        if (spec.IsGeneralized && spec.UnitLength)
            errors.Unsupported("UnitLength", "true", RuleOf(spec), "what it removes by has length one, and what it writes under needs its own", "no UnitLength");
        if (!spec.UnitLength && spec.Erases)
            errors.Unsupported("UnitLength", "false", RuleOf(spec), "erasing is only stable while beta |k|^2 <= 2", "no UnitLength");
    }

    /// <summary>Write strengths up to 2, of the rules that have any.</summary>
    public static void CheckNegativeEigenvalues(LinearMemorySpec spec, ErrorList errors)
    {
        if (spec.NegativeEigenvalues && !spec.IsDelta)
            errors.Unused(
                "NegativeEigenvalues", "true", RuleOf(spec),
                spec.IsGeneralized ? "what a feature loses is its decay and its learning rate, which together turn signs" : "only a delta rule has a write strength",
                "Rule = MemoryRule.GatedDelta");
    }

    /// <summary>Slots, of the one rule that has them.</summary>
    public static void CheckSlots(LinearMemorySpec spec, ErrorList errors, int most)
    {
        if (spec.HasSlots)
            errors.CheckRange("Slots", spec.Slots, 2, most); // of one a softmax says nothing
        else
            errors.Unused("Slots", Limits.Text(spec.Slots), RuleOf(spec), "its heads keep one matrix each", "Rule = MemoryRule.GatedSlots");
    }

    /// <summary>Writes of a token, of which most rules know one; its heads write no more often than as many heads as there may be would by themselves.</summary>
    public static void CheckHouseholders(LinearMemorySpec spec, ErrorList errors, int mostHeads)
    {
        string given = Limits.Text(spec.Householders);
        if (spec.Rule is not (MemoryRule.Delta or MemoryRule.GatedDelta))
            errors.Unused("Householders", given, RuleOf(spec), "a token writes once under it", "Rule = MemoryRule.GatedDelta");
        else if (errors.CheckRange("Householders", spec.Householders, 1, Limits.Householders) && spec.Heads <= mostHeads && spec.Heads * spec.Householders > mostHeads)
            errors.Unsupported(
                "Householders", given, "Heads = " + Limits.Text(spec.Heads), $"the heads of a token write at most {Prose.Count(mostHeads)} times",
                "Householders = " + Limits.Text(mostHeads / spec.Heads), "Heads = " + Limits.Text(mostHeads / spec.Householders));
    }

    /// <summary>Keys for several heads, where they fade as a whole. A state space has groups in their place, and rules of its own.</summary>
    public static void CheckKeyHeads(LinearMemorySpec spec, ErrorList errors, int mostHeads)
    {
        if (spec.Rule is not (MemoryRule.Linear or MemoryRule.ScalarDecay or MemoryRule.Delta or MemoryRule.GatedDelta or MemoryRule.Titans))
            errors.Unused("KeyHeads", Limits.Text(spec.KeyHeads), RuleOf(spec), "only heads that fade as a whole, or not at all, share keys", "Rule = MemoryRule.GatedDelta");
        else if (!spec.StateSpace && errors.Spec.Has("KeyHeads") && errors.CheckPositive("KeyHeads", spec.KeyHeads, "heads", mostHeads, example: 1) && spec.Heads > 0 && spec.Heads % spec.KeyHeads != 0)
            errors.Unsupported(
                "KeyHeads", Limits.Text(spec.KeyHeads), "Heads = " + Limits.Text(spec.Heads),
                "each key head serves the same number of heads", "KeyHeads = " + Limits.Text(Divisors.Below(spec.Heads, spec.KeyHeads)));
    }

    private static void CheckCombinations(LinearMemorySpec spec, ErrorList errors)
    {
        if (spec.Rule == MemoryRule.Titans)
        {
            errors.Unsupported(
                "Rule", "MemoryRule.Titans", "[LinearMemory]", "a memory with momentum and steps of its own has its own attribute",
                "[TitansMemory(TitansVariant.MemoryOnly)]", "Rule = MemoryRule.Titans in a [MixtureOfMemories]");
            return;
        }

        if (spec.Rule != MemoryRule.Linear && spec.FeatureMap != FeatureMap.Identity)
            errors.Unused("FeatureMap", "FeatureMap." + spec.FeatureMap, RuleOf(spec), "a feature map belongs to a memory that only adds", "Rule = MemoryRule.Linear");
        if (spec.Rule != MemoryRule.Linear && spec.Normalized)
            errors.Unused("Normalized", "true", RuleOf(spec), "a sum of keys does not follow a memory that fades or erases", "Rule = MemoryRule.Linear with FeatureMap = FeatureMap.EluPlusOne");
        if (spec.Rule == MemoryRule.Linear && spec.Normalized && spec.FeatureMap == FeatureMap.Identity)
            errors.Unused("Normalized", "true", "FeatureMap = FeatureMap.Identity", "the sum it divides by could be zero or negative", "FeatureMap = FeatureMap.EluPlusOne");
        else if (spec is { Rule: MemoryRule.Linear, Normalized: true, MappedDim: 1 })
            errors.Unused("Normalized", "true", "KeyDim = 1", "a query's one feature stands above and below, and says nothing", "KeyDim = 16");
        if (spec is { Rule: MemoryRule.Linear, FeatureMap: FeatureMap.Taylor, KeyDim: > Limits.TaylorFeatures })
            errors.Unsupported(
                "FeatureMap", "FeatureMap.Taylor", "KeyDim = " + Limits.Text(spec.KeyDim), $"a key would become {Prose.Count(spec.MappedDim, "feature")}",
                "KeyDim = " + Limits.Text(Limits.TaylorFeatures), "FeatureMap = FeatureMap.EluPlusOne");
        if (spec.Rule == MemoryRule.Linear && spec.UnitLength && spec.FeatureMap != FeatureMap.Identity)
            errors.Unused("UnitLength", "true", "FeatureMap = FeatureMap." + spec.FeatureMap, "a feature map sets the length itself", "no FeatureMap");
        if (spec.Rule != MemoryRule.ScalarDecay)
            errors.Unused("Decay", "DecaySchedule." + spec.Decay, RuleOf(spec), "it says how fast a head fades", "Rule = MemoryRule.ScalarDecay");
        CheckSlots(spec, errors, Limits.HeadFeatures);
        CheckHouseholders(spec, errors, Limits.Heads);
        CheckKeyHeads(spec, errors, Limits.Heads);
        CheckUnitLength(spec, errors);
        CheckNegativeEigenvalues(spec, errors);
    }

    private static void CheckPositions(LinearMemorySpec spec, int dim, ErrorList errors)
    {
        string given = Limits.Text(spec.RotaryBase);
        bool ownKeys = errors.Spec.Has("KeyDim") || spec.Expands;
        errors.CheckRotary(spec.RotaryBase, !ownKeys && spec.Heads > 0 && dim % spec.Heads == 0 ? spec.Heads : 0, dim);
        if (!spec.HasPositions || spec.Rule == MemoryRule.Titans)
            return;
        if (spec.HasChannels || spec.IsTied)
            errors.Unsupported("RotaryBase", given, RuleOf(spec), "features that turn together would fade apart, and a read would depend on where its text began", "no RotaryBase");
        if (spec.Normalized)
            errors.Unsupported("RotaryBase", given, "Normalized = true", "turned features are not positive, so the sum it divides by could be zero", "no RotaryBase", "no Normalized");
        if (spec.StateSpace)
            errors.Unsupported("RotaryBase", given, "StateSpace = true", "its vectors B and C are taken as they are", "no RotaryBase");
        if (spec.Expands)
            errors.Unsupported("RotaryBase", given, "FeatureMap = FeatureMap." + spec.FeatureMap, "the features that it makes come in no pairs", "no RotaryBase");
        else if (ownKeys && spec.KeyDim % 2 != 0)
            errors.Unsupported("KeyDim", Limits.Text(spec.KeyDim), "RotaryBase = " + given, "positions turn pairs of features", "KeyDim = " + Limits.Text(spec.KeyDim + 1), "no RotaryBase");
    }

    private static string RuleOf(LinearMemorySpec spec) => "Rule = MemoryRule." + spec.Rule;
}
