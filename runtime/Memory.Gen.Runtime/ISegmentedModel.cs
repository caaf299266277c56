namespace Memory.Gen.Runtime;

/// <summary>What a trainer asks a model that cuts its text into segments.</summary>
public interface ISegmentedModel : IMemoryModel
{
    /// <summary>New tokens of a segment.</summary>
    long NewTokens { get; }

    /// <summary>Which predictions of a training window count.</summary>
    LossScope LossScope { get; }

    /// <summary>Predictions that count with <see cref="LossScope.LastNTokens"/>; 0 with the others.</summary>
    long LossTokens { get; }
}
