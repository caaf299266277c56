using System;
using System.Collections.Generic;
using System.Linq;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Memory.Gen.Generators.Specs;

/// <summary>From symbols to a <see cref="Declaration"/>: the one place where both meet.</summary>
internal static class DeclarationReader
{
    private static readonly SymbolDisplayFormat NamespaceFormat = SymbolDisplayFormat.FullyQualifiedFormat
        .WithGlobalNamespaceStyle(SymbolDisplayGlobalNamespaceStyle.Omitted)
        .WithMiscellaneousOptions(SymbolDisplayMiscellaneousOptions.None);

    /// <summary>The kind of an attribute of ours; null for anybody else's.</summary>
    public static string? KindOf(AttributeData attribute, Func<string, AttributeRole?> roleOf)
    {
        const string suffix = "Attribute";
        if (attribute.AttributeClass is not { ContainingType: null } type || !type.Name.EndsWith(suffix, StringComparison.Ordinal))
            return null;
        string kind = type.Name.Substring(0, type.Name.Length - suffix.Length);
        return roleOf(kind) is not null
            && type.ContainingNamespace is { Name: "Gen", ContainingNamespace: { Name: "Memory", ContainingNamespace.IsGlobalNamespace: true } } ? kind : null;
    }

    /// <param name="type">The class.</param>
    /// <param name="roleOf">The role of the attribute with a name; null for a name that is none of ours.</param>
    /// <param name="hiddenNames">The names that already mean something else inside the class.</param>
    public static Declaration Read(INamedTypeSymbol type, Func<string, AttributeRole?> roleOf, EquatableArray<string> hiddenNames)
    {
        var attributes = new List<AttributeSpec>();
        foreach (AttributeData attribute in type.GetAttributes())
            if (KindOf(attribute, roleOf) is { } kind)
                attributes.Add(AttributeSpec.Read(kind, roleOf(kind)!.Value, attribute));
        return new Declaration(ReadType(type, roleOf, hiddenNames), attributes.ToEquatableArray());
    }

    /// <summary>Names of the members that a person wrote.</summary>
    public static IEnumerable<string> MemberNames(INamedTypeSymbol type) => type.GetMembers()
        .Where(m => !m.IsImplicitlyDeclared && m is not IMethodSymbol { MethodKind: not MethodKind.Ordinary })
        .Select(m => m.Name);

    /// <summary>Its constructors that do not go on to another of its own, but for those with the parameters of the written one.</summary>
    public static IEnumerable<ConstructorDeclarationSyntax> OpenConstructors(INamedTypeSymbol type) => type.InstanceConstructors
        .Except(WrittenConstructors(type), SymbolEqualityComparer.Default)
        .SelectMany(c => c!.DeclaringSyntaxReferences.Select(r => r.GetSyntax()).OfType<ConstructorDeclarationSyntax>())
        .Where(c => c.Initializer?.IsKind(SyntaxKind.ThisConstructorInitializer) != true);

    /// <summary>Its constructors with the parameters of the written one.</summary>
    public static IEnumerable<IMethodSymbol> WrittenConstructors(INamedTypeSymbol type) => type.InstanceConstructors.Where(c =>
        c.Parameters.Length == 2
        && c.Parameters.All(p => p.RefKind == RefKind.None)
        && c.Parameters[0].Type.WithNullableAnnotation(NullableAnnotation.None).ToDisplayString() == "TorchSharp.torch.Device"
        && c.Parameters[1].Type.ToDisplayString() == "TorchSharp.torch.ScalarType?");

    // One that can be called without arguments would with this() go on to itself.
    private static string Continuation(ConstructorDeclarationSyntax constructor) =>
        constructor.ParameterList.Parameters.All(p => p.Default is not null) ? ": this(device: null)" : ": this()";

    private static TypeSpec ReadType(INamedTypeSymbol type, Func<string, AttributeRole?> roleOf, EquatableArray<string> hiddenNames) => new(
        type.ContainingNamespace.IsGlobalNamespace ? "" : type.ContainingNamespace.ToDisplayString(NamespaceFormat),
        Containers(type).Select(c => new ContainerSpec(Keyword(c), c.Name, IsPartial(c), TypeParameters(c))).ToEquatableArray(),
        type.Name,
        IsPartial(type),
        TypeParameters(type),
        Flaw(type),
        WrongBase(type, roleOf),
        MemberNames(type).Distinct().OrderBy(n => n, StringComparer.Ordinal).ToEquatableArray(),
        Parts(type).Any(p => p.ParameterList is not null),
        WrittenConstructors(type).Any(),
        OpenConstructors(type).Select(Continuation).FirstOrDefault(),
        OpenConstructors(type).Any(c => c.Initializer is null),
        TakenWords.Of(type),
        hiddenNames);

    private static IEnumerable<INamedTypeSymbol> Containers(INamedTypeSymbol type)
    {
        var containers = new Stack<INamedTypeSymbol>();
        for (INamedTypeSymbol? container = type.ContainingType; container is not null; container = container.ContainingType)
            containers.Push(container);
        return containers;
    }

    private static IEnumerable<TypeDeclarationSyntax> Parts(INamedTypeSymbol type) =>
        type.DeclaringSyntaxReferences.Select(r => r.GetSyntax()).OfType<TypeDeclarationSyntax>();

    private static bool IsPartial(INamedTypeSymbol type) =>
        Parts(type).Any(p => p.Modifiers.Any(SyntaxKind.PartialKeyword));

    private static string Keyword(INamedTypeSymbol type) => type switch
    {
        { IsRecord: true, TypeKind: TypeKind.Struct } => "record struct",
        { IsRecord: true } => "record",
        { TypeKind: TypeKind.Struct } => "struct",
        { TypeKind: TypeKind.Interface } => "interface",
        _ => "class",
    };

    private static string? Flaw(INamedTypeSymbol type) => type switch
    {
        { TypeKind: not TypeKind.Class } => "a " + Keyword(type),
        { IsRecord: true } => TypeSpec.Record,
        { IsStatic: true } => "a static class",
        { IsAbstract: true } => TypeSpec.AbstractClass,
        { IsFileLocal: true } => "a file-local class",
        _ => Containers(type).Any(c => c.IsFileLocal) ? "inside a file-local type" : null,
    };

    private static EquatableArray<string> TypeParameters(INamedTypeSymbol type) => type.TypeParameters
        .Select(p => (p.Variance == VarianceKind.In ? "in " : p.Variance == VarianceKind.Out ? "out " : "") + TypeSpec.Escape(p.Name))
        .ToEquatableArray();

    private static BaseSpec? WrongBase(INamedTypeSymbol type, Func<string, AttributeRole?> roleOf) =>
        type.BaseType is not { } parent
        || type.TypeKind != TypeKind.Class
        || parent.SpecialType == SpecialType.System_Object
        || parent.ToDisplayString() == "TorchSharp.torch.nn.Module<TorchSharp.torch.Tensor, TorchSharp.torch.Tensor>"
            ? null
            : new BaseSpec(parent.ToDisplayString(SymbolDisplayFormat.MinimallyQualifiedFormat), IsDeclared(parent, roleOf) ? null : Arguments(parent, type), HasForward(parent));

    // What is written for the base is what is written for the class, and no class can be two models.
    private static bool IsDeclared(INamedTypeSymbol? type, Func<string, AttributeRole?> roleOf) => type is not null
        && (type.GetAttributes().Any(a => KindOf(a, roleOf) is { } kind && roleOf(kind) == AttributeRole.Root) || IsDeclared(type.BaseType, roleOf));

    private static EquatableArray<string>? Arguments(INamedTypeSymbol parent, INamedTypeSymbol type) => parent.InstanceConstructors
        .Where(c => c.DeclaredAccessibility is Accessibility.Public or Accessibility.Protected or Accessibility.ProtectedOrInternal
            || (c.DeclaredAccessibility != Accessibility.Private && SymbolEqualityComparer.Default.Equals(parent.ContainingAssembly, type.ContainingAssembly)))
        .Where(c => c.Parameters.All(p => p.RefKind == RefKind.None))
        .OrderBy(c => c.Parameters.Length)
        .Select(c => (EquatableArray<string>?)c.Parameters.Select(p => p.Type.ToDisplayString(SymbolDisplayFormat.FullyQualifiedFormat)).ToEquatableArray())
        .FirstOrDefault();

    private static bool HasForward(INamedTypeSymbol? parent)
    {
        for (; parent is not null; parent = parent.BaseType)
            if (parent.GetMembers("forward").OfType<IMethodSymbol>().FirstOrDefault(m => m.Parameters.Length == 1 && IsTensor(m.Parameters[0].Type) && IsTensor(m.ReturnType)) is { } forward)
                return !forward.IsSealed && (forward.IsAbstract || forward.IsVirtual || forward.IsOverride);
        return false;

        static bool IsTensor(ITypeSymbol type) => type.ToDisplayString() == "TorchSharp.torch.Tensor";
    }
}
