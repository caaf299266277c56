using Memory.Gen.Training.Data;

namespace Memory.Gen.Training;

/// <summary>All of a run beside its tensors: what <c>checkpoint.json</c> says.</summary>
public sealed record TrainingSnapshot
{
    /// <summary>Name of the model's class.</summary>
    public required string Model { get; init; }

    /// <summary>Hash of the model's declaration.</summary>
    public required string Declaration { get; init; }

    /// <summary>The options of the run.</summary>
    public required TrainingOptions Options { get; init; }

    /// <summary>Fingerprint of the training text's tokens.</summary>
    public required string Text { get; init; }

    /// <summary>Optimizer steps done.</summary>
    public required long Step { get; init; }

    /// <summary>Seconds spent in steps.</summary>
    public required double Seconds { get; init; }

    /// <summary>Share of the run that is done.</summary>
    public required double Fraction { get; init; }

    /// <summary>Tokens predicted.</summary>
    public required long Tokens { get; init; }

    /// <summary>Bytes they stand for.</summary>
    public required long Bytes { get; init; }

    /// <summary>Where every row stands in the text.</summary>
    public required BatchCursor Cursor { get; init; }

    /// <summary>The training loss so far.</summary>
    public required HistorySnapshot History { get; init; }

    /// <summary>Validations so far.</summary>
    public required IReadOnlyList<LossPoint> Validations { get; init; }
}
