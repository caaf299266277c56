using System.Collections.Generic;
using System.Linq;
using System.Threading;
using Memory.Gen.Generators.Specs;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Memory.Gen.Generators.Analyzers;

/// <summary>Where an error is shown: at the argument, else at the attribute's name, else at the class.</summary>
internal static class ErrorLocation
{
    public static Location Of(SpecError error, INamedTypeSymbol type, IReadOnlyList<AttributeData> attributes, CancellationToken token)
    {
        if (error is { Attribute: < 0, Argument: Models.TypeRules.WrittenConstructor })
            return DeclarationReader.WrittenConstructors(type).Select(OfSymbol).First();
        if (error.Attribute < 0)
            return error.Argument == WellKnownMemberNames.InstanceConstructorName
                ? DeclarationReader.OpenConstructors(type).Select(c => c.Identifier.GetLocation()).FirstOrDefault() ?? OfSymbol(type)
                : OfSymbol(error.Argument.Length == 0 ? type : Named(type, error.Argument) ?? type);
        return attributes[error.Attribute].ApplicationSyntaxReference?.GetSyntax(token) is AttributeSyntax attribute
            ? (Argument(attribute, error.Argument) ?? (SyntaxNode)attribute.Name).GetLocation()
            : OfSymbol(type);
    }

    /// <summary>The name of an attribute where it is applied.</summary>
    public static Location OfAttribute(AttributeData attribute, CancellationToken token) =>
        attribute.ApplicationSyntaxReference?.GetSyntax(token) is AttributeSyntax syntax ? syntax.Name.GetLocation() : Location.None;

    private static Location OfSymbol(ISymbol symbol) => symbol.Locations.FirstOrDefault() ?? Location.None;

    private static ISymbol? Named(INamedTypeSymbol type, string name)
    {
        if (type.GetMembers(name).FirstOrDefault() is { } member)
            return member;
        INamedTypeSymbol? container = type.ContainingType;
        while (container is not null && container.Name != name)
            container = container.ContainingType;
        return container;
    }

    // A constructor argument mostly has no name in front of it; the letter is always the first of them, the variant the last.
    private static AttributeArgumentSyntax? Argument(AttributeSyntax attribute, string name)
    {
        IEnumerable<AttributeArgumentSyntax> arguments = attribute.ArgumentList?.Arguments ?? [];
        IEnumerable<AttributeArgumentSyntax> unnamed = arguments.Where(a => a.NameEquals is null && a.NameColon is null);
        return arguments.FirstOrDefault(a => (a.NameEquals?.Name ?? a.NameColon?.Name)?.Identifier.ValueText == name)
            ?? (name == "letter" ? unnamed.FirstOrDefault() : name == "variant" ? unnamed.LastOrDefault() : null);
    }
}
