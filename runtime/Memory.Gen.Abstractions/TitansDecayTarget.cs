namespace Memory.Gen;

/// <summary>Where the weights of a Titans memory go when they are forgotten.</summary>
public enum TitansDecayTarget
{
    /// <summary>To zero, as in Titans.</summary>
    Zero,

    /// <summary>To the learned weights that every sequence begins with.</summary>
    Initial,
}
