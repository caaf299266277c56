namespace Memory.Gen;

/// <summary>Map of the queries and keys of a <see cref="MemoryRule.Linear"/> memory.</summary>
public enum FeatureMap
{
    /// <summary>As they are.</summary>
    Identity,

    /// <summary>elu(x) + 1, always above zero.</summary>
    EluPlusOne,

    /// <summary>max(x, 0).</summary>
    Relu,

    /// <summary>
    /// The second order of the exponential in a softmax: x of K features becomes 1, x / K^(1/4), x_i^2 / sqrt(2K) and x_i x_j / sqrt(K) for
    /// i below j, so that a query and a key meet as 1 + s + s^2/2, always above zero, with s = q^T k / sqrt(K) (Arora et al.: Based,
    /// arXiv 2402.18668). They become 1 + K + K(K+1)/2 features; K is 1 to 64, and 16 where KeyDim is absent.
    /// </summary>
    Taylor,

    /// <summary>
    /// softmax([2Mx; -2Mx]), always above zero, with a matrix M for the queries and one for the keys of each head, learned from the
    /// identity on (Zhang et al.: Hedgehog, arXiv 2402.04347). K features become 2K.
    /// </summary>
    Hedgehog,
}
