namespace Memory.Gen;

/// <summary>What the write rows behind a segment hold before the backbone reads them.</summary>
public enum WriteInit
{
    /// <summary>The memory that the segment was given, as in front of it.</summary>
    Recurrent,

    /// <summary>Learned numbers of their own, the same for every segment.</summary>
    Learned,
}
