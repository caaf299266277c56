using System;
using System.Collections.Immutable;
using System.Composition;
using System.Linq;
using System.Threading;
using System.Threading.Tasks;
using Memory.Gen.Generators.Analyzers;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeActions;
using Microsoft.CodeAnalysis.CodeFixes;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Formatting;
using Microsoft.CodeAnalysis.Simplification;

namespace Memory.Gen.CodeFixes;

/// <summary>
/// Writes an argument of an attribute with a value that the diagnostic says works: one action for each of its values, so
/// that fixing all takes the same choice everywhere.
/// </summary>
[ExportCodeFixProvider(LanguageNames.CSharp, Name = nameof(WriteArgumentFix)), Shared]
public sealed class WriteArgumentFix : CodeFixProvider
{
    private const string Qualifier = "global::Memory.Gen.";

    /// <inheritdoc/>
    public override ImmutableArray<string> FixableDiagnosticIds { get; } = ImmutableArray.Create(
        "MEMGEN101", "MEMGEN102", "MEMGEN103", "MEMGEN104", "MEMGEN105", "MEMGEN106", "MEMGEN107", "MEMGEN108", "MEMGEN109",
        "MEMGEN110", "MEMGEN111", "MEMGEN112", "MEMGEN121", "MEMGEN122", "MEMGEN201", "MEMGEN215", "MEMGEN216");

    /// <inheritdoc/>
    public override FixAllProvider GetFixAllProvider() => WellKnownFixAllProviders.BatchFixer;

    /// <inheritdoc/>
    public override Task RegisterCodeFixesAsync(CodeFixContext context)
    {
        foreach (Diagnostic diagnostic in context.Diagnostics)
            foreach (string key in Repairs.Keys)
                if (diagnostic.Properties.TryGetValue(key, out string? argument) && argument is not null)
                    context.RegisterCodeFix(
                        CodeAction.Create(
                            "Write " + argument.Replace(Qualifier, ""),
                            token => Write(context.Document.Project.Solution, diagnostic, argument, token),
                            equivalenceKey: diagnostic.Id + "." + key),
                        diagnostic);
        return Task.CompletedTask;
    }

    // The attribute is where the diagnostic is shown, or the place it refers to.
    private static async Task<Solution> Write(Solution solution, Diagnostic diagnostic, string argument, CancellationToken token)
    {
        Location place = diagnostic.AdditionalLocations.FirstOrDefault() ?? diagnostic.Location;
        if (solution.GetDocument(place.SourceTree) is not { } document)
            return solution;
        SyntaxNode root = (await document.GetSyntaxRootAsync(token).ConfigureAwait(false))!;
        return root.FindNode(place.SourceSpan).FirstAncestorOrSelf<AttributeSyntax>() is { } attribute
            ? solution.WithDocumentSyntaxRoot(document.Id, root.ReplaceNode(attribute, Write(attribute, argument)))
            : solution;
    }

    private static AttributeSyntax Write(AttributeSyntax attribute, string argument)
    {
        string[] sides = argument.Split([" = "], 2, StringSplitOptions.None);
        ExpressionSyntax value = SyntaxFactory.ParseExpression(sides[1]).WithAdditionalAnnotations(Simplifier.Annotation);
        AttributeArgumentSyntax? written = attribute.ArgumentList?.Arguments
            .FirstOrDefault(a => (a.NameEquals?.Name ?? a.NameColon?.Name)?.Identifier.ValueText == sides[0]);
        return written is not null
            ? attribute.ReplaceNode(written.Expression, value.WithTriviaFrom(written.Expression))
            : attribute.AddArgumentListArguments(SyntaxFactory
                .AttributeArgument(SyntaxFactory.NameEquals(sides[0]), nameColon: null, value)
                .WithAdditionalAnnotations(Formatter.Annotation));
    }
}
