using Memory.Gen.Generators.Specs;

namespace Memory.Gen.Generators.Memories.Titans;

/// <summary>What can be wrong with a declared Titans memory.</summary>
internal static class TitansRules
{
    private const string WithAttention = "TitansVariant.Context, Gate or Layer";

    public static void Check(TitansSpec spec, int dim, ErrorList errors)
    {
        bool heads = errors.CheckPositive("Heads", spec.Heads, "heads", Limits.Heads, example: 8)
            && errors.CheckDivides("Heads", spec.Heads, dim);
        if (heads && dim / spec.Heads > Limits.HeadFeatures)
            errors.Add("MEMGEN108", "Heads", "Dim / Heads", Limits.Text(dim / spec.Heads), "1", Limits.Text(Limits.HeadFeatures), Limits.Text(Limits.HeadFeatures));
        CheckNetwork(spec, errors);
        CheckWriting(spec, errors);
        bool block = errors.CheckPositive("Block", spec.Block, "tokens", Limits.Block, TitansSpec.DefaultBlock);
        bool persistent = errors.CheckRange("PersistentTokens", spec.PersistentTokens, 0, Limits.PersistentTokens);
        if (errors.CheckNamed("Persistent", spec.Persistent) && persistent && spec.PersistentTokens == 0)
            Unused(errors, "Persistent", "TitansPersistent." + spec.Persistent, "PersistentTokens = 0", "nothing persists", "PersistentTokens = 8, or no Persistent");
        if (!errors.CheckNamed("variant", spec.Variant))
            return;
        if (!spec.HasAttention)
        {
            CheckMemoryAlone(spec, errors);
            return;
        }

        bool window = errors.CheckPositive("Window", spec.Window, "tokens", Limits.Window, example: 64);
        CheckAttention(spec, heads ? spec.Heads : 0, dim, errors);
        if (spec.Variant == TitansVariant.Context && window && block && spec.Window % spec.Block != 0)
        {
            string divisor = Limits.Text(Divisors.Below(spec.Window, spec.Block));
            errors.Add("MEMGEN105", errors.Spec.Has("Block") ? "Block" : "Window", Limits.Text(spec.Window), Limits.Text(spec.Block), divisor);
            errors.Offer("Block = " + divisor);
        }
    }

    private static void CheckNetwork(TitansSpec spec, ErrorList errors)
    {
        bool depth = CheckDepth(spec.MemoryDepth, errors);
        errors.CheckRange("Expansion", spec.Expansion, 1, Limits.Expansion);
        errors.CheckNamed("Activation", spec.Activation);
        if (depth && spec.MemoryDepth > 2 && !spec.Residual && errors.Spec.Has("InnerClip") && spec.InnerClip == 0)
        {
            errors.Warn("MEMGEN107", "InnerClip", Limits.Text(spec.MemoryDepth));
            errors.Offer("InnerClip = 1");
        }

        if (!depth || spec.MemoryDepth > 1)
            return;
        const string with = "MemoryDepth = 1", reason = "a memory of one layer is a matrix";
        Unused(errors, "Expansion", Limits.Text(spec.Expansion), with, reason, "MemoryDepth = 2, or no Expansion");
        Unused(errors, "Activation", "TitansActivation." + spec.Activation, with, reason, "MemoryDepth = 2, or no Activation");
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
        errors.CheckRange("MaxMomentum", spec.MaxMomentum, 0, 0.9999);
        errors.CheckRange("InnerClip", spec.InnerClip, 0, 1e6);
        if (spec.ConvWidth != 0)
            errors.CheckRange("ConvWidth", spec.ConvWidth, 2, Limits.ConvWidth);
        if (!spec.Momentum)
            Unused(errors, "MaxMomentum", Limits.Text(spec.MaxMomentum), "Momentum = false", "there is no momentum to bound", "no MaxMomentum");
        if (!(errors.CheckNamed("Decay", spec.Decay) & errors.CheckNamed("DecayTo", spec.DecayTo)) || spec.Forgetting)
            return;
        const string with = "Forgetting = false", reason = "nothing is forgotten";
        Unused(errors, "Decay", "TitansDecay." + spec.Decay, with, reason, "no Decay");
        Unused(errors, "DecayTo", "TitansDecayTarget." + spec.DecayTo, with, reason, "no DecayTo");
    }

    private static void CheckMemoryAlone(TitansSpec spec, ErrorList errors)
    {
        const string with = "TitansVariant.MemoryOnly", reason = "a memory alone has no attention";
        Unused(errors, "Window", Limits.Text(spec.Window), with, reason, WithAttention + ", or no Window");
        Unused(errors, "Attention", "TitansAttention." + spec.Attention, with, reason, WithAttention + ", or no Attention");
        Unused(errors, "RotaryBase", Limits.Text(spec.RotaryBase), with, reason, WithAttention + ", or no RotaryBase");
        Unused(errors, "Squash", "TitansSquash." + spec.Squash, with, reason, "TitansVariant.Context or Gate, or no Squash");
        if (spec.HasRows)
            Unused(errors, "Persistent", "TitansPersistent.KeyValue", with, reason, "Persistent = TitansPersistent.Tokens");
    }

    private static void CheckAttention(TitansSpec spec, int heads, int dim, ErrorList errors)
    {
        if (errors.CheckNamed("Attention", spec.Attention) && spec.Variant == TitansVariant.Context && !spec.IsSegmented)
            Unused(
                errors, "Attention", "TitansAttention.Sliding", "TitansVariant.Context", "each segment is read with what the memory recalls for it",
                "TitansAttention.Segmented");
        if (errors.CheckNamed("Squash", spec.Squash) && !spec.IsGated)
            Unused(
                errors, "Squash", "TitansSquash." + spec.Squash, "TitansVariant." + spec.Variant, "memory and attention do not gate each other",
                "TitansVariant.Context or Gate, or no Squash");
        errors.CheckRotary(spec.RotaryBase, heads, dim);
    }

    // An option that would change nothing is most likely a mistake.
    private static void Unused(ErrorList errors, string option, string value, string with, string reason, string supported)
    {
        if (errors.Spec.Has(option))
            errors.Add("MEMGEN204", option, option, value, with, reason, supported);
    }
}
