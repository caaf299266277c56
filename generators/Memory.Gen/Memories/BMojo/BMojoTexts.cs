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
        string[] memories =
        [
            .. spec.HasWindow ? new[] { spec.IsBlocked ? "the last one to two chunks of " + Prose.Count(spec.Window, "token") : "the last " + Prose.Count(spec.Window, "token") } : [],
            .. spec.HasEidetic ? new[] { Prose.Count(spec.EideticTokens, "older token") + " " + Kept(spec) } : [],
            .. spec.HasFading ? new[] { Prose.Count(spec.FadingTokens, "output") + " of a fading memory" + (spec.FadingStride > 1 ? " " + Prose.Count(spec.FadingStride, "token") + " apart" : "") } : [],
        ];
        string list = memories.Length == 1 ? memories[0] : string.Join(", ", memories.Take(memories.Length - 1)) + " and " + memories[memories.Length - 1];
        return "B'MOJO, one softmax over " + list
            + ", " + Prose.Count(spec.Heads, "head") + " of " + Prose.Count(headDim, "feature")
            + (spec.KeyValueHeads != spec.Heads ? ", " + Prose.Count(spec.KeyValueHeads, "key and value head") : "")
            + (spec.HasPositions ? ", rotary positions" : ", no positions");
    }

    public static IEnumerable<string> Equations(BMojoSpec spec, MixerEmitter? memory)
    {
        string turned = spec.QueryKeyNorm ? "RMSNorm(W x_t)" : "W x_t";
        yield return $"o_t = sum_s softmax_s({(spec.HasPositions ? "(R_t q_t)^T (R_s k_s)" : "q_t^T k_s")} / sqrt(K)) v_s   over all of these together:";
        if (spec.HasWindow)
            yield return "   k_s, v_s for " + (spec.IsBlocked ? "(c - 1) W <= s <= t,   c = floor(t / W) the chunk of t" : "t - W < s <= t");
        if (spec.HasEidetic)
            yield return $"   k_s, v_s for s in E_c{(spec.IsBlocked ? "" : ",   c = floor(t / R)")}";
        if (spec.HasFading)
            yield return $"   k'_s, v'_s for s = {Newest(spec)}{(spec.FadingTokens > 1 ? $" - {(spec.FadingStride > 1 ? Prose.Count(spec.FadingStride) + " " : "")}i,   0 <= i < P" : "")}";
        yield return !spec.HasWindow ? $"q_t = {turned}" : spec.QueryKeyNorm ? $"q_t, k_t = {turned},   v_t = W x_t" : "q_t, k_t, v_t = W x_t";
        if (spec.HasFading)
            yield return $"k'_t, v'_t = {(spec.QueryKeyNorm ? "RMSNorm(W y_t), W y_t" : "W y_t")}{(spec.TiedProjections && spec.HasWindow ? ",   W those of k_t, v_t" : "")}";
        if (spec.HasEidetic)
            foreach (string line in Eidetic(spec))
                yield return line;
        if (spec.HasPositions)
            yield return "R_t the rotation at position t" + (spec.HasEidetic && spec.Positions == BMojoPositions.Compact
                ? $";   for the r-th of E_c, r = 0, 1, ..: at {(spec.IsBlocked ? "(c - 1) W" : "c R - W + 1")} - M + r"
                : "");
        if (memory is null)
            yield break;
        yield return "y_t the fading memory:";
        foreach (string line in memory.Equations)
            yield return "   " + line;
    }

    public static string Source(BMojoSpec spec, MixerEmitter? memory) =>
        "Zancato et al.: B'MOJO: Hybrid State Space Realizations of Foundation Models with Eidetic and Fading Memory (arXiv 2407.06324)"
        + (memory is null ? "" : "; the fading memory: " + memory.Source.TrimEnd('.'))
        + (spec.KeyValueHeads != spec.Heads ? "; shared keys: Ainslie et al.: GQA (arXiv 2305.13245)" : "")
        + (spec.HasPositions ? "; positions: Su et al.: RoFormer (arXiv 2104.09864), section 3.4" : "") + "."
        + (spec.HasEidetic ? " Ours: how e_t is measured, when slots are chosen, what is let go" + (spec.HasPositions ? " and where their keys stand" : "") + "." : "");

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
        : spec.IsBlocked ? "(c - 1) W - 1" : "t - W";

    private static IEnumerable<string> Eidetic(BMojoSpec spec)
    {
        string refresh = spec.IsBlocked ? "W" : "R";
        string eligible = spec.IsBlocked ? $"s < (c - 1) {refresh}" : $"s <= c {refresh} - W";
        string bound = spec.Threshold is { } threshold ? $", of those with e >= {Prose.Literal(threshold)}" : "";
        yield return spec.KeepsNewest
            ? $"E_c: the newest M of E_(c-1) and of the tokens {eligible} not judged before{bound}"
            : $"E_c: the M largest e of E_(c-1){(spec.ScoreDecay < 1 ? ", whose e are now times " + Prose.Literal(spec.ScoreDecay) + "," : "")} and of the tokens {eligible} not judged before{bound}";
        if (spec.Score == BMojoScore.Recency || (spec.KeepsNewest && spec.Threshold is null))
            yield break;
        yield return spec.Score switch
        {
            BMojoScore.DeltaResidual => "   e_t = 1 - cos(v_t, S_{t-1}^T k_t)   with the fading memory's own keys, values and state",
            BMojoScore.Norm => "   e_t = |x_t|^2 / D",
            BMojoScore.Random => "   e_t = a number in [0, 1) that t alone decides",
            _ => "   e_t = |x_t - W y_{t-1} - b|^2 / |x_t|^2,   that of a text's first token infinite",
        };
        if (spec.HasPredictor && spec.PredictionLoss > 0)
            yield return $"   beside the loss of the task, for these W and b alone: {Prose.Literal(spec.PredictionLoss)} mean |x_t - W y_(t-1) - b|^2 / D";
    }
}
