using System.Collections.Immutable;
using System.Linq;
using System.Threading;
using Memory.Gen.Generators.Specs;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Diagnostics;

namespace Memory.Gen.Generators.Analyzers;

/// <summary>MEMGEN303: a module keeps others where TorchSharp does not look for them.</summary>
[DiagnosticAnalyzer(LanguageNames.CSharp)]
public sealed class ModuleFieldAnalyzer : DiagnosticAnalyzer
{
    private static readonly string[] Registering = ["register_module", "add_module"];

    /// <inheritdoc/>
    public override ImmutableArray<DiagnosticDescriptor> SupportedDiagnostics { get; } = ImmutableArray.Create(Descriptors.Of("MEMGEN303"));

    /// <inheritdoc/>
    public override void Initialize(AnalysisContext context)
    {
        context.ConfigureGeneratedCodeAnalysis(GeneratedCodeAnalysisFlags.None);
        context.EnableConcurrentExecution();
        context.RegisterCompilationStartAction(static start =>
        {
            if (start.Compilation.GetTypesByMetadataName("TorchSharp.torch+nn+Module").FirstOrDefault() is { } module)
                start.RegisterSymbolAction(symbol => Analyze(symbol, module), SymbolKind.Field, SymbolKind.Property);
        });
    }

    private static void Analyze(SymbolAnalysisContext context, INamedTypeSymbol module)
    {
        ISymbol written = context.Symbol;
        if (written.IsStatic || written.IsImplicitlyDeclared || !IsModule(written.ContainingType, module))
            return;

        // Of a property the field that the compiler makes for it, where it makes one.
        IFieldSymbol? field = written as IFieldSymbol
            ?? written.ContainingType.GetMembers().OfType<IFieldSymbol>().FirstOrDefault(f => SymbolEqualityComparer.Default.Equals(f.AssociatedSymbol, written));
        if (field is null || IsModule(field.Type, module) || Item(field.Type) is not { } item || !IsModule(item, module)
            || RegistersItself(field.ContainingType, context.CancellationToken))
            return;
        ImmutableDictionary<string, string?> repair = ImmutableDictionary<string, string?>.Empty;
        if (IsListOf(field.Type, item))
            repair = repair.Add(
                Repairs.Keys[0], $"global::TorchSharp.Modules.ModuleList<{item.ToDisplayString(SymbolDisplayFormat.FullyQualifiedFormat)}>");
        context.ReportDiagnostic(Diagnostic.Create(
            Descriptors.Of("MEMGEN303"), written.Locations[0], repair, written.Name,
            field.Type.ToDisplayString(SymbolDisplayFormat.MinimallyQualifiedFormat),
            IsListOf(field.Type, item) ? $"ModuleList<{item.WithNullableAnnotation(NullableAnnotation.None).ToDisplayString(SymbolDisplayFormat.MinimallyQualifiedFormat)}>" : "ModuleList or ModuleDict"));
    }

    private static bool IsModule(ITypeSymbol type, INamedTypeSymbol module) =>
        (type is ITypeParameterSymbol parameter ? parameter.ConstraintTypes.FirstOrDefault() : type).IsOrDerivesFrom(module);

    // What an array, list or dictionary holds.
    private static ITypeSymbol? Item(ITypeSymbol type) => type switch
    {
        IArrayTypeSymbol array => array.ElementType,
        INamedTypeSymbol { TypeArguments.Length: > 0 } generic when generic.AllInterfaces.Append(generic)
            .Any(i => i.OriginalDefinition.SpecialType == SpecialType.System_Collections_Generic_IEnumerable_T) => generic.TypeArguments.Last(),
        _ => null,
    };

    private static bool IsListOf(ITypeSymbol type, ITypeSymbol item) => type switch
    {
        IArrayTypeSymbol { Rank: 1 } => true,
        INamedTypeSymbol { Name: "List", TypeArguments.Length: 1 } list =>
            SymbolEqualityComparer.Default.Equals(list.TypeArguments[0], item)
            && list.ContainingNamespace.ToDisplayString() == "System.Collections.Generic",
        _ => false,
    };

    // Who registers modules by name knows what a list does not do.
    private static bool RegistersItself(INamedTypeSymbol type, CancellationToken token) => type.DeclaringSyntaxReferences
        .SelectMany(part => part.GetSyntax(token).DescendantTokens())
        .Any(t => t.IsKind(SyntaxKind.IdentifierToken) && Registering.Contains(t.ValueText));
}
