namespace Memory.Gen;

/// <summary>Map of the queries and keys of a <see cref="MemoryRule.Linear"/> memory, feature by feature.</summary>
public enum FeatureMap
{
    /// <summary>As they are.</summary>
    Identity,

    /// <summary>elu(x) + 1, always above zero.</summary>
    EluPlusOne,

    /// <summary>max(x, 0).</summary>
    Relu,
}
