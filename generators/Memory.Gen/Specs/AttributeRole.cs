namespace Memory.Gen.Generators.Specs;

/// <summary>What an attribute of ours does in a declaration.</summary>
public enum AttributeRole
{
    /// <summary>[MemoryModel] or [MemoryLayer]: makes the class one.</summary>
    Root,

    /// <summary>Says what layers remember.</summary>
    Mixer,

    /// <summary>Stands around the whole stack of layers.</summary>
    Wrapper,
}
