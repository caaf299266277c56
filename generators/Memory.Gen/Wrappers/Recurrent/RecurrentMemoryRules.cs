using Memory.Gen.Generators.Specs;
using Memory.Gen.Generators.Wrappers.Segments;

namespace Memory.Gen.Generators.Wrappers.Recurrent;

/// <summary>What can be wrong with a declared recurrent memory.</summary>
internal static class RecurrentMemoryRules
{
    public static void Check(RecurrentMemorySpec spec, ErrorList errors)
    {
        errors.CheckNamed("WriteInit", spec.WriteInit);
        if (!errors.Spec.Has("MemoryTokens"))
            errors.CheckPositive("MemoryTokens", 0, "rows", Limits.MemoryTokens, example: spec.SegmentTokens is >= 3 and < 9 ? (spec.SegmentTokens - 1) / 2 : 4);
        else if (errors.CheckRange("MemoryTokens", spec.MemoryTokens, 0, Limits.MemoryTokens))
            SegmentRules.Check(spec, $"the {Limits.Text(spec.OtherRows)} rows of the memory, MemoryTokens = {Limits.Text(spec.MemoryTokens)} in front and as many behind", errors);
        if (!errors.Spec.Has("MemoryTokens") || spec.MemoryTokens != 0)
            return;
        const string with = "MemoryTokens = 0", reason = "segments alone pass nothing on", supported = "MemoryTokens = 1";
        if (spec.SegmentTokens == 1)
            errors.Unsupported("SegmentTokens", "1", with, "a token alone has nothing to remember", "SegmentTokens = 256", "SegmentTokens = 3 with MemoryTokens = 1");
        errors.Unused("WriteInit", "WriteInit." + spec.WriteInit, with, reason, supported);
        errors.Unused("BackpropSegments", Limits.Text(spec.BackpropSegments ?? 0), with, reason, supported);
    }
}
