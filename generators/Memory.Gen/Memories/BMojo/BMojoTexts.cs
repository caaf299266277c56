using System.Collections.Generic;
using System.Linq;
using Memory.Gen.Generators.Specs;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Memories.BMojo;

/// <summary>Words and equations of a B'MOJO layer.</summary>
internal static class BMojoTexts
{
    public static string Phrase(BMojoSpec spec, int headDim)
    {
        string memories = Prose.List(
            !spec.HasWindow ? null : spec.IsBlocked ? "the last one to two chunks of " + Prose.Count(spec.Window, "token") : "the last " + Prose.Count(spec.Window, "token"),
            spec.HasEidetic ? Prose.Count(spec.EideticTokens, "older token") + " " + Kept(spec) : null,
            spec.HasFading ? Prose.Count(spec.FadingTokens, "output") + " of a fading memory" + (spec.FadingStride > 1 ? " " + Prose.Count(spec.FadingStride, "token") + " apart" : "") : null);
        return "B'MOJO, one softmax over " + memories
            + ", " + Prose.Count(spec.Heads, "head") + " of " + Prose.Count(headDim, "feature")
            + (spec.KeyValueHeads != spec.Heads ? ", " + Prose.Count(spec.KeyValueHeads, "key and value head") : "")
            + (spec.HasPositions ? ", rotary positions" : ", no positions");
    }

    public static IEnumerable<string> Equations(BMojoSpec spec, MixerEmitter? memory)
    {
        string own = spec.TiedProjections && spec.HasWindow ? "" : "'";
        yield return $"z_t = sum_s softmax_s({(spec.HasPositions ? "(R_t q_t)^T (R_s k_s)" : "q_t^T k_s")} / sqrt(K)) v_s   over all of these together:";
        if (spec.HasWindow)
            yield return "   k_s, v_s for " + (spec.IsBlocked ? "(c - 1) w <= s <= t,   c = floor(t / w) the chunk of t" : "t - w < s <= t");
        if (spec.HasEidetic)
            yield return $"   k_s, v_s for s in E_c{(spec.IsBlocked ? "" : ",   c = floor(t / Q)")}";
        if (spec.HasFading)
            yield return $"   k'_s, v'_s for s = {Newest(spec)}{(spec.FadingTokens > 1 ? $" - {(spec.FadingStride > 1 ? Prose.Count(spec.FadingStride) + " " : "")}i,   0 <= i < P" : "")}";
        yield return spec.HasWindow ? $"q_t, k_t, v_t = {Turned("W_Q x_t")}, {Turned("W_K x_t")}, W_V x_t" : $"q_t = {Turned("W_Q x_t")}";
        if (spec.HasFading)
            yield return $"k'_t, v'_t = {Turned($"W{own}_K y_t")}, W{own}_V y_t";
        if (spec.HasEidetic)
            foreach (string line in Eidetic(spec))
                yield return line;
        if (spec.HasPositions)
            yield return "R_t the rotation at position t" + (spec.HasEidetic && spec.Positions == BMojoPositions.Compact
                ? $";   for the i-th of E_c, i = 0, 1, ..: at {(spec.IsBlocked ? "(c - 1) w" : "c Q - w + 1")} - M + i"
                : "");
        yield return "out_t = W_O z_t";
        if (!spec.IsBlocked && spec.Window + spec.EideticTokens + spec.FadingTokens == 1)
            yield return $"a softmax over one key is 1: nothing trains W_Q and W{own}_K";
        if (memory is null)
            yield break;
        yield return "y_t the fading memory, which has letters of its own:";
        foreach (string line in memory.Equations)
            yield return "   " + line;
        if (spec.ReadsFirstOutputOnly)
            yield return "of a window y_0 alone is read, before anything has faded: nothing trains " + (spec.Fading == FadingState.GatedDelta ? "W_g, a and b" : "a");

        string Turned(string projected) => spec.QueryKeyNorm ? $"RMSNorm({projected})" : projected;
    }

    public static string Source(BMojoSpec spec, MixerEmitter? memory) =>
        "Zancato et al.: B'MOJO: Hybrid State Space Realizations of Foundation Models with Eidetic and Fading Memory (arXiv 2407.06324)"
        + (memory is null ? "" : "; the fading memory: " + memory.Source.TrimEnd('.'))
        + (spec.KeyValueHeads != spec.Heads ? "; shared keys: Ainslie et al.: GQA (arXiv 2305.13245), section 2.2" : "")
        + (spec.HasPositions ? "; positions: Su et al.: RoFormer (arXiv 2104.09864), section 3.4" : "") + "."
        + (spec.HasEidetic ? "\nOurs: " + (HasScore(spec) ? "how e_t is measured, " : "") + "when slots are chosen, what is let go" + (spec.HasPositions ? " and where their keys stand" : "") + "." : "");

    // Whether slots are given by a score; else the newest tokens have them.
    private static bool HasScore(BMojoSpec spec) => !(spec.Score == BMojoScore.Recency || (spec.KeepsNewest && spec.Threshold is null));

    private static string Kept(BMojoSpec spec) => spec.KeepsNewest
        ? spec.Threshold is null ? "that left the window last" : "that left the window last of the unexpected ones"
        : spec.Score switch
        {
            BMojoScore.Norm => "of the largest size",
            BMojoScore.Random => "chosen blindly",
            _ => "that were least expected",
        };

    private static string Newest(BMojoSpec spec) => spec.FadingOffset is { } offset
        ? offset == 0 ? "t" : "t - " + Prose.Count(offset)
        : spec.IsBlocked ? "(c - 1) w - 1" : "t - w";

    private static IEnumerable<string> Eidetic(BMojoSpec spec)
    {
        string eligible = spec.IsBlocked ? "s < (c - 1) w" : "s <= c Q - w";
        yield return $"E_c: {(spec.KeepsNewest ? "the newest M" : "the M largest e")} of E_{{c-1}} and of the tokens {eligible} not judged before";
        if (!spec.KeepsNewest && spec.ScoreDecay < 1)
            yield return $"   before that e_s <- {Prose.Literal(spec.ScoreDecay)} e_s for s in E_{{c-1}}";
        if (spec.Threshold is { } threshold)
            yield return $"   none with e_s < {Prose.Literal(threshold)}";
        if (!HasScore(spec))
            yield break;
        yield return spec.Score switch
        {
            BMojoScore.DeltaResidual => "   e_t = 1 - cos(" + spec.Fading switch
            {
                FadingState.SelectiveScan => "delta_t u_t, h_{t-1} B_t",
                FadingState.ScalarDecay => "delta_t u_t, S_{t-1}^T B_t",
                _ => "v_t, S_{t-1}^T k_t",
            } + ")   of the fading memory: what is written, and what is recalled for it",
            BMojoScore.Norm => "   e_t = |x_t|^2 / D",
            BMojoScore.Random => "   e_t = a number in [0, 1) that t alone decides",
            _ => "   e_t = |x_t - W_p y_{t-1} - b_p|^2 / |x_t|^2,   infinite for a text's first token",
        };
        if (spec.HasPredictor && spec.PredictionLoss == 0)
            yield return "   without a loss of their own: nothing trains W_p and b_p";
        else if (spec.HasPredictor)
            yield return $"   beside the loss of the task, for W_p and b_p alone: {Prose.Literal(spec.PredictionLoss)} mean |x_t - W_p y_{{t-1}} - b_p|^2 / D";
    }
}
