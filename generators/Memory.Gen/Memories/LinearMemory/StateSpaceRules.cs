using Memory.Gen.Generators.Specs;

namespace Memory.Gen.Generators.Memories.LinearMemory;

/// <summary>What can be wrong with a linear memory in the form of a state space.</summary>
internal static class StateSpaceRules
{
    private const string StateSpace = "StateSpace = true";

    /// <summary>Checks a spec whose rule has a name.</summary>
    public static void Check(LinearMemorySpec spec, ErrorList errors)
    {
        if (!spec.StateSpace)
        {
            errors.Unused("Groups", Limits.Text(spec.Groups), "StateSpace = false", "each head has keys and queries of its own, unless KeyHeads says otherwise", "StateSpace = true with Rule = MemoryRule.ScalarDecay");
            return;
        }

        if (spec.Rule != MemoryRule.ScalarDecay)
        {
            errors.Unused("StateSpace", "true", "Rule = MemoryRule." + spec.Rule, "a state space fades head by head and only adds", "Rule = MemoryRule.ScalarDecay");
            return;
        }

        errors.Unused("KeyHeads", Limits.Text(spec.KeyHeads), StateSpace, "its Groups say how many keys and queries there are");
        if (spec.IsFixed)
            errors.Unsupported("Decay", "DecaySchedule." + spec.Decay, StateSpace, "its step sizes set the decay", "no Decay", "no StateSpace");
        if (spec.UnitLength)
            errors.Unsupported("UnitLength", "true", StateSpace, "its vectors B and C are taken as they are", "no UnitLength");
        if (!spec.OutputGate)
            errors.Unsupported("OutputGate", "false", StateSpace, "its norm is over gated reads", "no OutputGate");
        if (spec.ConvWidth == 0)
            errors.Unsupported("ConvWidth", "0", StateSpace, "x, B and C come from a convolution", "ConvWidth = 4");
        if (errors.CheckPositive("Groups", spec.Groups, "groups", Limits.Heads, example: 1) && spec.Heads > 0 && spec.Heads % spec.Groups != 0)
            errors.Unsupported(
                "Groups", Limits.Text(spec.Groups), "Heads = " + Limits.Text(spec.Heads),
                "each group serves the same number of heads", "Groups = " + Limits.Text(Divisors.Below(spec.Heads, spec.Groups)));
    }
}
