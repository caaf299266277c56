using System.Linq;
using Memory.Gen.Generators.Specs;

namespace Memory.Gen.Generators.Wrappers.Recurrent;

/// <summary>What can be wrong with a declared recurrent memory.</summary>
internal static class RecurrentMemoryRules
{
    public static void Check(RecurrentMemorySpec spec, ErrorList errors)
    {
        errors.CheckNamed("WriteInit", spec.WriteInit);
        if (!errors.Spec.Has("MemoryTokens"))
            errors.CheckPositive("MemoryTokens", 0, "rows", Limits.MemoryTokens, example: 4);
        else if (errors.CheckRange("MemoryTokens", spec.MemoryTokens, 0, Limits.MemoryTokens))
            SegmentRules.Check(spec, $"the {Limits.Text(spec.OtherRows)} rows of the memory, MemoryTokens = {Limits.Text(spec.MemoryTokens)} in front and as many behind", errors);
        foreach (string option in new[] { "WriteInit", "BackpropSegments" }.Where(o => errors.Spec.Has("MemoryTokens") && spec.MemoryTokens == 0 && errors.Spec.Has(o)))
            errors.Add("MEMGEN204", option, option, errors.Spec.Text(option), "MemoryTokens = 0", "segments alone pass nothing on", "MemoryTokens = 1 or more");
    }
}
