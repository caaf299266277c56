using System.Collections.Generic;
using System.Linq;
using Memory.Gen.Generators.Memories.LinearMemory;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Memories.MixtureOfMemories;

/// <summary>Words and equations of a mixture of memories.</summary>
internal static class MixtureOfMemoriesTexts
{
    public static string Phrase(MixtureOfMemoriesSpec spec) =>
        "a mixture of " + Prose.Count(spec.Memories) + (spec.Memory.HasSlots ? "" : " linear") + (spec.Memories == 1 ? " memory" : " memories")
        + Manner(LinearMemoryTexts.Manner(spec.Memory))
        + ", each token in " + Prose.Count(spec.TopK) + " of them"
        + (spec.SharedMemory ? " and in a shared one" : "")
        + (spec.SharedProjections ? ", all with the same projections" : "")
        + LinearMemoryTexts.Sizes(spec.Memory);

    public static IEnumerable<string> Equations(MixtureOfMemoriesSpec spec)
    {
        string chosen = spec.TopK == spec.Memories ? "all memories"
            : spec.TopK == 1 ? "the memory with the largest of its entries"
            : $"the {Prose.Count(spec.TopK)} memories with the largest of its entries";
        yield return $"l_t = W_r x_t,   A_t: {chosen},   w_t = softmax of l_t over A_t";
        yield return "in each memory of A_t" + (spec.SharedMemory ? " and in the shared one" : "") + ", where t - 1 is the last token that it got,";
        foreach (string line in LinearMemoryTexts.Memory(spec.Memory))
            yield return "   " + line;
        yield return spec.SharedProjections
            ? "   all matrices the same for all memories"
            : $"   {Prose.List(Own(spec).ToArray())} each memory's own, {Shared(spec)} the same for all";
        yield return LinearMemoryTexts.Output(spec.Memory, spec.Memory.HasSlots ? $"SiLU({Mixed("o")})" : Mixed("o"), Mixed("u"));
        if (spec.TopK == 1 && spec.BalanceLoss == 0)
            yield return "w_t is 1 whatever l_t is, and there is no balance loss: nothing trains the router";
        if (spec.BalanceLoss > 0)
            yield return $"beside the loss of the task: {Prose.Literal(spec.BalanceLoss)} M sum_m f_m P_m,   f_m the share of tokens in m, P_m the mean of softmax(l_t)_m";

        string Mixed(string each) => $"sum_{{m in A_t}} w_{{t,m}} {each}_{{t,m}}" + (spec.SharedMemory ? $" + {each}_{{t,shared}}" : "");
    }

    public static string Source(MixtureOfMemoriesSpec spec) =>
        "Du, Sun, Lan, Hu, Cheng: MoM: Linear Sequence Modeling with Mixture-of-Memories (arXiv 2502.13685), section 3; the memories: "
        + LinearMemoryTexts.Source(spec.Memory)
        + (spec.BalanceLoss > 0 ? " The balance loss: Fedus, Zoph, Shazeer: Switch Transformers (arXiv 2101.03961), section 2.2, for each layer by itself." : "")
        + "\nOurs: of equal logits the first wins"
        + (spec.Memory.ConvWidth > 0 ? ", and convolutions run along a memory's own tokens in training as in streaming" : "") + ".";

    // The matrices that memories have each for themselves.
    private static IEnumerable<string> Own(MixtureOfMemoriesSpec spec)
    {
        string[] names = [.. spec.Memory.IsTied ? [] : new[] { "K" }, "V", .. Gates(spec)];
        return names.Select(name => "W_" + (spec.Memory.IsProduct && name is ("K" or "V" or "beta") ? $"{{{name},j}}" : name));
    }

    private static string[] Gates(MixtureOfMemoriesSpec spec) => spec.Memory.Rule switch
    {
        MemoryRule.Linear => [],
        MemoryRule.ScalarDecay => ["g"],
        MemoryRule.ChannelDecay or MemoryRule.BonusDecay => ["1", "2"],
        MemoryRule.GeneralizedDelta => ["1", "2", "3", "4"],
        MemoryRule.TiedDecay or MemoryRule.GatedSlots => ["f"],
        MemoryRule.Delta => ["beta"],
        MemoryRule.ChannelDelta => ["beta", "1", "2"],
        MemoryRule.Titans => ["eta", "theta", "alpha"],
        _ => ["beta", "g"],
    };

    // What memories that project for themselves have in common.
    private static string Shared(MixtureOfMemoriesSpec spec) => Prose.List(
        "W_Q",
        spec.Memory.ConvWidth > 0 ? "conv" : null,
        spec.Memory.HasRate ? "a" : null,
        spec.Memory.HasRate || spec.Memory.Rule is MemoryRule.ChannelDecay or MemoryRule.BonusDecay or MemoryRule.GeneralizedDelta or MemoryRule.Titans ? "b" : null,
        spec.Memory.HasBonus ? "u" : null,
        spec.Memory.IsGeneralized ? "c" : null,
        spec.Memory.IsGeneralized ? "xi" : null,
        spec.Memory.IsGeneralized ? "alpha" : null,
        spec.Memory.IsGeneralized ? "rho" : null);

    private static string Manner(string words) => words.Length == 0 ? "" : " " + words;
}
