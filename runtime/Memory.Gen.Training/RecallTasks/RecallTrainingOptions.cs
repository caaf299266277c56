namespace Memory.Gen.Training.RecallTasks;

/// <summary>How a model is trained on a recall task: AdamW on fresh sequences, a linear rise of the learning rate, then half a cosine down.</summary>
public sealed record RecallTrainingOptions
{
    /// <summary>Sequences in a step; of the longer ones in a mixture fewer, so that every step has as many tokens.</summary>
    public int Batch { get; init; } = 64;

    /// <summary>Most steps; the learning rate falls over all of them, also when the run stops early.</summary>
    public int Steps { get; init; } = 400;

    /// <summary>Steps in which the learning rate rises; fewer than <see cref="Steps"/>.</summary>
    public int WarmUpSteps { get; init; } = 50;

    /// <summary>Highest learning rate.</summary>
    public double LearningRate { get; init; } = 5e-3;

    /// <summary>Seed of the sequences; those of the initial weights are the caller's.</summary>
    public long Seed { get; init; }

    /// <summary>Steps between two looks at the validation set.</summary>
    public int ValidationInterval { get; init; } = 50;

    /// <summary>Sequences of the validation set, the same for every run; of the longer tasks in a mixture fewer, as in <see cref="Batch"/>.</summary>
    public int ValidationRows { get; init; } = 256;

    /// <summary>Training ends when the accuracy on the validation set reaches this share, 0 to 1; more than 1 uses all steps.</summary>
    public double StopAccuracy { get; init; } = 0.995;

    /// <summary>Throws where a value makes no sense.</summary>
    /// <exception cref="TrainingException">Says which value, and what is possible.</exception>
    public void Check()
    {
        Optimizer().Check();
        if (WarmUpSteps < 0 || WarmUpSteps >= Steps) throw new TrainingException($"There are {WarmUpSteps} steps of warm-up; expected 0 to {Steps - 1}, fewer than the run has.");
        if (ValidationInterval < 1) throw new TrainingException($"The steps between two validations are {ValidationInterval}; expected at least 1.");
        if (ValidationRows < 1) throw new TrainingException($"The validation set has {ValidationRows} sequences; expected at least 1.");
    }

    /// <summary>The same for the optimizer and the schedule that trainers share.</summary>
    internal TrainingOptions Optimizer() => new()
    {
        Batch = Batch, Steps = Steps, LearningRate = LearningRate, WarmUpShare = Math.Clamp(WarmUpSteps / (double)Math.Max(Steps, 1), 0, 0.999), Seed = Seed,
    };
}
