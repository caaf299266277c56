using System.Collections.Generic;
using System.Linq;
using Memory.Gen.Generators.Memories.LinearMemory;
using Memory.Gen.Generators.Specs;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Memories.Titans;

/// <summary>Names, words and equations of the Titans memories.</summary>
internal static class TitansTexts
{
    public static string Name(TitansVariant variant) => variant switch
    {
        TitansVariant.MemoryOnly => "LongTermMemory",
        TitansVariant.Context => "MemoryAsContext",
        TitansVariant.Gate => "MemoryAsGate",
        _ => "MemoryAsLayer",
    };

    public static string Phrase(TitansSpec spec, int headDim)
    {
        string window = spec.IsSegmented
            ? "attention within segments of " + Prose.Count(spec.Window, "token")
            : "attention over the last " + Prose.Count(spec.Window, "token");
        string words = spec.Variant switch
        {
            TitansVariant.MemoryOnly => "a neural memory that learns while it reads",
            TitansVariant.Context => "memory as context: " + window + " also reads what a neural memory recalls, and is written into it",
            TitansVariant.Gate => spec.Squash == TitansSquash.Attention
                ? "memory as gate: " + window + " gates what a neural memory recalls"
                : "memory as gate: " + window + ", gated by what a neural memory recalls",
            _ => spec.IsSegmented
                ? "memory as layer: attention over what a neural memory recalls, within segments of " + Prose.Count(spec.Window, "token")
                : "memory as layer: " + window + " of what a neural memory recalls",
        };
        words += ", " + Prose.Count(spec.Heads, "head") + " of " + Prose.Count(headDim, "feature") + ", ";
        words += spec.MemoryDepth == 1
            ? "each memory a matrix"
            : spec.GatedLinearUnit ? "each memory a gated linear unit of hidden width " + Prose.Count(spec.Expansion * headDim)
            : "each memory a network of " + Prose.Count(spec.MemoryDepth, "layer") + " with hidden width " + Prose.Count(spec.Expansion * headDim);
        if (spec.Residual)
            words += " behind a residual";
        words += spec.Block == 1 ? ", written token by token" : ", written in blocks of " + Prose.Count(spec.Block, "token");
        if (spec.Muon)
            words += " with orthogonal momentum" + (spec.WeightNorm ? " at constant norms" : "");
        if (spec.HasConvolution)
            words += ", convolutions over " + Prose.Count(spec.ConvWidth, "token");
        if (spec.PersistentTokens > 0)
            words += ", " + Prose.Count(spec.PersistentTokens, spec.HasTokens ? "persistent token" : "persistent key") + (spec.HasTokens ? "" : " with values");
        if (spec.Variant == TitansVariant.Context)
            words += spec.BackpropSegments == 0 ? ", gradients within segments" : ", gradients within stretches of " + Prose.Count(spec.BackpropSegments + 1, "segment");
        return words;
    }

    public static IEnumerable<string> Equations(TitansSpec spec)
    {
        bool context = spec.Variant == TitansVariant.Context;
        string source = context ? "y_t" : "x_t";
        foreach (string line in spec.Muon ? MuonUpdate(spec) : [Update(spec)])
            yield return line;
        yield return Gradient(spec);
        yield return (spec.Momentum ? "S_0 = 0,   " : "") + "M_0 learned" + (spec.MemoryHasPrefix ? ",   then the tokens of P are written, before the first x_t" : "");
        yield return $"m_t = f(q_t; {(spec.Reads == TitansRead.AfterWrite ? "M_t" : "M_c")}),   f(x; M) = {Network(spec)}";
        string unit = spec.UnitLength ? "unit" : "";
        yield return LinearMemoryTexts.Features(spec.HasConvolution, unit, source);
        foreach (string line in Gates(spec, source))
            yield return line;
        if (context)
            yield return $"h_t = RMSNorm(f({unit}({(spec.HasConvolution ? "SiLU(conv(W_h x_t))" : "W_h x_t")}); M_s)),   M_s the memory that its segment of {Prose.Count(spec.Window, "token")} began with";
        if (spec.Variant == TitansVariant.Layer)
            yield return "z_t = RMSNorm(W_z (RMSNorm(m_t) * SiLU(W_G x_t)))" + (spec.HasTokens ? ",   z_p of p in P likewise" : "");
        if (spec.HasAttention)
            foreach (string line in Attention(spec))
                yield return line;
        yield return spec.Variant switch
        {
            TitansVariant.MemoryOnly => "o_t = W_O (RMSNorm(m_t) * SiLU(W_G x_t))",
            TitansVariant.Layer => "o_t = W_O y_t",
            _ => spec.Squash == TitansSquash.Attention
                ? "o_t = W_O (sigmoid(RMSNorm(y_t)) * RMSNorm(m_t))"
                : "o_t = W_O (RMSNorm(y_t) * sigmoid(RMSNorm(m_t)))",
        };
    }

    public static string Source(TitansSpec spec)
    {
        string sections = spec.Variant switch
        {
            TitansVariant.MemoryOnly => "sections 3.1 and 3.2",
            TitansVariant.Context => "sections 3.1, 3.2 and 4.1",
            TitansVariant.Gate => "sections 3.1, 3.2 and 4.2",
            _ => "sections 3.1, 3.2 and 4.3",
        };
        string ours = string.Join("; ", Ours(spec));
        return "Behrouz, Zhong, Mirrokni: Titans: Learning to Memorize at Test Time (arXiv 2501.00663), " + sections
            + (spec.PersistentTokens > 0 ? ", persistent memory: 3.3" : "")
            + (spec.GatedLinearUnit ? "; gated linear unit: Shazeer: GLU Variants Improve Transformer (arXiv 2002.05202)" : "")
            + (spec.Muon ? "; orthogonal momentum" + (spec.WeightNorm ? " and norms" : "") + ": Zhang et al.: Test-Time Training Done Right (arXiv 2505.23884; LaCT), section 3; Jordan et al.: Muon" : "")
            + (spec.Residual ? "; residual: Sun et al.: Learning to (Learn at Test Time) (arXiv 2407.04620)" : "")
            + (spec.HasPositions ? "; positions: Su et al.: RoFormer (arXiv 2104.09864), section 3.4" : "")
            + (ours.Length > 0 ? ".\nOurs: " + ours : "") + ".";
    }

    // Where the paper is silent, or where its letter would not work.
    private static IEnumerable<string> Ours(TitansSpec spec)
    {
        if (spec.Muon)
            yield return "squared errors, where LaCT has products, and one theta_t for all matrices" + (spec.MaxStep == 1 ? "" : "; the factor on NS");
        else if (spec.Momentum)
            yield return "the factor 1 - eta_t, so that all that one write sets going adds up to at most " + Limits.Text(spec.MaxStep);
        if (spec.Variant == TitansVariant.Context)
        {
            yield return "a token attends to what was recalled for tokens up to itself and reads back what was written up to itself (read by the letter, the paper's equations let it see its segment's future)";
            yield return "the norm of h_t, and that its keys are made as those of x_t";
            yield return "gradients that end where their stretch began (through many segments they grow without bound)";
        }

        if (spec.Variant == TitansVariant.Layer)
            yield return "the norm before the attention";
        if (spec.IsGated && spec.Squash == TitansSquash.Attention)
            yield return "the sigmoid on the attention's side, which learns more reliably";
        if (spec.Forgetting && spec.Decay == TitansDecay.BeforeGradient)
            yield return "forgetting before the gradient, as in the gated delta rule (arXiv 2412.06464)";
        if (spec.Forgetting && spec.DecayTo == TitansDecayTarget.Initial)
            yield return "forgetting toward M_0";
        if (spec.InnerClip > 0)
            yield return "the bound on G_t";
    }

    private static string Update(TitansSpec spec)
    {
        string kept = !spec.Forgetting ? "M_{t-1}"
            : spec.DecayTo == TitansDecayTarget.Initial ? "M_0 + (1 - alpha_t) (M_{t-1} - M_0)"
            : "(1 - alpha_t) M_{t-1}";
        return spec.Momentum
            ? $"S_t = eta_t S_{{t-1}} - theta_t G_t,   M_t = {kept} + S_t"
            : $"M_t = {kept} - theta_t G_t";
    }

    // Sums, means and products are over the tokens of a block.
    private static IEnumerable<string> MuonUpdate(TitansSpec spec)
    {
        string kept = !spec.Forgetting ? "M_c"
            : spec.DecayTo == TitansDecayTarget.Initial ? "M_0 + prod_t(1 - alpha_t) (M_c - M_0)"
            : "prod_t(1 - alpha_t) M_c";
        string factor = spec.MaxStep == 1 ? "" : Limits.Text(spec.MaxStep) + " ";
        yield return $"S_e = {(spec.Momentum ? "mean_t(eta_t) S_c " : "")}- sum_t theta_t G_t,   t in a block that begins at c and ends at e";
        yield return $"M_e = {kept} + {factor}NS(S_e)" + (spec.WeightNorm ? ",   then each column of M_e scaled to its norm in M_0" : "");
        yield return "NS(S): each matrix of S / |S| after five Newton-Schulz iterations X -> a X + (b Y + c Y^2) X, Y = X X^T: its singular values near 1";
    }

    private static string Gradient(TitansSpec spec)
    {
        bool fades = spec.Forgetting && spec.Decay == TitansDecay.BeforeGradient;
        string anchor = spec.Block == 1 && spec.Reads == TitansRead.AfterWrite ? "M_{t-1}" : "M_c";
        string text = $"G_t = grad 1/2 |f(k_t; {anchor}) - v_t|^2";
        if (anchor == "M_c")
            text += $",   M_c the memory that its block of {Prose.Count(spec.Block, "token")} began with";
        if (fades)
            text += ", faded up to t";
        return spec.InnerClip > 0 ? text + $",   |G_t| at most {Limits.Text(spec.InnerClip)}" : text;
    }

    private static string Network(TitansSpec spec)
    {
        string phi = spec.Activation switch { TitansActivation.Silu => "SiLU", TitansActivation.Gelu => "GELU", TitansActivation activation => activation.ToString() };
        string network = spec.MemoryDepth == 1
            ? "M^T x"
            : spec.GatedLinearUnit ? $"W_2^T ({phi}(W_1^T x) * W_3^T x)"
            : Enumerable.Range(2, spec.MemoryDepth - 1).Aggregate("W_1^T x", (inner, l) => $"W_{l}^T {phi}({inner})");
        return (spec.Residual ? $"x + gamma * LayerNorm({network})" : network)
            + (spec.MemoryDepth == 1 ? "" : $",   M = ({string.Join(", ", Enumerable.Range(1, spec.Matrices).Select(l => $"W_{l}"))})");
    }

    private static IEnumerable<string> Gates(TitansSpec spec, string source)
    {
        string factor = spec.MaxStep == 1 || spec.Muon ? "" : Limits.Text(spec.MaxStep) + " ";
        string step = "theta_t = " + factor + (spec.Momentum && !spec.Muon ? "(1 - eta_t) " : "") + (spec.AdaptiveStep ? Sigmoid("theta") : "sigmoid(b_theta)");
        yield return spec.Momentum ? $"{step},   eta_t = {Limits.Text(spec.MaxMomentum)} {Sigmoid("eta")}" : step;
        if (spec.Forgetting)
            yield return "alpha_t = " + Sigmoid("alpha");
        if (spec.ReadsNothingForgotten)
            yield return "no token of a window reads what was forgotten on the way to M_0: nothing trains W_alpha and b_alpha";

        string Sigmoid(string gate) => $"sigmoid(W_{gate} {source} + b_{gate})";
    }

    // Its letters are primed, for the memory has queries, keys and values too.
    private static IEnumerable<string> Attention(TitansSpec spec)
    {
        bool context = spec.Variant == TitansVariant.Context;
        string source = spec.Variant == TitansVariant.Layer ? "z" : "x", past = spec.IsSegmented ? "j <= t in its segment" : "t - w < j <= t";
        string shown = spec.Variant == TitansVariant.Layer ? "W'_K z_p, W'_V z_p" : "W'_K p, W'_V p";
        string persistent = spec.HasTokens ? $"k'_p, v'_p = {shown} for p in P" : spec.HasRows ? "k'_p, v'_p for p in P learned" : "";
        yield return (context ? "q'_t = W'_Q x_t,   k'_j, v'_j = W'_K h_j, W'_V h_j and again W'_K x_j, W'_V x_j" : $"q'_t, k'_t, v'_t = W'_Q {source}_t, W'_K {source}_t, W'_V {source}_t")
            + (context || persistent.Length == 0 ? "" : ",   " + persistent);
        if (context && persistent.Length > 0)
            yield return persistent;
        yield return $"y_t = sum_j softmax_j({(spec.HasPositions ? "(R_t q'_t)^T (R_j k'_j)" : "q'_t^T k'_j")} / sqrt(K)) v'_j,   {past}"
            + (spec.PersistentTokens == 0 ? "" : spec.HasPositions ? " and every p in P, these without R" : " and every p in P");
        if (spec.HasPositions)
            yield return "R_t the rotation at " + (context ? "t's place in its segment" : "position t");
        if (spec.Window == 1 && spec.PersistentTokens == 0 && !context)
            yield return "a softmax over one token is 1: nothing trains W'_Q and W'_K";
    }
}
