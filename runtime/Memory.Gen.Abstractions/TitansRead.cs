namespace Memory.Gen;

/// <summary>Which state of a Titans memory a token reads.</summary>
public enum TitansRead
{
    /// <summary>The one that holds its own write.</summary>
    AfterWrite,

    /// <summary>The one its gradient block started with: cheaper, and blind for the block itself.</summary>
    BlockStart,
}
