namespace Memory.Gen.Generators.Writing;

/// <summary>The exact sizes of a part of a model, as its card adds them up.</summary>
/// <param name="Parameters">Numbers that are learned.</param>
/// <param name="MemoryElements">State of one sequence kept in float32 or wider.</param>
/// <param name="CacheElements">State of one sequence kept in the model's dtype.</param>
/// <param name="CacheElementsPerToken">The same, for each token read.</param>
/// <param name="FlopsPerToken">Twice the multiply-adds of the recurrent form's matrix products, for one token.</param>
/// <param name="FlopsPerTokenOfContext">The same, for one token and each token before it.</param>
/// <param name="Reach">Tokens before the present one that its output can depend on; null for all of them.</param>
/// <param name="CountElements">State of one sequence kept as whole numbers of 8 bytes.</param>
internal sealed record Size(
    long Parameters,
    long MemoryElements = 0,
    long CacheElements = 0,
    long CacheElementsPerToken = 0,
    long FlopsPerToken = 0,
    long FlopsPerTokenOfContext = 0,
    long? Reach = 0,
    long CountElements = 0)
{
    /// <summary>Of the whole: tokens, counted from the beginning of a text, between places that no gradient passes; null where it passes everywhere.</summary>
    public long? StretchTokens { get; init; }

    /// <summary>A matrix product with a weight of so many numbers.</summary>
    public static Size Product(long weights) => new(weights, FlopsPerToken: 2 * weights);

    /// <summary>So many of the same, one after another.</summary>
    public Size Times(long count) => new(
        count * Parameters,
        count * MemoryElements,
        count * CacheElements,
        count * CacheElementsPerToken,
        count * FlopsPerToken,
        count * FlopsPerTokenOfContext,
        count * Reach,
        count * CountElements);

    public static Size operator +(Size a, Size b) => new(
        a.Parameters + b.Parameters,
        a.MemoryElements + b.MemoryElements,
        a.CacheElements + b.CacheElements,
        a.CacheElementsPerToken + b.CacheElementsPerToken,
        a.FlopsPerToken + b.FlopsPerToken,
        a.FlopsPerTokenOfContext + b.FlopsPerTokenOfContext,
        a.Reach + b.Reach,
        a.CountElements + b.CountElements);
}
