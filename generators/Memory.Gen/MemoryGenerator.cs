using System;
using System.Collections.Generic;
using System.Collections.Immutable;
using System.Linq;
using System.Text;
using System.Threading;
using Memory.Gen.Generators.Models;
using Memory.Gen.Generators.Specs;
using Memory.Gen.Generators.Writing;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Text;

namespace Memory.Gen.Generators;

/// <summary>
/// Writes one file for each class with [MemoryModel] or [MemoryLayer]. It reports nothing: that is the analyzer's part, by
/// the same rules.
/// </summary>
[Generator(LanguageNames.CSharp)]
public sealed class MemoryGenerator : IIncrementalGenerator
{
    /// <inheritdoc/>
    public void Initialize(IncrementalGeneratorInitializationContext context)
    {
        IncrementalValueProvider<BuildSpec> build = context.CompilationProvider
            .Select(static (compilation, _) => BuildSpec.Read(compilation))
            .WithTrackingName(TrackingNames.Build);
        IncrementalValuesProvider<Declaration> models = Declarations(context, Declaration.ModelKind, TrackingNames.Models);
        IncrementalValuesProvider<Declaration> layers = Declarations(context, Declaration.LayerKind, TrackingNames.Layers);
        IncrementalValueProvider<EquatableArray<string>> collisions = models.Collect().Combine(layers.Collect())
            .Select(static (all, _) => Collisions(all.Left.Concat(all.Right)))
            .WithTrackingName(TrackingNames.Collisions);
        Write(context, models, build, collisions);
        Write(context, layers, build, collisions);
    }

    private static IncrementalValuesProvider<Declaration> Declarations(
        IncrementalGeneratorInitializationContext context, string kind, string trackingName) => context.SyntaxProvider
        .ForAttributeWithMetadataName(
            "Memory.Gen." + kind + "Attribute",
            static (node, _) => node is TypeDeclarationSyntax,
            (attributed, token) => Read(attributed, kind, token))
        .Where(static declaration => declaration is not null)
        .Select(static (declaration, _) => declaration!)
        .WithTrackingName(trackingName);

    private static Declaration? Read(GeneratorAttributeSyntaxContext context, string kind, CancellationToken token)
    {
        token.ThrowIfCancellationRequested();
        var type = (INamedTypeSymbol)context.TargetSymbol;
        EquatableArray<string> hidden = Surroundings.HiddenNames(
            type, context.SemanticModel, ((TypeDeclarationSyntax)context.TargetNode).Identifier.SpanStart, Aliases.Choices);
        Declaration declaration = DeclarationReader.Read(type, AttributeKinds.RoleOf, hidden);

        // One file for each class: where both attributes stand, the model's branch writes it, and of two parts with the
        // same attribute (an error of its own) the first.
        bool isFirst = type.GetAttributes()
            .First(a => DeclarationReader.KindOf(a, AttributeKinds.RoleOf) == kind)
            .ApplicationSyntaxReference is { } first
            && first.SyntaxTree == context.TargetNode.SyntaxTree
            && context.TargetNode.Span.Contains(first.Span);
        return isFirst && (kind == Declaration.ModelKind || !declaration.IsModel) ? declaration : null;
    }

    private static void Write(
        IncrementalGeneratorInitializationContext context,
        IncrementalValuesProvider<Declaration> declarations,
        IncrementalValueProvider<BuildSpec> build,
        IncrementalValueProvider<EquatableArray<string>> collisions)
    {
        var inputs = declarations.Combine(build).Combine(collisions)
            .Select(static (input, _) => (Declaration: input.Left.Left, Build: input.Left.Right, Collisions: input.Right))
            .WithTrackingName(TrackingNames.Inputs);
        context.RegisterSourceOutput(inputs, static (output, input) =>
        {
            output.CancellationToken.ThrowIfCancellationRequested();
            if (ModelSource.Write(input.Declaration, input.Build) is { } text)
                output.AddSource(HintName(input.Declaration.Type.FullName, input.Collisions), SourceText.From(text, Encoding.UTF8));
        });
    }

    /// <summary>Full names that differ only in case; nearly always none.</summary>
    private static EquatableArray<string> Collisions(IEnumerable<Declaration> declarations) => declarations
        .Select(d => d.Type.FullName)
        .Distinct()
        .GroupBy(name => name, StringComparer.OrdinalIgnoreCase)
        .Where(names => names.Skip(1).Any())
        .SelectMany(names => names)
        .OrderBy(name => name, StringComparer.Ordinal)
        .ToEquatableArray();

    private static string HintName(string name, EquatableArray<string> collisions)
    {
        int position = collisions.ToList().IndexOf(name);
        return position < 0 ? name + ".g.cs" : $"{name}.{position + 1}.g.cs";
    }
}
