using System.Collections.Generic;
using System.Linq;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Memories.LinearMemory;

/// <summary>Names, words and equations of the rules of a matrix memory, alone or in a mixture.</summary>
internal static class LinearMemoryTexts
{
    /// <summary>The features from which the decays of each key feature are made, the slots or the writes of a token, as a further constant; empty where there are none.</summary>
    public static string FurtherConstant(LinearMemorySpec spec) => spec.Rule switch
    {
        MemoryRule.GatedSlots => ", Slots = " + spec.Slots,
        MemoryRule.ChannelDelta => ", DecayRank = ValueDim",
        MemoryRule.BonusDecay => ", DecayRank = KeyDim",
        MemoryRule.GeneralizedDelta => ", Rank = KeyDim",
        _ when spec.IsProduct => ", Householders = " + spec.Householders,
        _ => spec.HasChannels ? ", DecayRank = " + spec.DecayRank : "",
    };

    /// <summary>What the constant of those features is called.</summary>
    public static string Rank(LinearMemorySpec spec) => spec.IsGeneralized ? "Rank" : "DecayRank";

    /// <summary>What their logarithms are divided by, or are at most, as the line of a constant; null where it is neither.</summary>
    public static string? DecayFactor(LinearMemorySpec spec) => spec.Rule switch
    {
        MemoryRule.ChannelDecay or MemoryRule.GatedSlots => $"private const double DecayTemperature = {Prose.Literal(spec.DecayTemperature)};",
        MemoryRule.GeneralizedDelta => "private const double FastestDecay = 0.6065306597126334;  // e^(-1/2)",
        _ => null,
    };

    /// <summary>The field that says where in the model a memory stands.</summary>
    public const string Depth = "private readonly double depth;  // l/L, the share of the model's layers that stand before this one";

    /// <summary>The axes that some rules have beside those of keys and values.</summary>
    public static IEnumerable<string> FurtherAxes(LinearMemorySpec spec, char slots = 'M') =>
        spec.IsGeneralized ? ["J rank of decays and learning rates"] : spec.HasSlots ? [slots + " slots"] : spec.IsProduct ? ["N writes of a token"] : spec.HasChannels ? ["J rank of the decays"] : spec.Expands ? ["P mapped key features"] : [];

    /// <summary>The operator's call as far as the arguments that every rule has in its own way.</summary>
    public static string Operator(LinearMemorySpec spec) => spec.Rule switch
    {
        MemoryRule.Delta when spec.IsProduct => "DeltaProduct.Apply(q, k, v, beta, logDecay: null",
        MemoryRule.GatedDelta when spec.IsProduct => "DeltaProduct.Apply(q, k, v, beta, g",
        MemoryRule.Linear => "LinearAttention.Apply(q, k, v",
        MemoryRule.ScalarDecay => "ScalarDecay.Apply(q, k, v, g",
        MemoryRule.ChannelDecay or MemoryRule.TiedDecay => "ChannelDecay.Apply(q, k, v, g",
        MemoryRule.BonusDecay => "BonusDecay.Apply(q, k, v, g, bonus.view(Heads, KeyDim)",
        MemoryRule.Delta => "DeltaRule.Apply(q, k, v, beta",
        MemoryRule.ChannelDelta => "ChannelDeltaRule.Apply(q, k, v, beta, g",
        MemoryRule.Titans => "TitansLinear.Apply(q, k, v, theta, eta, alpha, block: 1",
        MemoryRule.GeneralizedDelta => "GeneralizedDeltaRule.Apply(q, k, v, -kappa, a * kappa, g",
        MemoryRule.GatedSlots => "GatedSlotAttention.Apply(q, k, v, g",
        _ => "GatedDeltaRule.Apply(q, k, v, beta, g",
    };

    public static string Phrase(LinearMemorySpec spec) => spec.Rule switch
    {
        MemoryRule.Linear => (spec.Normalized ? "normalized linear attention" : "linear attention") + spec.FeatureMap switch
        {
            FeatureMap.Taylor => " with the second-order Taylor map",
            FeatureMap.Hedgehog => " with Hedgehog's learned map",
            _ => "",
        },
        MemoryRule.GatedSlots => "gated slot attention",
        _ => "a linear memory " + Manner(spec),
    } + Sizes(spec);

    /// <summary>What its types in an emitted file are called.</summary>
    public static string Name(LinearMemorySpec spec) => spec.Decay switch
    {
        DecaySchedule.RetNet => "Retention",
        DecaySchedule.Lightning => "Lightning",
        _ => spec.Rule + (spec.IsProduct ? "Product" : ""),
    };

    /// <summary>How a rule treats what a memory holds, as words behind "memory" or "memories"; empty for one that only adds.</summary>
    public static string Manner(LinearMemorySpec spec) => spec.Rule switch
    {
        MemoryRule.Linear => "",
        MemoryRule.ScalarDecay when spec.IsFixed => "whose heads fade at fixed rates",
        MemoryRule.ScalarDecay => "whose heads fade at a rate that each token sets",
        MemoryRule.ChannelDecay => "whose key features fade at rates that each token sets",
        MemoryRule.BonusDecay => "whose key features fade at rates that each token sets, read with a bonus for the token's own value (RWKV-6)",
        MemoryRule.TiedDecay => "whose keys are what the decays leave room for",
        MemoryRule.Delta => "under the delta rule" + Writes(spec),
        MemoryRule.Titans => "learning by gradient steps with momentum",
        MemoryRule.ChannelDelta => "under the channel delta rule (Kimi Delta Attention)",
        MemoryRule.GeneralizedDelta => "under the generalised delta rule (RWKV-7)",
        MemoryRule.GatedSlots => "of slots that fade at rates that each token sets, read by a softmax (Gated Slot Attention)",
        _ => "under the gated delta rule" + Writes(spec),
    };

    /// <summary>Heads, convolutions and gate, as words behind a comma.</summary>
    public static string Sizes(LinearMemorySpec spec) =>
        ", " + Prose.Count(spec.Heads, "head") + " of " + spec.KeyDim + " by " + spec.ValueDim + " features"
        + (spec.SharesKeys ? ", " + Prose.Count(spec.KeyHeads, "key head") : "")
        + (spec.HasSlots ? ", " + Prose.Count(spec.Slots, "slot") : "")
        + (spec.ConvWidth > 0 ? ", convolutions over " + Prose.Count(spec.ConvWidth, "token") : "")
        + (spec.HasPositions ? ", rotary positions" : "")
        + (spec.OutputGate ? ", gated output" : "");

    public static IEnumerable<string> Equations(LinearMemorySpec spec) => Memory(spec).Append(Output(spec, spec.HasSlots ? "SiLU(o_t)" : "o_t"));

    /// <summary>What queries, keys and values are made of.</summary>
    /// <param name="convolved">Whether convolutions stand between.</param>
    /// <param name="mapped">What queries and keys are mapped by; empty for nothing.</param>
    /// <param name="source">What they are projected from.</param>
    /// <param name="turned">Whether queries and keys turn to their positions.</param>
    /// <param name="learned">Whether their maps begin with matrices of their own.</param>
    /// <param name="activated">Whether they are SiLUs without convolutions too.</param>
    /// <param name="several">Whether keys and values are those of each write of a token.</param>
    public static string Features(bool convolved, string mapped, string source, bool turned = false, bool learned = false, bool activated = false, bool several = false)
    {
        string turn = turned ? "R_t " : "";
        return several
            ? $"q_t = {turn}{Mapped("W_Q", "M_Q ")},   k_{{t,j}} = {turn}{Mapped("W_{K,j}", "M_K ")},   v_{{t,j}} = {Made("W_{V,j}")}"
            : $"q_t = {turn}{Mapped("W_Q", "M_Q ")},   k_t = {turn}{Mapped("W_K", "M_K ")},   v_t = {Made("W_V")}";

        string Made(string matrix) => convolved ? $"SiLU(conv({matrix} {source}))" : activated ? $"SiLU({matrix} {source})" : $"{matrix} {source}";

        string Mapped(string matrix, string map) => mapped.Length == 0 ? Made(matrix) : $"{mapped}({(learned ? map : "")}{Made(matrix)})";
    }

    /// <summary>What comes out of what was read.</summary>
    /// <param name="spec">What was declared.</param>
    /// <param name="read">What was read.</param>
    /// <param name="own">What is added behind the norm, of a rule that adds something.</param>
    public static string Output(LinearMemorySpec spec, string read, string own = "u_t") => (spec.OutputGate, spec.IsGeneralized) switch
    {
        (true, true) => $"y_t = W_O ((RMSNorm({read}) + {own}) * SiLU(W_G x_t))",
        (false, true) => $"y_t = W_O (RMSNorm({read}) + {own})",
        (true, false) => $"y_t = W_O (RMSNorm({read}) * SiLU(W_G x_t))",
        (false, false) => $"y_t = W_O RMSNorm({read})",
    };

    /// <summary>What a memory keeps, what is read from it, and what both are made of.</summary>
    public static IEnumerable<string> Memory(LinearMemorySpec spec)
    {
        yield return spec.Rule switch
        {
            MemoryRule.Linear => "S_t = S_{t-1} + k_t v_t^T",
            MemoryRule.ScalarDecay when spec.IsFixed => "S_t = e^g S_{t-1} + k_t v_t^T",
            MemoryRule.ScalarDecay => "S_t = e^{g_t} S_{t-1} + k_t v_t^T",
            MemoryRule.ChannelDecay or MemoryRule.BonusDecay => "S_t = diag(e^{g_t}) S_{t-1} + k_t v_t^T",
            MemoryRule.TiedDecay => "S_t = diag(alpha_t) S_{t-1} + k_t v_t^T,   k_t = 1 - alpha_t",
            MemoryRule.GatedSlots => "S_t = diag(alpha_t) S_{t-1} + (1 - alpha_t) k_t^T,   U_t = diag(alpha_t) U_{t-1} + (1 - alpha_t) v_t^T",
            MemoryRule.Delta or MemoryRule.GatedDelta when spec.IsProduct =>
                "S_{t,j} = S_{t,j-1} + beta_{t,j} k_{t,j} (v_{t,j} - S_{t,j-1}^T k_{t,j})^T,   S_{t,0} = " + (spec.HasHeadDecay ? "e^{g_t} " : "") + $"S_{{t-1}},   S_t = S_{{t,{spec.Householders}}}",
            MemoryRule.Delta => "S_t = S_{t-1} + beta_t k_t (v_t - S_{t-1}^T k_t)^T",
            MemoryRule.ChannelDelta => "S_t = diag(e^{g_t}) S_{t-1} + beta_t k_t (v_t - (diag(e^{g_t}) S_{t-1})^T k_t)^T",
            MemoryRule.GeneralizedDelta => "S_t = diag(e^{g_t}) S_{t-1} - (a_t * kappa_t) (S_{t-1}^T kappa_t)^T + k'_t v_t^T",
            MemoryRule.Titans => "S_t = (1 - alpha_t) S_{t-1} + P_t,   P_t = eta_t P_{t-1} + theta_t k_t (v_t - S_{t-1}^T k_t)^T",
            _ => "S_t = e^{g_t} S_{t-1} + beta_t k_t (v_t - (e^{g_t} S_{t-1})^T k_t)^T",
        };
        yield return spec switch
        {
            { Normalized: true, Expands: true } => "o_t = S_t^T q_t / (z_t^T q_t + 1e-6),   z_t = z_{t-1} + k_t",
            { Normalized: true } => "o_t = S_t^T q_t / (z_t^T q_t + 1e-6 sqrt(K)),   z_t = z_{t-1} + k_t",
            { HasSlots: true } => "o_t = U_t^T softmax(S_t q_t)",
            { Rule: MemoryRule.Titans } or { Expands: true } => "o_t = S_t^T q_t",
            { HasBonus: true } => "o_t = (S_{t-1} + diag(u) k_t v_t^T)^T q_t / sqrt(K)",
            { IsGeneralized: true } => "o_t = S_t^T q_t / sqrt(K),   u_t = (q_t^T (rho * k'_t)) v_t",
            _ => "o_t = S_t^T q_t / sqrt(K)",
        };
        yield return spec.IsTied
            ? spec.ConvWidth > 0 ? "q_t = SiLU(conv(W_Q x_t)),   v_t = SiLU(conv(W_V x_t))" : "q_t = SiLU(W_Q x_t),   v_t = W_V x_t"
            : Features(spec.ConvWidth > 0, Mapped(spec), "x_t", spec.HasPositions, spec.FeatureMap == FeatureMap.Hedgehog, spec.HasSlots, spec.IsProduct);
        if (spec.SharesKeys)
            yield return $"q_t and {(spec.IsProduct ? "k_{t,j}" : "k_t")} in head h = 0, 1, ...: those of key head floor(h G/H)";
        if (spec.FeatureMap == FeatureMap.Taylor)
        {
            yield return "phi(x) = [1; x / K^(1/4); x_i^2 / sqrt(2K); x_i x_j / sqrt(K), i < j]";
            yield return "   so that phi(q)^T phi(k) = 1 + s + s^2 / 2,   s = q^T k / sqrt(K)";
        }

        if (spec.FeatureMap == FeatureMap.Hedgehog)
            yield return $"phi(x) = softmax([2x; -2x]),   M_Q and M_K each {(spec.SharesKeys ? "key " : "")}head's own";
        if (spec.HasPositions)
            yield return "R_t: the rotation at position t";
        if (spec.IsGeneralized)
            yield return "kappa_t = unit(xi * k_t),   k'_t = k_t * (1 + (a_t - 1) * alpha)";
        string? gates = spec.Rule switch
        {
            MemoryRule.ScalarDecay => spec.Decay switch
            {
                DecaySchedule.RetNet => "e^g = 1 - 2^(-5-h) in head h = 0, 1, ...",
                DecaySchedule.Lightning => "g = -(8/H) (1 - l/L) h in head h = 0, 1, ...,   l/L the share of the model's layers that stand before",
                _ => Decay,
            },
            MemoryRule.TiedDecay => "alpha_t = l/L + (1 - l/L) sigmoid(W_f x_t),   l/L the share of the model's layers that stand before",
            MemoryRule.ChannelDecay => "g_t = log sigmoid(W_2 W_1 x_t + b) / " + Prose.Count((long)spec.DecayTemperature),
            MemoryRule.BonusDecay => "g_t = -e^(W_2 tanh(W_1 x_t) + b)",
            MemoryRule.GatedSlots => $"alpha_t = sigmoid(W_f x_t)^(1/{Prose.Count((long)spec.DecayTemperature)})",
            MemoryRule.Delta => Strength(spec),
            MemoryRule.GatedDelta => Strength(spec) + ",   " + Decay,
            MemoryRule.ChannelDelta => Strength(spec) + ",   g_t = -e^a softplus(W_2 W_1 x_t + b)",
            MemoryRule.GeneralizedDelta => "a_t = sigmoid(W_4 W_3 x_t + c),   g_t = -e^(-1/2) sigmoid(W_2 tanh(W_1 x_t) + b)",
            MemoryRule.Titans => "eta_t = sigmoid(W_eta x_t),   theta_t = (1 - eta_t) sigmoid(W_theta x_t),   alpha_t = sigmoid(W_alpha x_t + b)",
            _ => null,
        };
        if (gates is not null)
            yield return gates;
        if (spec is { HasBonus: true, Rows: 2 })
            yield return "of a window the second token reads the first before that has faded: nothing trains W_1, W_2 and b";
    }

    /// <summary>Where the rule comes from, and what departs from it.</summary>
    public static string Source(LinearMemorySpec spec) => Paper(spec)
        + (spec.NegativeEigenvalues ? " Write strengths up to 2: Grazzi et al.: Unlocking State-Tracking in Linear RNNs Through Negative Eigenvalues (arXiv 2411.12537)." : "")
        + spec.FeatureMap switch
        {
            FeatureMap.Taylor => " The map: Arora et al.: Simple Linear Attention Language Models Balance the Recall-Throughput Tradeoff (arXiv 2402.18668), section 4.",
            FeatureMap.Hedgehog => " The map: Zhang, Bhatia, Kumbong, Ré: The Hedgehog & the Porcupine (arXiv 2402.04347), section 4.",
            _ => "",
        }
        + (spec.SharesKeys ? " Shared keys: Dao, Gu: Transformers are SSMs (arXiv 2405.21060), section 7.2." : "")
        + (spec.HasPositions ? " Positions: Su et al.: RoFormer (arXiv 2104.09864), section 3.4." : "");

    /// <summary>What of the shell around the rule its paper does not have, as a line of its own; empty for nothing.</summary>
    public static string Ours(LinearMemorySpec spec)
    {
        string[] ours = [.. Parts()];
        return ours.Length > 0 ? "\nOurs: " + string.Join(", ", ours) + "." : "";

        IEnumerable<string> Parts()
        {
            if (spec.Normalized)
                yield return "the small number beside z_t^T q_t";
            if (spec.Rule == MemoryRule.ScalarDecay && !spec.IsFixed)
                yield return (spec.SharesKeys ? "" : "keys and queries of each head's own, ") + "a step size that sets the decay alone";
            if (spec.ConvWidth > 0 && (spec.IsFixed || spec.Rule is (MemoryRule.Linear or MemoryRule.ChannelDecay or MemoryRule.TiedDecay or MemoryRule.GatedSlots)))
                yield return "the convolutions";
            if (spec.HasPositions != (spec.Decay == DecaySchedule.RetNet))
                yield return spec.HasPositions ? "the positions" : "no positions";
            if (spec.Decay == DecaySchedule.Lightning)
                yield return "a norm for each head" + (spec.OutputGate ? ", SiLU in the gate" : "");
            if (spec.Rule == MemoryRule.Linear)
                yield return "the norm";
            if (spec.OutputGate && !spec.IsProduct && spec.Rule is (MemoryRule.Linear or MemoryRule.Delta or MemoryRule.TiedDecay or MemoryRule.GatedSlots))
                yield return "the gate";
            if (spec.HasSlots)
                yield return "a norm for each head";
            if (spec.OutputGate && spec.Rule == MemoryRule.ChannelDelta)
                yield return "a gate of full rank with SiLU";
            if (spec.HasBonus || spec.IsGeneralized)
            {
                yield return spec.ConvWidth > 0 ? "convolutions in the place of a token shift" : "no token shift";
                if (spec.IsGeneralized)
                    yield return "no value residual";
                yield return "low rank K";
                yield return "RMSNorm in the place of a group norm" + (!spec.OutputGate ? ", no gate" : spec.IsGeneralized ? ", a gate of full rank with SiLU" : "");
            }

            if (spec.IsTied)
                yield return "the least decay l/L, which the paper learns from there on";
        }
    }

    private static string Paper(LinearMemorySpec spec) => spec.Rule switch
    {
        MemoryRule.Linear => "Katharopoulos, Vyas, Pappas, Fleuret: Transformers are RNNs (arXiv 2006.16236), section 3.",
        MemoryRule.ScalarDecay when spec.Decay == DecaySchedule.RetNet =>
            "Sun, Dong, Huang, Ma, Xia, Xue, Wang, Wei: Retentive Network (arXiv 2307.08621), section 2.2.",
        MemoryRule.ScalarDecay when spec.Decay == DecaySchedule.Lightning =>
            "Qin, Sun, Li, Shen, Sun, Zhong: Lightning Attention-2 (arXiv 2401.04658); the rates: Qin et al.: TransNormerLLM (arXiv 2307.14995), section 3.1.",
        MemoryRule.ScalarDecay => "Dao, Gu: Transformers are SSMs (arXiv 2405.21060), section 5.",
        MemoryRule.TiedDecay => "Qin, Yang, Sun, Shen, Li, Sun, Zhong: HGRN2: Gated Linear RNNs with State Expansion (arXiv 2404.07904), section 3.",
        MemoryRule.ChannelDecay => "Yang, Wang, Shen, Panda, Kim: Gated Linear Attention Transformers (arXiv 2312.06635), section 4.",
        MemoryRule.BonusDecay => "Peng, Goldstein, Anthony et al.: Eagle and Finch: RWKV with Matrix-Valued States and Dynamic Recurrence (arXiv 2404.05892), section 4.",
        MemoryRule.ChannelDelta => "Kimi Team: Kimi Linear: An Expressive, Efficient Attention Architecture (arXiv 2510.26692), section 3.",
        MemoryRule.GeneralizedDelta => "Peng, Zhang, Goldstein, Alcaide et al.: RWKV-7 \"Goose\" with Expressive Dynamic State Evolution (arXiv 2503.14456), section 4.1.",
        MemoryRule.GatedSlots => "Zhang, Yang, Zhu, Zhang, Cui, Wang, Wang, Shi, Wang, Bi, Zhou, Fu: Gated Slot Attention (arXiv 2409.07146), section 3.",
        MemoryRule.Titans => "Behrouz, Zhong, Mirrokni: Titans (arXiv 2501.00663), section 3, with a matrix as the memory.",
        MemoryRule.Delta or MemoryRule.GatedDelta when spec.IsProduct =>
            "Siems, Carstensen, Zela, Hutter, Pontil, Grazzi: DeltaProduct: Improving State-Tracking in Linear RNNs via Householder Products (arXiv 2502.10297).",
        MemoryRule.Delta => "Yang, Wang, Zhang, Shen, Kim: Parallelizing Linear Transformers with the Delta Rule (arXiv 2406.06484), section 2.",
        _ => "Yang, Kautz, Hatamizadeh: Gated Delta Networks (arXiv 2412.06464), section 3.",
    };

    private const string Decay = "g_t = -e^a softplus(W_g x_t + b)";

    private static string Strength(LinearMemorySpec spec) =>
        (spec.IsProduct ? "beta_{t,j} = " : "beta_t = ") + (spec.NegativeEigenvalues ? "2 " : "") + (spec.IsProduct ? "sigmoid(W_{beta,j} x_t)" : "sigmoid(W_beta x_t)");

    private static string Writes(LinearMemorySpec spec) => spec.IsProduct ? " with " + Prose.Count(spec.Householders, "write") + " a token (DeltaProduct)" : "";

    private static string Mapped(LinearMemorySpec spec) => spec switch
    {
        { UnitLength: true } => "unit",
        { FeatureMap: FeatureMap.EluPlusOne } => "(elu + 1)",
        { FeatureMap: FeatureMap.Relu } => "relu",
        { Expands: true } => "phi",
        _ => "",
    };
}
