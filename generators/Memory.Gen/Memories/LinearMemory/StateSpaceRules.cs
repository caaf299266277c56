using Memory.Gen.Generators.Specs;

namespace Memory.Gen.Generators.Memories.LinearMemory;

/// <summary>What can be wrong with a linear memory in the form of a state space.</summary>
internal static class StateSpaceRules
{
    /// <summary>Checks a spec whose rule has a name.</summary>
    public static void Check(LinearMemorySpec spec, ErrorList errors)
    {
        if (!spec.StateSpace)
        {
            if (errors.Spec.Has("Groups"))
                errors.Add("MEMGEN204", "Groups", "Groups", Limits.Text(spec.Groups), "StateSpace = false", "each head has keys and queries of its own", "StateSpace = true, or no Groups");
            return;
        }

        if (spec.Rule != MemoryRule.ScalarDecay)
        {
            errors.Add("MEMGEN204", "StateSpace", "StateSpace", "true", "Rule = MemoryRule." + spec.Rule, "a state space fades head by head and only adds", "Rule = MemoryRule.ScalarDecay, or no StateSpace");
            return;
        }

        if (spec.UnitLength)
            Unsupported(errors, "UnitLength", "true", "its vectors B and C are taken as they are", "no UnitLength");
        if (!spec.OutputGate)
            Unsupported(errors, "OutputGate", "false", "its norm is over gated reads", "no OutputGate");
        if (spec.ConvWidth == 0)
            Unsupported(errors, "ConvWidth", "0", "x, B and C come from a convolution", "ConvWidth = 4");
        if (errors.CheckPositive("Groups", spec.Groups, "groups", Limits.Heads, example: 1) && spec.Heads > 0 && spec.Heads % spec.Groups != 0)
            errors.Add(
                "MEMGEN204", "Groups", "Groups", Limits.Text(spec.Groups), "Heads = " + Limits.Text(spec.Heads),
                "each group serves the same number of heads", "Groups = " + Limits.Text(Divisors.Below(spec.Heads, spec.Groups)));
    }

    private static void Unsupported(ErrorList errors, string argument, string value, string reason, string supported) =>
        errors.Add("MEMGEN204", argument, argument, value, "StateSpace = true", reason, supported);
}
