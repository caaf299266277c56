using Microsoft.CodeAnalysis;

namespace Memory.Gen.Generators.Analyzers;

/// <summary>Questions that several analyzers ask of a type.</summary>
internal static class TypeSymbolExtensions
{
    /// <summary>Whether it is a type or derives from it.</summary>
    public static bool IsOrDerivesFrom(this ITypeSymbol? type, INamedTypeSymbol ancestor)
    {
        for (; type is not null; type = type.BaseType)
            if (SymbolEqualityComparer.Default.Equals(type, ancestor))
                return true;
        return false;
    }
}
