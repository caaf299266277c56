using Memory.Gen.Generators.Specs;

namespace Memory.Gen.Generators.Memories.BMojo;

/// <summary>What can be wrong with a declared B'MOJO layer.</summary>
internal static class BMojoRules
{
    private const string Blocked = "WindowMode = BMojoWindow.Blocked";
    private const string NoSlots = "EideticTokens = 0";

    public static void Check(BMojoSpec spec, int dim, ErrorList errors)
    {
        bool heads = errors.CheckPositive("Heads", spec.Heads, "heads", Limits.Heads, example: 8)
            && errors.CheckDivides("Heads", spec.Heads, dim);
        if (heads && dim / spec.Heads > Limits.HeadFeatures)
            errors.Add("MEMGEN108", "Heads", "Dim / Heads", Limits.Text(dim / spec.Heads), "1", Limits.Text(Limits.HeadFeatures), Limits.Text(Limits.HeadFeatures));
        errors.CheckKeyValueHeads(spec.KeyValueHeads, spec.Heads, heads);
        errors.CheckRotary(spec.RotaryBase, heads ? spec.Heads : 0, dim);
        bool window = errors.Spec.Has("Window")
            ? errors.CheckRange("Window", spec.Window, 0, Limits.Window)
            : errors.CheckPositive("Window", spec.Window, "tokens", Limits.Window, example: 256);
        bool mode = errors.CheckNamed("WindowMode", spec.WindowMode);
        bool eidetic = errors.CheckRange("EideticTokens", spec.EideticTokens, 0, Limits.EideticTokens);
        bool fading = errors.CheckRange("FadingTokens", spec.FadingTokens, 0, Limits.Window);
        if (eidetic && fading && window && mode)
            CheckWindow(spec, errors);
        if (eidetic & errors.CheckNamed("Score", spec.Score) & fading & errors.CheckNamed("Fading", spec.Fading))
            CheckRecurrence(spec, errors);
        if (fading && mode)
            CheckFading(spec, errors);
        if (eidetic && mode)
            CheckEidetic(spec, window, errors);
    }

    private static void CheckWindow(BMojoSpec spec, ErrorList errors)
    {
        if (spec.HasWindow)
            return;
        if (spec.HasEidetic)
        {
            errors.Add("MEMGEN109", "EideticTokens", Limits.Text(spec.EideticTokens), Limits.Text(spec.Window));
            errors.Offer("Window = 256", "EideticTokens = 0");
        }
        else if (!spec.HasFading)
            Unsupported(errors, "Window", "0", "FadingTokens = 0", "a token would read nothing", "Window = 256, or FadingTokens = 16");
        else if (spec.IsBlocked)
            Unsupported(errors, "WindowMode", "BMojoWindow.Blocked", "Window = 0", "a block has tokens", "Window = 256, or no WindowMode");
    }

    private static void CheckRecurrence(BMojoSpec spec, ErrorList errors)
    {
        bool predicts = spec.HasPredictor || spec.HasResidual, given = errors.Spec.Has("Score");
        bool none = spec.Fading == FadingState.None && errors.Spec.Has("Fading");
        if (predicts && (none || !spec.HasFading))
            Unsupported(
                errors, given ? "Score" : "EideticTokens", given ? "BMojoScore." + spec.Score : Limits.Text(spec.EideticTokens),
                none ? "Fading = FadingState.None" : "FadingTokens = 0",
                "the score is how badly a recurrence predicts a token" + (none ? "" : ", and only what is read of it trains it"),
                "Fading = FadingState.SelectiveScan with FadingTokens = 16, or Score = BMojoScore.Norm, Random or Recency");
        else if (spec.Fading == FadingState.None && spec.HasFading)
            Unsupported(errors, "FadingTokens", Limits.Text(spec.FadingTokens), "Fading = FadingState.None", "there is no recurrence to read", "Fading = FadingState.SelectiveScan, or FadingTokens = 0");
        else if (spec.Fading != FadingState.None && !spec.HasFading)
            Unused(errors, "Fading", "FadingState." + spec.Fading, "FadingTokens = 0", "nothing reads the recurrence", "FadingTokens = 16, or no Fading");
    }

    private static void CheckFading(BMojoSpec spec, ErrorList errors)
    {
        if (!spec.HasFading)
        {
            const string with = "FadingTokens = 0", reason = "there is nothing to place or project";
            Unused(errors, "FadingStride", Limits.Text(spec.FadingStride), with, reason, "FadingTokens = 16, or no FadingStride");
            Unused(errors, "FadingOffset", Limits.Text(spec.FadingOffset ?? 0), with, reason, "FadingTokens = 16, or no FadingOffset");
            Unused(errors, "TiedProjections", spec.TiedProjections ? "true" : "false", with, reason, "FadingTokens = 16, or no TiedProjections");
            return;
        }

        if (!spec.HasWindow)
            Unused(errors, "TiedProjections", spec.TiedProjections ? "true" : "false", "Window = 0", "only fading tokens are projected", "Window = 256, or no TiedProjections");
        bool stride = errors.CheckRange("FadingStride", spec.FadingStride, 1, Limits.FadingStride);
        if (spec.FadingOffset is { } offset && errors.CheckRange("FadingOffset", offset, 0, Limits.Window) && spec.IsBlocked)
            Unsupported(errors, "FadingOffset", Limits.Text(offset), Blocked, "its fading tokens are those before the window", "no FadingOffset, or WindowMode = BMojoWindow.Sliding");
        if (!stride)
            return;
        if (spec.FadingTokens == 1)
            Unused(errors, "FadingStride", Limits.Text(spec.FadingStride), "FadingTokens = 1", "there is no next one", "FadingTokens = 16, or no FadingStride");
        else if ((spec.FadingTokens - 1L) * spec.FadingStride > Limits.Window)
            errors.CheckRange("FadingStride", spec.FadingStride, 1, Limits.Window / (spec.FadingTokens - 1));
    }

    private static void CheckEidetic(BMojoSpec spec, bool window, ErrorList errors)
    {
        if (!spec.HasEidetic)
        {
            if (spec.IsBlocked && window)
                CheckRefresh(spec, errors);
            else
                Unused(errors, "RefreshTokens", Limits.Text(spec.RefreshTokens), NoSlots, NothingKept, "EideticTokens = 64, or no RefreshTokens");
            Unused(errors, "Score", "BMojoScore." + spec.Score, NoSlots, NothingKept, "EideticTokens = 64, or no Score");
            Unused(errors, "PredictionLoss", Limits.Text(spec.PredictionLoss), NoSlots, NothingKept, "EideticTokens = 64, or no PredictionLoss");
            Unused(errors, "Threshold", Limits.Text(spec.Threshold ?? 0), NoSlots, NothingKept, "EideticTokens = 64, or no Threshold");
            Unused(errors, "ScoreDecay", Limits.Text(spec.ScoreDecay), NoSlots, NothingKept, "EideticTokens = 64, or no ScoreDecay");
            Unused(errors, "Eviction", "BMojoEviction." + spec.Eviction, NoSlots, NothingKept, "EideticTokens = 64, or no Eviction");
            Unused(errors, "Positions", "BMojoPositions." + spec.Positions, NoSlots, NothingKept, "EideticTokens = 64, or no Positions");
            return;
        }

        if (window && spec.HasWindow)
            CheckRefresh(spec, errors);
        bool loss = errors.CheckRange("PredictionLoss", spec.PredictionLoss, 0, Limits.BalanceLoss);
        if (spec.Threshold is { } least)
            errors.CheckRange("Threshold", least, -1e9, 1e9);
        errors.CheckRange("ScoreDecay", spec.ScoreDecay, 1e-6, 1);
        if (errors.CheckNamed("Positions", spec.Positions) && !spec.HasPositions)
            Unused(errors, "Positions", "BMojoPositions." + spec.Positions, "RotaryBase = 0", "keys have no positions", "no Positions, or no RotaryBase");
        if (loss && !spec.HasPredictor)
            Unused(errors, "PredictionLoss", Limits.Text(spec.PredictionLoss), "Score = BMojoScore." + spec.Score, "no prediction is learned", "Score = BMojoScore.ReadoutLinear, or no PredictionLoss");
        if (spec.Score == BMojoScore.Recency)
            CheckRecency(spec, errors);
        else if (errors.CheckNamed("Eviction", spec.Eviction) && spec.Eviction == BMojoEviction.Fifo)
            Unused(errors, "ScoreDecay", Limits.Text(spec.ScoreDecay), "Eviction = BMojoEviction.Fifo", "what is kept is not judged again", "Eviction = BMojoEviction.TopScore, or no ScoreDecay");
    }

    private static void CheckRefresh(BMojoSpec spec, ErrorList errors)
    {
        if (errors.Spec.Has("RefreshTokens") && errors.CheckPositive("RefreshTokens", spec.RefreshTokens, "tokens", Limits.Window, example: spec.Window)
            && spec.IsBlocked && spec.RefreshTokens != spec.Window)
            Unsupported(
                errors, "RefreshTokens", Limits.Text(spec.RefreshTokens), Blocked, $"its slots are chosen where a chunk of {Limits.Text(spec.Window)} tokens begins",
                $"RefreshTokens = {Limits.Text(spec.Window)}, or WindowMode = BMojoWindow.Sliding");
    }

    private static void CheckRecency(BMojoSpec spec, ErrorList errors)
    {
        const string with = "Score = BMojoScore.Recency", reason = "the newest tokens are kept, whatever they are";
        Unused(errors, "Threshold", Limits.Text(spec.Threshold ?? 0), with, reason, "no Threshold, or another Score");
        Unused(errors, "ScoreDecay", Limits.Text(spec.ScoreDecay), with, reason, "no ScoreDecay, or another Score");
        Unused(errors, "Eviction", "BMojoEviction." + spec.Eviction, with, reason, "no Eviction, or another Score");
    }

    private const string NothingKept = "no token is kept";

    // An option that would change nothing is most likely a mistake.
    private static void Unused(ErrorList errors, string option, string value, string with, string reason, string supported)
    {
        if (errors.Spec.Has(option))
            Unsupported(errors, option, value, with, reason, supported);
    }

    private static void Unsupported(ErrorList errors, string option, string value, string with, string reason, string supported) =>
        errors.Add("MEMGEN204", option, option, value, with, reason, supported);
}
