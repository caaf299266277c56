namespace Memory.Gen;

/// <summary>Which tokens the attention beside a Titans memory sees, of <c>Window</c> tokens.</summary>
public enum TitansAttention
{
    /// <summary>The last tokens, itself included: with each layer the reach grows by a window.</summary>
    Sliding,

    /// <summary>
    /// The tokens of its own segment up to itself: nothing but the memory carries anything from segment to segment.
    /// </summary>
    Segmented,
}
