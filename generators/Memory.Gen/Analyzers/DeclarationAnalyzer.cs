using System.Collections.Generic;
using System.Collections.Immutable;
using System.Linq;
using Memory.Gen.Generators.Models;
using Memory.Gen.Generators.Specs;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Diagnostics;

namespace Memory.Gen.Generators.Analyzers;

/// <summary>Reports what is wrong with a declaration, at the argument that is wrong.</summary>
[DiagnosticAnalyzer(LanguageNames.CSharp)]
public sealed class DeclarationAnalyzer : DiagnosticAnalyzer
{
    /// <inheritdoc/>
    public override ImmutableArray<DiagnosticDescriptor> SupportedDiagnostics => Descriptors.All;

    /// <inheritdoc/>
    public override void Initialize(AnalysisContext context)
    {
        context.ConfigureGeneratedCodeAnalysis(GeneratedCodeAnalysisFlags.None);
        context.EnableConcurrentExecution();
        context.RegisterCompilationStartAction(static start =>
        {
            BuildSpec build = BuildSpec.Read(start.Compilation);
            start.RegisterSymbolAction(symbol => Analyze(symbol, build), SymbolKind.NamedType);
        });
    }

    private static void Analyze(SymbolAnalysisContext context, BuildSpec build)
    {
        var type = (INamedTypeSymbol)context.Symbol;
        AttributeData[] attributes = type.GetAttributes()
            .Where(a => DeclarationReader.KindOf(a, AttributeKinds.RoleOf) is not null).ToArray();
        if (attributes.Length == 0)
            return;

        Declaration declaration = DeclarationReader.Read(type, AttributeKinds.RoleOf, hiddenNames: default);
        if (!declaration.IsModel && !declaration.IsLayer)
        {
            for (int i = 0; i < attributes.Length; i++)
                context.ReportDiagnostic(Diagnostic.Create(
                    Descriptors.Of("MEMGEN008"), ErrorLocation.OfAttribute(attributes[i], context.CancellationToken),
                    declaration.Attributes[i].Kind, type.Name));
            return;
        }

        if (!declaration.IsReadable)
            return;
        EquatableArray<SpecError> errors = ModelRules.Check(declaration);
        foreach (SpecError error in Missing(declaration, build).Concat(errors.Select(e => WorkingRepairs.Settle(declaration, errors, e))).Where(e => !IsSaidOfAnother(e, type)))
            context.ReportDiagnostic(Diagnostic.Create(
                Descriptors.Of(error.Id),
                ErrorLocation.Of(error, type, attributes, context.CancellationToken),
                Properties(error),
                error.MessageArgs));
    }

    // A type around several declared classes is wrong once: the first of them says it.
    private static bool IsSaidOfAnother(SpecError error, INamedTypeSymbol type)
    {
        if (error.Id != "MEMGEN002")
            return false;
        INamedTypeSymbol around = type.ContainingType;
        while (around.Name != error.Argument)
            around = around.ContainingType;
        return !SymbolEqualityComparer.Default.Equals(Within(around).First(IsDeclared), type);

        static IEnumerable<INamedTypeSymbol> Within(INamedTypeSymbol around) => around.GetTypeMembers().SelectMany(t => Within(t).Prepend(t));

        static bool IsDeclared(INamedTypeSymbol type) =>
            DeclarationReader.Read(type, AttributeKinds.RoleOf, hiddenNames: default) is { IsReadable: true } declaration && (declaration.IsModel || declaration.IsLayer);
    }

    private const string
        Two = "one TorchSharp, and this project references two, the package and TorchSharp.Lite",
        OneProvider = "build with TorchProvider=system, which leaves the package out, or reference TorchSharp-cpu instead of TorchSharp.Lite";

    private static IEnumerable<SpecError> Missing(Declaration declaration, BuildSpec build)
    {
        if (!build.HasRuntime || !build.HasTorch)
            yield return !build.HasRuntime ? Error("MEMGEN301", declaration.Type.Name, Absent("Memory.Gen.Runtime"), Package("Memory.Gen", Models.SourceFile.Version))
                : build.HasTwoTorches ? Error("MEMGEN301", declaration.Type.Name, Two, OneProvider)
                : Error("MEMGEN301", declaration.Type.Name, build.OldTorch is { } old ? Newer(old) : Absent("TorchSharp"), Package("TorchSharp-cpu", BuildSpec.LowestTorch));
        else if (!build.IsLanguageNewEnough)
            yield return Error(
                "MEMGEN302", declaration.Type.Name, BuildSpec.LowestLanguage.ToDisplayString(), build.Language.ToDisplayString());

        static string Absent(string library) => library + ", which this project does not reference";

        static string Package(string name, string version) => $"write <PackageReference Include=\"{name}\" Version=\"{version}\" />";

        static string Newer(string old) => $"TorchSharp {BuildSpec.OldestTorch} or newer, and this project references {old}";

        SpecError Error(string id, params string[] args) => new(id, declaration.Root.Index, "", args.ToEquatableArray());
    }

    // What a code fix needs to know, so that it does not have to read the message.
    private static ImmutableDictionary<string, string?> Properties(SpecError error) => error.Supported
        .Where(Repairs.Are)
        .Zip(Repairs.Keys, static (repair, key) => new KeyValuePair<string, string?>(key, repair))
        .ToImmutableDictionary();
}
