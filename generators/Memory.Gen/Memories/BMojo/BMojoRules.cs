using Memory.Gen.Generators.Specs;

namespace Memory.Gen.Generators.Memories.BMojo;

/// <summary>What can be wrong with a declared B'MOJO layer.</summary>
internal static class BMojoRules
{
    private const string Blocked = "WindowMode = BMojoWindow.Blocked";
    private const string NoSlots = "EideticTokens = 0";
    private const string NothingKept = "no token is kept";

    public static void Check(BMojoSpec spec, int dim, ErrorList errors)
    {
        bool heads = errors.CheckHeads(spec.Heads, dim, spec.RotaryBase != 0, Limits.HeadFeatures);
        errors.CheckKeyValueHeads(spec.KeyValueHeads, spec.Heads, heads);
        errors.CheckRotary(spec.RotaryBase, heads ? spec.Heads : 0, dim);
        bool window = errors.Spec.Has("Window")
            ? errors.CheckRange("Window", spec.Window, spec.HasFading || spec.Window == 0 ? 0 : 1, Limits.Window)
            : errors.CheckPositive("Window", spec.Window, "tokens", Limits.Window, example: 256);
        bool mode = errors.CheckNamed("WindowMode", spec.WindowMode);
        bool eidetic = errors.CheckRange("EideticTokens", spec.EideticTokens, 0, Limits.EideticTokens);
        bool fading = errors.CheckRange("FadingTokens", spec.FadingTokens, 0, Limits.Window);
        if (eidetic && fading && window && mode)
            CheckWindow(spec, errors);
        if (eidetic & errors.CheckNamed("Score", spec.Score, spec.HasFading ? BMojoScore.ReadoutLinear : BMojoScore.Norm) & fading & errors.CheckNamed("Fading", spec.Fading))
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
            errors.Unsupported("Window", "0", "FadingTokens = 0", "a token would read nothing", "Window = 256", "FadingTokens = 16");
        else if (spec.IsBlocked)
            errors.Unsupported("WindowMode", "BMojoWindow.Blocked", "Window = 0", "a block has tokens", "Window = 256");
    }

    private static void CheckRecurrence(BMojoSpec spec, ErrorList errors)
    {
        bool predicts = spec.HasPredictor || spec.HasResidual, given = errors.Spec.Has("Score");
        bool none = spec.Fading == FadingState.None && errors.Spec.Has("Fading");
        if (predicts && (none || !spec.HasFading))
        {
            string[] predictsNothing = none && spec.HasFading ? [] : ["Score = BMojoScore.Norm"];
            errors.Unsupported(
                given ? "Score" : "EideticTokens", given ? "BMojoScore." + spec.Score : Limits.Text(spec.EideticTokens),
                none ? "Fading = FadingState.None" : "FadingTokens = 0",
                "the score is how badly a recurrence predicts a token" + (none ? "" : ", and only what is read of it trains it"),
                ["Fading = FadingState.SelectiveScan with FadingTokens = 16", .. predictsNothing]);
        }
        else if (spec.Fading == FadingState.None && spec.HasFading)
            errors.Unsupported("FadingTokens", Limits.Text(spec.FadingTokens), "Fading = FadingState.None", "there is no recurrence to read", "Fading = FadingState.SelectiveScan", "FadingTokens = 0");
        else if (spec.Fading != FadingState.None && !spec.HasFading)
            errors.Unused("Fading", "FadingState." + spec.Fading, "FadingTokens = 0", "nothing reads the recurrence", "FadingTokens = 16");
    }

    private static void CheckFading(BMojoSpec spec, ErrorList errors)
    {
        if (!spec.HasFading)
        {
            const string with = "FadingTokens = 0", reason = "there is nothing to place or project";
            errors.Unused("FadingStride", Limits.Text(spec.FadingStride), with, reason, "FadingTokens = 16");
            errors.Unused("FadingOffset", Limits.Text(spec.FadingOffset ?? 0), with, reason, "FadingTokens = 16");
            errors.Unused("TiedProjections", spec.TiedProjections ? "true" : "false", with, reason, "FadingTokens = 16");
            return;
        }

        if (!spec.HasWindow)
            errors.Unused("TiedProjections", spec.TiedProjections ? "true" : "false", "Window = 0", "only fading tokens are projected", "Window = 256");
        // Where no slot is filled either, that is said.
        if (spec.Rows > 0 && spec.Rows <= spec.NewestFading && spec.SlotsWithin(spec.Rows) is not (0, _))
            errors.Unsupported(
                "FadingTokens", Limits.Text(spec.FadingTokens), $"segments of {Limits.Text(spec.Rows)} rows",
                $"the newest of them stands {Limits.Text(spec.NewestFading)} tokens back, so none is ever read",
                spec.FadingOffset is null ? "Window = " + Limits.Text((spec.Rows - 1) / (spec.IsBlocked ? 2 : 1)) : "FadingOffset = " + Limits.Text(spec.Rows - 1), "no FadingTokens");
        bool stride = errors.CheckRange("FadingStride", spec.FadingStride, 1, Limits.FadingStride);
        if (spec.FadingOffset is { } offset && errors.CheckRange("FadingOffset", offset, 0, Limits.Window) && spec.IsBlocked)
            errors.Unsupported("FadingOffset", Limits.Text(offset), Blocked, "its fading tokens are those before the window", "no FadingOffset", "WindowMode = BMojoWindow.Sliding");
        if (!stride)
            return;
        if (spec.FadingTokens == 1)
            errors.Unused("FadingStride", Limits.Text(spec.FadingStride), "FadingTokens = 1", "there is no next one", "FadingTokens = 16");
        else if ((spec.FadingTokens - 1L) * spec.FadingStride > Limits.Window)
            errors.CheckRange("FadingStride", spec.FadingStride, 1, Limits.Window / (spec.FadingTokens - 1));
    }

    private static void CheckEidetic(BMojoSpec spec, bool window, ErrorList errors)
    {
        if (!spec.HasEidetic)
        {
            // The scores that predict need fading tokens.
            string slots = spec.HasFading || spec.Score is not (BMojoScore.ReadoutLinear or BMojoScore.DeltaResidual)
                ? "EideticTokens = 64"
                : "EideticTokens = 64 with FadingTokens = 16";
            if (spec.IsBlocked && window)
                CheckRefresh(spec, errors);
            else
                errors.Unused("RefreshTokens", Limits.Text(spec.RefreshTokens), NoSlots, NothingKept);
            errors.Unused("Score", "BMojoScore." + spec.Score, NoSlots, NothingKept, slots);
            errors.Unused("PredictionLoss", Limits.Text(spec.PredictionLoss), NoSlots, NothingKept, slots);
            errors.Unused("Threshold", Limits.Text(spec.Threshold ?? 0), NoSlots, NothingKept, slots);
            errors.Unused("ScoreDecay", Limits.Text(spec.ScoreDecay), NoSlots, NothingKept, slots);
            errors.Unused("Eviction", "BMojoEviction." + spec.Eviction, NoSlots, NothingKept, slots);
            errors.Unused("Positions", "BMojoPositions." + spec.Positions, NoSlots, NothingKept, slots);
            return;
        }

        if (window && spec.HasWindow)
            CheckRefresh(spec, errors);
        bool loss = errors.CheckRange("PredictionLoss", spec.PredictionLoss, 0, Limits.BalanceLoss);
        if (spec.Threshold is { } least)
            errors.CheckRange("Threshold", least, -1e9, 1e9);
        errors.CheckRange("ScoreDecay", spec.ScoreDecay, 1e-6, 1);
        if (errors.CheckNamed("Positions", spec.Positions) && !spec.HasPositions)
            errors.Unused("Positions", "BMojoPositions." + spec.Positions, "RotaryBase = 0", "keys have no positions", "no RotaryBase");
        if (loss && !spec.HasPredictor)
            errors.Unused(
                "PredictionLoss", Limits.Text(spec.PredictionLoss), "Score = BMojoScore." + spec.Score, "no prediction is learned",
                "Score = BMojoScore.ReadoutLinear" + (spec.HasFading ? "" : " with FadingTokens = 16"));
        if (spec.Score == BMojoScore.Recency)
            CheckRecency(spec, errors);
        else if (errors.CheckNamed("Eviction", spec.Eviction) && spec is { Eviction: BMojoEviction.Fifo, Threshold: null })
            errors.Unsupported(
                "Eviction", "BMojoEviction.Fifo", "no Threshold", "the newest tokens are kept, whatever their score",
                "Threshold = 0.5", "no Eviction", "Score = BMojoScore.Recency with no Eviction");
        else if (spec.Eviction == BMojoEviction.Fifo)
            errors.Unused("ScoreDecay", Limits.Text(spec.ScoreDecay), "Eviction = BMojoEviction.Fifo", "what is kept is not judged again", "Eviction = BMojoEviction.TopScore");
    }

    private static void CheckRefresh(BMojoSpec spec, ErrorList errors)
    {
        if (errors.Spec.Has("RefreshTokens") && errors.CheckPositive("RefreshTokens", spec.RefreshTokens, "tokens", Limits.Window, example: spec.Window)
            && spec.IsBlocked && spec.RefreshTokens != spec.Window)
            errors.Unsupported(
                "RefreshTokens", Limits.Text(spec.RefreshTokens), Blocked, $"its slots are chosen where a chunk of {Limits.Text(spec.Window)} tokens begins",
                "RefreshTokens = " + Limits.Text(spec.Window), "WindowMode = BMojoWindow.Sliding");
    }

    private static void CheckRecency(BMojoSpec spec, ErrorList errors)
    {
        const string with = "Score = BMojoScore.Recency", reason = "the newest tokens are kept, whatever they are";
        errors.Unused("Threshold", Limits.Text(spec.Threshold ?? 0), with, reason, "Score = BMojoScore.Norm");
        errors.Unused("ScoreDecay", Limits.Text(spec.ScoreDecay), with, reason, "Score = BMojoScore.Norm");
        errors.Unused("Eviction", "BMojoEviction." + spec.Eviction, with, reason, "Score = BMojoScore.Norm");
    }

}
