namespace Memory.Gen.Runtime;

/// <summary>What a trainer asks a model that cuts its text into segments.</summary>
public interface ISegmentedModel : IMemoryModel
{
    /// <summary>New tokens of a segment.</summary>
    long NewTokens { get; }

    /// <summary>Which predictions of a training window count.</summary>
    LossScope LossScope { get; }

    /// <summary>
    /// Whether a token sees later ones of its segment: then the numbers of a text that is read in several calls depend on where
    /// these end. False: they never do.
    /// </summary>
    bool LooksAhead => false;

    /// <summary>Predictions that count with <see cref="LossScope.LastNTokens"/>; 0 with the others.</summary>
    long LossTokens { get; }
}
