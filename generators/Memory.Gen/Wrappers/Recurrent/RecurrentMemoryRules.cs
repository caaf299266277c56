using Memory.Gen.Generators.Specs;

namespace Memory.Gen.Generators.Wrappers.Recurrent;

/// <summary>What can be wrong with a declared recurrent memory.</summary>
internal static class RecurrentMemoryRules
{
    public static void Check(RecurrentMemorySpec spec, ErrorList errors)
    {
        errors.CheckNamed("WriteInit", spec.WriteInit);
        if (errors.CheckPositive("MemoryTokens", spec.MemoryTokens, "rows", Limits.MemoryTokens, example: 4))
            SegmentRules.Check(spec, $"the {Limits.Text(spec.OtherRows)} rows of the memory, MemoryTokens = {Limits.Text(spec.MemoryTokens)} in front and as many behind", errors);
    }
}
