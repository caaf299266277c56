namespace Memory.Gen;

/// <summary>Where the weights of a Titans memory go when they are forgotten.</summary>
public enum TitansDecayTarget
{
    /// <summary>To zero, as in Titans; a network of several layers that has faded to there never writes again.</summary>
    Zero,

    /// <summary>To the learned weights that every sequence begins with.</summary>
    Initial,
}
