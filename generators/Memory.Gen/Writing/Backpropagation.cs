namespace Memory.Gen.Generators.Writing;

/// <summary>Writes how far back through segments a loss reaches.</summary>
internal static class Backpropagation
{
    /// <summary>The constant <c>BackpropSegments</c>.</summary>
    public static string Constant(int segments) =>
        $"private const long BackpropSegments = {segments};  // how far back a loss reaches: a stretch that gradients stay within is one more";
}
