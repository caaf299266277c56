using System.Text.Json.Serialization;
using Memory.Gen.Runtime.Operators;

namespace Memory.Gen.Training;

/// <summary>How a model is trained. The length of a run is either <see cref="Steps"/> or <see cref="Duration"/>.</summary>
public sealed record TrainingOptions
{
    /// <summary>Rows that are trained side by side, each reading a document of its own; at least 1.</summary>
    public int Batch { get; init; } = 8;

    /// <summary>Tokens of a row in one step; gradients reach back this far, the state reaches on. At least 1.</summary>
    public int Window { get; init; } = 256;

    /// <summary>Documents with more tokens are read in sections, each with a state of its own and in an order of their own: otherwise a row
    /// would spend a short run in a single long document. 0 reads documents whole.</summary>
    public int SectionTokens { get; init; } = 2048;

    /// <summary>Two documents are read by turns, so many tokens of each at a time (<see cref="Data.TokenizedText.Interleaved"/>); 0: one after the other.</summary>
    public int InterleaveTokens { get; init; }

    /// <summary>Optimizer steps, at least 1, or null where <see cref="Duration"/> is given.</summary>
    public long? Steps { get; init; }

    /// <summary>Time spent in steps (set-up, validation and checkpoints do not count), above zero, or null where <see cref="Steps"/> is given.</summary>
    public TimeSpan? Duration { get; init; }

    /// <summary>Highest learning rate, above 0.</summary>
    public double LearningRate { get; init; } = 2e-3;

    /// <summary>Learning rate at the end as a share of the highest, 0 to 1.</summary>
    public double FinalShare { get; init; } = 0.05;

    /// <summary>Share of the run in which the learning rate rises, 0 to less than 1.</summary>
    public double WarmUpShare { get; init; } = 0.05;

    /// <summary>AdamW's decoupled weight decay, for parameters of two dimensions and more; vectors are not decayed. 0 or more.</summary>
    public double WeightDecay { get; init; } = 0.1;

    /// <summary>Decay of AdamW's mean of gradients, 0 to less than 1.</summary>
    public double Beta1 { get; init; } = 0.9;

    /// <summary>Decay of AdamW's mean of squared gradients, 0 to less than 1.</summary>
    public double Beta2 { get; init; } = 0.95;

    /// <summary>Gradients are scaled down to this norm, above 0; infinite leaves them as they are.</summary>
    public double ClipNorm { get; init; } = 1.0;

    /// <summary>How exactly linear maps multiply while the run goes on, or null for what <see cref="Projection.MatmulPrecision"/> says.</summary>
    [JsonConverter(typeof(JsonStringEnumConverter<MatmulPrecision>))]
    public MatmulPrecision? MatmulPrecision { get; init; }

    /// <summary>Seed of the order in which documents are read.</summary>
    public long Seed { get; init; } = 1;

    /// <summary>Validations during the run, evenly spread over its progress; none at its beginning, one at its end. 0 or more.</summary>
    public int Validations { get; init; }

    /// <summary>Tokens of held-out text that a validation during the run reads: the beginning of every document. At least 1.</summary>
    public long ValidationTokens { get; init; } = 16_384;

    /// <summary>Time in steps between two checkpoints; one more is saved when the run ends or is stopped. Above zero.</summary>
    public TimeSpan CheckpointInterval { get; init; } = TimeSpan.FromMinutes(1);

    /// <summary>Throws where a value makes no sense.</summary>
    /// <exception cref="TrainingException">Says which value, and what is possible.</exception>
    public void Check()
    {
        Require(Batch >= 1, "batch", Batch, "at least 1 row");
        Require(Window >= 1, "window", Window, "at least 1 token");
        Require(SectionTokens >= 0, "section length", SectionTokens, "0 (whole documents) or more tokens");
        Require(InterleaveTokens >= 0, "interleaving", InterleaveTokens, "0 (none) or more tokens");
        if (Steps is null == Duration is null) throw new TrainingException("A run has either a number of steps or a duration; give one of the two.");
        Require(Steps is null or >= 1, "number of steps", Steps, "at least 1");
        Require(Duration is null || Duration > TimeSpan.Zero, "duration", Duration, "more than no time");
        Require(LearningRate > 0 && double.IsFinite(LearningRate), "learning rate", LearningRate, "a positive number");
        Require(FinalShare is >= 0 and <= 1, "final share of the learning rate", FinalShare, "0 to 1");
        Require(WarmUpShare is >= 0 and < 1, "warm-up share", WarmUpShare, "0 to less than 1");
        Require(WeightDecay is >= 0 and < double.PositiveInfinity, "weight decay", WeightDecay, "0 or more");
        Require(Beta1 is >= 0 and < 1, "first beta", Beta1, "0 to less than 1");
        Require(Beta2 is >= 0 and < 1, "second beta", Beta2, "0 to less than 1");
        Require(ClipNorm > 0, "clip norm", ClipNorm, "more than 0");
        Require(MatmulPrecision is not { } precision || Enum.IsDefined(precision), "precision of matrix products", MatmulPrecision, "Float32 or BFloat16");
        Require(Validations >= 0, "number of validations", Validations, "0 or more");
        Require(ValidationTokens >= 1, "number of validation tokens", ValidationTokens, "at least 1");
        Require(CheckpointInterval > TimeSpan.Zero, "checkpoint interval", CheckpointInterval, "more than no time");
    }

    private static void Require(bool holds, string what, object? value, string expected)
    {
        if (!holds) throw new TrainingException(FormattableString.Invariant($"The {what} is {value}; expected {expected}."));
    }
}
