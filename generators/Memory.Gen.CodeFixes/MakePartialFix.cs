using System.Collections.Generic;
using System.Collections.Immutable;
using System.Composition;
using System.Linq;
using System.Threading.Tasks;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeActions;
using Microsoft.CodeAnalysis.CodeFixes;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Memory.Gen.CodeFixes;

/// <summary>MEMGEN001 and MEMGEN002: makes a declared class, or a type around one, partial, and every type around it too.</summary>
[ExportCodeFixProvider(LanguageNames.CSharp, Name = nameof(MakePartialFix)), Shared]
public sealed class MakePartialFix : CodeFixProvider
{
    /// <inheritdoc/>
    public override ImmutableArray<string> FixableDiagnosticIds { get; } = ImmutableArray.Create("MEMGEN001", "MEMGEN002");

    // Several diagnostics may ask for the same modifier of a type around them all.
    private static readonly FixAllProvider Together = FixAllProvider.Create(static async (context, document, diagnostics) =>
    {
        SyntaxNode root = (await document.GetSyntaxRootAsync(context.CancellationToken).ConfigureAwait(false))!;
        return document.WithSyntaxRoot(MakePartial(root, diagnostics.Select(d => TypeAt(root, d)).OfType<TypeDeclarationSyntax>()));
    });

    /// <inheritdoc/>
    public override FixAllProvider GetFixAllProvider() => Together;

    /// <inheritdoc/>
    public override async Task RegisterCodeFixesAsync(CodeFixContext context)
    {
        SyntaxNode root = (await context.Document.GetSyntaxRootAsync(context.CancellationToken).ConfigureAwait(false))!;
        foreach (Diagnostic diagnostic in context.Diagnostics)
            if (TypeAt(root, diagnostic) is { } type)
                context.RegisterCodeFix(
                    CodeAction.Create(
                        $"Make '{type.Identifier.ValueText}' partial",
                        _ => Task.FromResult(context.Document.WithSyntaxRoot(MakePartial(root, [type]))),
                        equivalenceKey: "partial"),
                    diagnostic);
    }

    // None where something before it is half typed and would take 'partial' for a name, or for a word too many.
    private static TypeDeclarationSyntax? TypeAt(SyntaxNode root, Diagnostic diagnostic) =>
        root.FindNode(diagnostic.Location.SourceSpan).FirstAncestorOrSelf<TypeDeclarationSyntax>() is { } type
        && (!root.ContainsDiagnostics || Errors(MakePartial(root, [type]), root.SyntaxTree) <= Errors(root, root.SyntaxTree)) ? type : null;

    // Read anew: a tree that was put together may be one that no text has.
    private static int Errors(SyntaxNode root, SyntaxTree like) =>
        CSharpSyntaxTree.ParseText(root.ToFullString(), (CSharpParseOptions)like.Options).GetDiagnostics().Count(d => d.Severity == DiagnosticSeverity.Error);

    private static SyntaxNode MakePartial(SyntaxNode root, IEnumerable<TypeDeclarationSyntax> types) => root.ReplaceNodes(
        types.SelectMany(type => type.AncestorsAndSelf()).OfType<TypeDeclarationSyntax>().Distinct().Where(t => !t.Modifiers.Any(SyntaxKind.PartialKeyword)),
        static (_, t) => MakePartial(t));

    // The last modifier, with the space it needs; nothing is formatted anew, what stands around stays.
    private static TypeDeclarationSyntax MakePartial(TypeDeclarationSyntax type)
    {
        SyntaxToken partial = SyntaxFactory.Token(leading: default, SyntaxKind.PartialKeyword, trailing: SyntaxFactory.TriviaList(SyntaxFactory.Space));
        if (type.Modifiers.Count == 0)
        {
            partial = partial.WithLeadingTrivia(type.Keyword.LeadingTrivia);
            type = type.WithKeyword(type.Keyword.WithLeadingTrivia());
        }

        return type.AddModifiers(partial);
    }
}
