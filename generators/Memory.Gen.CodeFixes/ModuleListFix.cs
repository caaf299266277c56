using System.Collections.Generic;
using System.Collections.Immutable;
using System.Composition;
using System.Linq;
using System.Threading.Tasks;
using Memory.Gen.Generators.Specs;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeActions;
using Microsoft.CodeAnalysis.CodeFixes;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;
using Microsoft.CodeAnalysis.Formatting;
using Microsoft.CodeAnalysis.Simplification;

namespace Memory.Gen.CodeFixes;

/// <summary>
/// MEMGEN303: turns a list or array of modules into a ModuleList, where everything that the class puts into the field can be
/// turned too.
/// </summary>
[ExportCodeFixProvider(LanguageNames.CSharp, Name = nameof(ModuleListFix)), Shared]
public sealed class ModuleListFix : CodeFixProvider
{
    /// <inheritdoc/>
    public override ImmutableArray<string> FixableDiagnosticIds { get; } = ImmutableArray.Create("MEMGEN303");

    /// <inheritdoc/>
    public override FixAllProvider GetFixAllProvider() => WellKnownFixAllProviders.BatchFixer;

    /// <inheritdoc/>
    public override async Task RegisterCodeFixesAsync(CodeFixContext context)
    {
        SyntaxNode root = (await context.Document.GetSyntaxRootAsync(context.CancellationToken).ConfigureAwait(false))!;
        SemanticModel model = (await context.Document.GetSemanticModelAsync(context.CancellationToken).ConfigureAwait(false))!;
        foreach (Diagnostic diagnostic in context.Diagnostics)
            if (diagnostic.Properties.TryGetValue(Repairs.Keys[0], out string? type) && type is not null
                && root.FindNode(diagnostic.Location.SourceSpan) is var node && Member(node) is { } member
                && model.GetDeclaredSymbol(node, context.CancellationToken) is { } symbol
                && Changes(member.Type, symbol, member.Initializer, type, model) is { } changes)
                context.RegisterCodeFix(
                    CodeAction.Create(
                        $"Make '{symbol.Name}' a ModuleList",
                        _ => Task.FromResult(context.Document.WithSyntaxRoot(
                            root.ReplaceNodes(changes.Keys, (before, _) => changes[before]))),
                        equivalenceKey: "ModuleList"),
                    diagnostic);
    }

    // A field that shares its type with no other, or a property.
    private static (TypeSyntax Type, EqualsValueClauseSyntax? Initializer)? Member(SyntaxNode node) => node switch
    {
        VariableDeclaratorSyntax { Parent: VariableDeclarationSyntax { Variables.Count: 1 } declaration } field => (declaration.Type, field.Initializer),
        PropertyDeclarationSyntax property => (property.Type, property.Initializer),
        _ => null,
    };

    // The member's type, every value that it gets, and an array's length; null where one of them has no counterpart. What an object
    // initializer adds to the list, Layers = { first }, it adds to a ModuleList too.
    private static Dictionary<SyntaxNode, SyntaxNode>? Changes(
        TypeSyntax before, ISymbol member, EqualsValueClauseSyntax? initial, string type, SemanticModel model)
    {
        TypeDeclarationSyntax owner = before.FirstAncestorOrSelf<TypeDeclarationSyntax>()!;
        IEnumerable<ExpressionSyntax> assigned = owner.DescendantNodes()
            .OfType<AssignmentExpressionSyntax>()
            .Where(a => a.IsKind(SyntaxKind.SimpleAssignmentExpression) && a.Right is not InitializerExpressionSyntax && IsMember(a.Left))
            .Select(a => a.Right);
        TypeSyntax list = SyntaxFactory.ParseTypeName(type).WithAdditionalAnnotations(Simplifier.Annotation);
        var changes = new Dictionary<SyntaxNode, SyntaxNode> { [before] = (before is NullableTypeSyntax ? SyntaxFactory.NullableType(list) : list).WithTriviaFrom(before) };
        foreach (ExpressionSyntax value in initial is not null ? assigned.Prepend(initial.Value) : assigned)
            if (Items(value) is { } items)
                changes[value] = SyntaxFactory.ObjectCreationExpression(list)
                    .WithNewKeyword(SyntaxFactory.Token(SyntaxKind.NewKeyword).WithTrailingTrivia(SyntaxFactory.Space))
                    .WithArgumentList(SyntaxFactory.ParseArgumentList($"({string.Join(", ", items)})"))
                    .WithTriviaFrom(value).WithAdditionalAnnotations(Formatter.Annotation);
            else
                return null;
        foreach (MemberAccessExpressionSyntax access in owner.DescendantNodes().OfType<MemberAccessExpressionSyntax>())
            if (access.Name.Identifier.ValueText == "Length" && IsMember(access.Expression))
                changes[access.Name] = SyntaxFactory.IdentifierName("Count").WithTriviaFrom(access.Name);
        return changes;

        // A local, or a member of a type inside, may have the same name.
        bool IsMember(ExpressionSyntax expression) => SymbolEqualityComparer.Default.Equals(model.GetSymbolInfo(expression).Symbol?.OriginalDefinition, member);
    }

    // The modules in a new list or array as arguments; null for everything else, and where a comment would be lost.
    private static IEnumerable<SyntaxNode>? Items(ExpressionSyntax value) => value switch
    {
        _ when value.DescendantTokens().Any(t => HasComment(t.LeadingTrivia) || HasComment(t.TrailingTrivia)) => null,
        ObjectCreationExpressionSyntax { ArgumentList: null or { Arguments.Count: 0 } } list => list.Initializer?.Expressions ?? [],
        ImplicitObjectCreationExpressionSyntax { ArgumentList.Arguments.Count: 0 } list => list.Initializer?.Expressions ?? [],
        ArrayCreationExpressionSyntax { Initializer: { } items } => items.Expressions,
        ImplicitArrayCreationExpressionSyntax array => array.Initializer.Expressions,
        InitializerExpressionSyntax items => items.Expressions,
        CollectionExpressionSyntax collection when collection.Elements.All(e => e is ExpressionElementSyntax) => collection.Elements,
        _ => null,
    };

    private static bool HasComment(SyntaxTriviaList trivia) => trivia.Any(t => t.IsKind(SyntaxKind.SingleLineCommentTrivia) || t.IsKind(SyntaxKind.MultiLineCommentTrivia));
}
