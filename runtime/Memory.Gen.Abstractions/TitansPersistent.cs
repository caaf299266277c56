namespace Memory.Gen;

/// <summary>What the persistent memory of a Titans layer is: knowledge of the task that no text changes.</summary>
public enum TitansPersistent
{
    /// <summary>
    /// Learned tokens before the first: the attention always sees them, and the memory has read them (in
    /// <see cref="TitansVariant.Context"/> the attention alone).
    /// </summary>
    Tokens,

    /// <summary>Learned keys and values of the attention, which it always sees; the memory does not know them.</summary>
    KeyValue,
}
