using Memory.Gen.Generators.Specs;

namespace Memory.Gen.Generators.Memories.Titans;

/// <summary>What can be wrong with a declared Titans memory.</summary>
internal static class TitansRules
{
    // What a block may carry at most where it meets one unit key again and again: the error becomes 1 - carried times itself.
    private const double StableBlock = 2;

    private const string WithAttention = "TitansVariant.Context, Gate or Layer";

    public static void Check(TitansSpec spec, int dim, ErrorList errors)
    {
        bool heads = errors.CheckHeads(spec.Heads, dim, spec.HasAttention && spec.RotaryBase != 0, Limits.HeadFeatures);
        CheckNetwork(spec, errors);
        CheckWriting(spec, errors);
        if (spec.Residual && dim >= 2 && spec.Heads == dim)
            errors.Unsupported(
                "Residual", "true", "Heads = " + Limits.Text(dim), "the norm of a head's one feature is zero, so it recalls nothing",
                "no Residual", "Heads = " + Limits.Text(Divisors.Below(dim, dim / 2)));
        bool divides = spec.Variant == TitansVariant.Context;
        bool block = errors.CheckPositive(
            "Block", spec.Block, "tokens", Limits.Block, divides && spec.Window >= 1 ? Divisors.Below(spec.Window, TitansSpec.DefaultBlock) : TitansSpec.DefaultBlock);
        CheckMuon(spec, dim, block, errors);
        if (block && !spec.Muon && spec.Reads == TitansRead.BlockStart && spec.Rows > 0 && spec.Block >= spec.Rows)
            errors.Unused(
                "Reads", "TitansRead.BlockStart", $"Block = {Limits.Text(spec.Block)} and segments of {Limits.Text(spec.Rows)} rows",
                "all of a segment reads the memory that it begins with, so what it writes is never read",
                spec.Rows > 1 ? ["Block = " + Limits.Text(Divisors.Below(divides && spec.Window >= 1 ? spec.Window : spec.Rows, (spec.Rows + 1) / 2))] : []);
        bool persistent = errors.CheckRange("PersistentTokens", spec.PersistentTokens, 0, Limits.PersistentTokens);
        if (errors.CheckNamed("Persistent", spec.Persistent) && persistent && spec.PersistentTokens == 0)
            errors.Unused("Persistent", "TitansPersistent." + spec.Persistent, "PersistentTokens = 0", "nothing persists", "PersistentTokens = 8");
        bool reach = errors.CheckRange("BackpropSegments", spec.BackpropSegments, 0, Limits.BackpropSegments);
        if (!errors.CheckNamed("variant", spec.Variant, errors.Spec.Has("Window") ? TitansVariant.Gate : TitansVariant.MemoryOnly))
            return;
        if (reach && spec.Variant != TitansVariant.Context)
            errors.Unused(
                "BackpropSegments", Limits.Text(spec.BackpropSegments), "TitansVariant." + spec.Variant, "no segment begins with what another recalled",
                "TitansVariant.Context");
        if (!spec.HasAttention)
        {
            CheckMemoryAlone(spec, errors);
            return;
        }

        bool window = errors.CheckPositive(
            "Window", spec.Window, "tokens", Limits.Window, divides && block ? (64 + spec.Block - 1) / spec.Block * spec.Block : 64);
        CheckAttention(spec, heads ? spec.Heads : 0, dim, errors);
        if (divides && window && block && spec.Window % spec.Block != 0)
        {
            errors.Add("MEMGEN105", errors.Spec.Has("Block") ? "Block" : "Window", Limits.Text(spec.Window), Limits.Text(spec.Block));
            errors.Offer("Block = " + Limits.Text(Divisors.Below(spec.Window, spec.Block)));
        }
    }

    private static void CheckNetwork(TitansSpec spec, ErrorList errors)
    {
        bool depth = CheckDepth(spec.MemoryDepth, errors);
        if (depth && spec.GatedLinearUnit && spec.MemoryDepth != 2)
            errors.Unsupported(
                "MemoryDepth", Limits.Text(spec.MemoryDepth), "GatedLinearUnit = true", "a gated linear unit has two layers", "MemoryDepth = 2", "no MemoryDepth");
        errors.CheckRange("Expansion", spec.Expansion, 1, Limits.Expansion);
        errors.CheckNamed("Activation", spec.Activation);
        if (depth && !spec.Residual && !spec.Muon && errors.Spec.Has("InnerClip") && spec.InnerClip == 0)
            CheckUnbounded(spec, errors);
        if (!depth || spec.MemoryDepth > 1)
            return;
        const string with = "MemoryDepth = 1", reason = "a memory of one layer is a matrix";
        errors.Unused("Expansion", Limits.Text(spec.Expansion), with, reason, "MemoryDepth = 2");
        errors.Unused("Activation", "TitansActivation." + spec.Activation, with, reason, "MemoryDepth = 2");
    }

    private static void CheckUnbounded(TitansSpec spec, ErrorList errors)
    {
        double carried = spec.Block * spec.MaxStep;
        if (spec.MemoryDepth > 2)
            errors.Warn("MEMGEN107", "InnerClip", Limits.Text(spec.MemoryDepth));
        else if (carried > StableBlock)
            errors.Warn("MEMGEN113", "InnerClip", Limits.Text(spec.Block), Limits.Text(spec.MaxStep), Limits.Text(System.Math.Round(carried, 6)));
        else
            return;
        errors.Offer("InnerClip = 1", "no InnerClip");
    }

    private static bool CheckDepth(int depth, ErrorList errors)
    {
        if (depth >= 1)
            return errors.CheckRange("MemoryDepth", depth, 1, Limits.MemoryDepth);
        errors.Add("MEMGEN106", "MemoryDepth", Limits.Text(depth));
        errors.Offer("MemoryDepth = 1");
        return false;
    }

    private static void CheckWriting(TitansSpec spec, ErrorList errors)
    {
        errors.CheckNamed("Reads", spec.Reads);
        errors.CheckRange("MaxStep", spec.MaxStep, 1e-4, 2);
        if (errors.CheckRange("MaxMomentum", spec.MaxMomentum, 0, 0.9999) && spec is { MaxMomentum: 0, Momentum: true })
            errors.Unsupported("MaxMomentum", "0", "Momentum = true", "eta is zero, so nothing trains its gate", "Momentum = false with no MaxMomentum", "no MaxMomentum");
        errors.CheckRange("InnerClip", spec.InnerClip, 0, 1e6, works: 1);
        if (spec.ConvWidth != 0)
            errors.CheckRange("ConvWidth", spec.ConvWidth, 2, Limits.ConvWidth);
        if (!spec.Momentum)
            errors.Unused("MaxMomentum", Limits.Text(spec.MaxMomentum), "Momentum = false", "there is no momentum to bound");
        if (!(errors.CheckNamed("Decay", spec.Decay) & errors.CheckNamed("DecayTo", spec.DecayTo)) || spec.Forgetting)
            return;
        const string with = "Forgetting = false", reason = "nothing is forgotten";
        errors.Unused("Decay", "TitansDecay." + spec.Decay, with, reason);
        errors.Unused("DecayTo", "TitansDecayTarget." + spec.DecayTo, with, reason);
    }

    private static void CheckMuon(TitansSpec spec, int dim, bool block, ErrorList errors)
    {
        const string with = "Muon = true";
        if (!spec.Muon)
        {
            errors.Unused("WeightNorm", spec.WeightNorm ? "true" : "false", "Muon = false", "a token's own write would have to be normed too", with);
            return;
        }

        if (spec.Variant == TitansVariant.Context)
            errors.Unsupported(
                "Muon", "true", "TitansVariant.Context", "what is written has been recalled, and orthogonalising enlarges its rounding until no two computations agree",
                "no Muon", "TitansVariant.Gate");
        if (spec.Reads == TitansRead.AfterWrite)
            errors.Unsupported(
                "Reads", "TitansRead.AfterWrite", with, "a block's writes are orthogonalised together, when it is complete", "Reads = TitansRead.BlockStart", "no Reads");
        if (!spec.AdaptiveStep)
            errors.Unsupported("AdaptiveStep", "false", with, "a step that all tokens share is divided out again, so nothing trains it", "AdaptiveStep = true", "no AdaptiveStep");
        if (dim >= 2 && spec.Heads == dim)
            errors.Unsupported(
                "Muon", "true", "Heads = " + Limits.Text(dim), "of a head's one feature only the sign is left, so nothing trains what is written",
                "no Muon", "Heads = " + Limits.Text(Divisors.Below(dim, dim / 2)));
        if (!block)
            return;
        if (spec.Block == 1 && !spec.Momentum)
            errors.Unsupported("Block", "1", "Muon = true and Momentum = false", "nothing is left of the step of one token by itself", "Block = 16");
        else if (spec.Rows > 0 && spec.Rows <= 2 * (long)spec.Block)
            CheckMuonRows(spec, errors);
    }

    // A second block has to be written and read: what the first one carries on, momentum and forgetting, is trained by nothing else.
    private static void CheckMuonRows(TitansSpec spec, ErrorList errors)
    {
        int most = (spec.Rows - 1) / 2;
        string[] shorter = most < 1 || (most < 2 && !spec.Momentum) ? [] : ["Block = " + Limits.Text(most)];
        errors.Unsupported(
            errors.Spec.Has("Block") ? "Block" : "Muon", errors.Spec.Has("Block") ? Limits.Text(spec.Block) : "true",
            $"{(errors.Spec.Has("Block") ? "Muon = true" : "Block = " + Limits.Text(spec.Block))} and segments of {Limits.Text(spec.Rows)} rows",
            "no segment reads what its second block has written", [.. shorter, "no Muon"]);
    }

    private static void CheckMemoryAlone(TitansSpec spec, ErrorList errors)
    {
        const string with = "TitansVariant.MemoryOnly", reason = "a memory alone has no attention";
        errors.Unused("Window", Limits.Text(spec.Window), with, reason, WithAttention);
        errors.Unused("Attention", "TitansAttention." + spec.Attention, with, reason, WithAttention);
        errors.Unused("RotaryBase", Limits.Text(spec.RotaryBase), with, reason, WithAttention);
        errors.Unused("Squash", "TitansSquash." + spec.Squash, with, reason, "TitansVariant.Context or Gate");
        if (spec.HasRows)
            errors.Unused("Persistent", "TitansPersistent.KeyValue", with, reason, "Persistent = TitansPersistent.Tokens");
    }

    private static void CheckAttention(TitansSpec spec, int heads, int dim, ErrorList errors)
    {
        if (errors.CheckNamed("Attention", spec.Attention) && spec.Variant == TitansVariant.Context && !spec.IsSegmented)
            errors.Unused(
                "Attention", "TitansAttention.Sliding", "TitansVariant.Context", "each segment is read with what the memory recalls for it",
                "Attention = TitansAttention.Segmented");
        if (errors.CheckNamed("Squash", spec.Squash) && !spec.IsGated)
            errors.Unused(
                "Squash", "TitansSquash." + spec.Squash, "TitansVariant." + spec.Variant, "memory and attention do not gate each other",
                "TitansVariant.Context or Gate");
        errors.CheckRotary(spec.RotaryBase, heads, dim);
    }
}
