using System.Collections.Generic;
using System.Linq;
using Microsoft.CodeAnalysis;

namespace Memory.Gen.Generators.Specs;

/// <summary>
/// Words that C# only understands where nobody has a name like that. Written code uses two of them, <c>var</c> and <c>nameof</c>, and
/// what is written where TorchSharp has no names a third, <c>dynamic</c>.
/// </summary>
internal static class TakenWords
{
    public const string Dynamic = "dynamic";

    /// <summary>The one that means something else where a class stands, <c>dynamic</c> last; null where all are free.</summary>
    public static string? Of(INamedTypeSymbol type) =>
        Around(type).Any(scope => scope.GetTypeMembers("var").Any()) ? "var"
        : Around(type).Any(scope => scope.GetMembers("nameof").Any(member => member is IMethodSymbol or INamespaceSymbol)) ? "nameof"
        : Around(type).Any(scope => scope.GetTypeMembers(Dynamic).Any()) ? Dynamic
        : null;

    private static IEnumerable<INamespaceOrTypeSymbol> Around(INamedTypeSymbol type)
    {
        for (INamedTypeSymbol? outer = type; outer is not null; outer = outer.ContainingType)
            for (INamedTypeSymbol? level = outer; level is { SpecialType: not SpecialType.System_Object }; level = level.BaseType)
                yield return level;
        for (INamespaceSymbol? space = type.ContainingNamespace; space is not null; space = space.ContainingNamespace)
            yield return space;
    }
}
