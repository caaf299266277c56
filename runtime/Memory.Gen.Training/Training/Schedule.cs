namespace Memory.Gen.Training;

/// <summary>The learning rate over a run: a linear rise, then half a cosine down.</summary>
public static class Schedule
{
    /// <summary>The learning rate at a point of a run.</summary>
    /// <param name="options">Highest and final rate, share of the rise.</param>
    /// <param name="progress">Share of the run that is done, by steps or by the clock; 0 to 1, values beyond count as 1.</param>
    public static double LearningRate(TrainingOptions options, double progress)
    {
        progress = Math.Clamp(progress, 0, 1);
        if (progress < options.WarmUpShare) return options.LearningRate * progress / options.WarmUpShare;
        double fall = (progress - options.WarmUpShare) / (1 - options.WarmUpShare);
        double share = options.FinalShare + (1 - options.FinalShare) * 0.5 * (1 + Math.Cos(Math.PI * fall));
        return options.LearningRate * share;
    }
}
