namespace Memory.Gen;

/// <summary>At which positions the keys of eidetic slots stand for rotary positions.</summary>
public enum BMojoPositions
{
    /// <summary>
    /// Just before the window, in the order of the text: no distance exceeds window and slots, however old a token is, so a long
    /// text never leaves the range that was trained.
    /// </summary>
    Compact,

    /// <summary>Where they stood in the text.</summary>
    Absolute,
}
