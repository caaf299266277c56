using Memory.Gen.Generators.Specs;

namespace Memory.Gen.Generators.Wrappers.Segments;

/// <summary>What can be wrong with the arguments that every wrapper has.</summary>
internal static class SegmentRules
{
    /// <summary>Checks the shared arguments.</summary>
    /// <param name="spec">The wrapper.</param>
    /// <param name="others">What stands in the window beside new tokens, in words.</param>
    /// <param name="errors">Where to.</param>
    /// <returns>Whether a segment has new tokens.</returns>
    public static bool Check(WrapperSpec spec, string others, ErrorList errors)
    {
        if (errors.Spec.Has("BackpropSegments"))
            errors.CheckRange("BackpropSegments", spec.BackpropSegments!.Value, 0, Limits.BackpropSegments);
        if (errors.CheckNamed("LossScope", spec.LossScope))
            CheckLossTokens(spec, errors);
        if (!errors.CheckPositive("SegmentTokens", spec.SegmentTokens, "rows", Limits.Window, (int)System.Math.Max(256, Least(spec))))
            return false;
        if (spec.NewTokens >= 1)
            return true;
        errors.Add("MEMGEN110", "SegmentTokens", Limits.Text(spec.SegmentTokens), others);
        errors.Offer("SegmentTokens = " + Limits.Text(Least(spec)));
        return false;
    }

    private static long Least(WrapperSpec spec) => System.Math.Max(spec.LeastSegmentTokens, spec.LayerRows);

    private static void CheckLossTokens(WrapperSpec spec, ErrorList errors)
    {
        if (spec.LossScope == LossScope.LastNTokens)
            errors.CheckPositive("LossTokens", spec.LossTokens, "tokens", Limits.Window, example: 32);
        else
            errors.Unused(
                "LossTokens", Limits.Text(spec.LossTokens), "LossScope = LossScope." + spec.LossScope,
                "it is the number of predictions that LastNTokens counts", "LossScope = LossScope.LastNTokens");
    }
}
