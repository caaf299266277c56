using System;

namespace Memory.Gen;

/// <summary>
/// What the attributes have that stand around a whole stack of layers: the text is cut into segments, and the backbone reads
/// each of them from a fresh state, in a window of its own with positions from 0.
/// </summary>
public abstract class SegmentMemoryAttribute : Attribute
{
    /// <summary>
    /// Rows of the window that the backbone reads, the memory's own among them, up to 16,777,216. Required. An attention
    /// without a <c>Window</c> sees all of them.
    /// </summary>
    public int SegmentTokens { get; set; }

    /// <summary>
    /// How many segments back a loss reaches through memories at most, 0 to 1,048,576; 0: not at all. The segments of a text
    /// form stretches of <c>BackpropSegments + 1</c>; where a stretch begins, all memories are cut from what made them.
    /// Absent: as far back as the call and a state that was not detached go. The numbers do not depend on it.
    /// </summary>
    public int BackpropSegments { get; set; }

    /// <summary>Which predictions the trainer counts. Absent: all. The numbers do not depend on it.</summary>
    public LossScope LossScope { get; set; }

    /// <summary>Predictions that count with <see cref="LossScope.LastNTokens"/>, 1 to 16,777,216. Required there, an error elsewhere.</summary>
    public int LossTokens { get; set; }
}
