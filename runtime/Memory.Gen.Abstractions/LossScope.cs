namespace Memory.Gen;

/// <summary>Which predictions of a training window count in the loss of a model that reads in segments.</summary>
public enum LossScope
{
    /// <summary>All of them, also those of a segment's first token from the last one of the segment before.</summary>
    AllSegments,

    /// <summary>Those made in the last segment that a row reads in the window: what came before is there to be remembered.</summary>
    LastSegment,

    /// <summary>The last <c>LossTokens</c> of a row's tokens in the window: the length of an answer.</summary>
    LastNTokens,
}
