namespace Memory.Gen;

/// <summary>What leaves the eidetic slots when more tokens ask for one than there are.</summary>
public enum BMojoEviction
{
    /// <summary>The smallest scores, of the kept and the new tokens alike; of equal ones the later.</summary>
    TopScore,

    /// <summary>The oldest tokens: with a <c>Threshold</c> a ring of all that were unexpected enough.</summary>
    Fifo,
}
