using System.Collections.Generic;
using System.Collections.Immutable;
using System.Composition;
using System.Linq;
using System.Threading;
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
/// Writes or removes arguments of an attribute as the diagnostic says works: one action for each of its repairs, so that
/// fixing all takes the same choice everywhere.
/// </summary>
[ExportCodeFixProvider(LanguageNames.CSharp, Name = nameof(WriteArgumentFix)), Shared]
public sealed class WriteArgumentFix : CodeFixProvider
{
    /// <inheritdoc/>
    public override ImmutableArray<string> FixableDiagnosticIds { get; } = ImmutableArray.Create(
        "MEMGEN101", "MEMGEN102", "MEMGEN103", "MEMGEN104", "MEMGEN105", "MEMGEN106", "MEMGEN107", "MEMGEN108", "MEMGEN109",
        "MEMGEN110", "MEMGEN111", "MEMGEN112", "MEMGEN113", "MEMGEN114", "MEMGEN121", "MEMGEN122", "MEMGEN201", "MEMGEN204", "MEMGEN215", "MEMGEN216");

    /// <inheritdoc/>
    public override FixAllProvider GetFixAllProvider() => new WriteArgumentsFix();

    /// <inheritdoc/>
    public override async Task RegisterCodeFixesAsync(CodeFixContext context)
    {
        foreach (Diagnostic diagnostic in context.Diagnostics)
        {
            if (Place(diagnostic).SourceTree is not { } file || AttributeAt(await file.GetRootAsync(context.CancellationToken).ConfigureAwait(false), diagnostic) is null)
                continue;
            foreach (string key in Repairs.Keys)
                if (diagnostic.Properties.TryGetValue(key, out string? repair) && repair is not null)
                    context.RegisterCodeFix(
                        CodeAction.Create(
                            repair.StartsWith("no ", System.StringComparison.Ordinal) ? "Remove " + repair.Substring(3) : "Write " + repair,
                            token => Apply(context.Document.Project.Solution, [diagnostic], key, token),
                            equivalenceKey: diagnostic.Id + "." + key),
                        diagnostic);
        }
    }

    /// <summary>Takes the same choice for each diagnostic that has it. Several may write into one attribute.</summary>
    internal static async Task<Solution> Apply(Solution solution, IEnumerable<Diagnostic> diagnostics, string key, CancellationToken token)
    {
        Solution changed = solution;
        foreach (IGrouping<SyntaxTree?, Diagnostic> file in diagnostics.Where(d => d.Properties.ContainsKey(key)).GroupBy(d => Place(d).SourceTree))
        {
            if (solution.GetDocument(file.Key) is not { } document)
                continue;
            SyntaxNode root = (await document.GetSyntaxRootAsync(token).ConfigureAwait(false))!;
            ILookup<AttributeSyntax?, string> repairs = file
                .ToLookup(d => AttributeAt(root, d), d => d.Properties[key]!);
            changed = changed.WithDocumentSyntaxRoot(document.Id, root.ReplaceNodes(
                repairs.Select(r => r.Key).OfType<AttributeSyntax>(), (attribute, _) => repairs[attribute].Aggregate(attribute, Change)));
        }

        return changed;
    }

    // The attribute is where the diagnostic is shown, or the place it refers to.
    private static Location Place(Diagnostic diagnostic) => diagnostic.AdditionalLocations.FirstOrDefault() ?? diagnostic.Location;

    // None while it is half typed: where what is missing shall go, and what was skipped, only its writer knows.
    private static AttributeSyntax? AttributeAt(SyntaxNode root, Diagnostic diagnostic) =>
        root.FindNode(Place(diagnostic).SourceSpan).FirstAncestorOrSelf<AttributeSyntax>() is { Parent.ContainsDiagnostics: false } attribute ? attribute : null;

    private static AttributeSyntax Change(AttributeSyntax attribute, string repair) => Repairs.Read(repair).Aggregate(
        attribute, (changed, change) => change.Value is null ? Remove(changed, change.Argument) : Write(changed, change.Argument, change.Value));

    private static AttributeSyntax Write(AttributeSyntax attribute, string argument, string code)
    {
        // An enum's value; the attributes' namespace goes again where the file has it in a using.
        string qualified = char.IsUpper(code[0]) ? "global::Memory.Gen." + code : code;
        ExpressionSyntax value = SyntaxFactory.ParseExpression(qualified).WithAdditionalAnnotations(Simplifier.Annotation);
        return Find(attribute, argument) is { } written
            ? attribute.ReplaceNode(written.Expression, value.WithTriviaFrom(written.Expression))
            : Add(attribute, SyntaxFactory.AttributeArgument(SyntaxFactory.NameEquals(argument), nameColon: null, value).WithAdditionalAnnotations(Formatter.Annotation));
    }

    // Behind the last argument: on a line of its own where that one has one, and in front of the line break that ends it.
    private static AttributeSyntax Add(AttributeSyntax attribute, AttributeArgumentSyntax argument)
    {
        if (attribute.ArgumentList?.Arguments is not { Count: > 0 } arguments)
            return attribute.AddArgumentListArguments(argument);
        AttributeArgumentSyntax last = arguments.Last();
        SyntaxTriviaList end = last.GetTrailingTrivia(), behindComma = SyntaxFactory.TriviaList(SyntaxFactory.Space);
        SyntaxTrivia lineEnd = last.GetFirstToken().GetPreviousToken().TrailingTrivia.LastOrDefault(t => t.IsKind(SyntaxKind.EndOfLineTrivia));
        if (lineEnd != default)
        {
            behindComma = end.Any(SyntaxKind.EndOfLineTrivia) ? end : end.Add(lineEnd);
            argument = argument.WithLeadingTrivia(last.GetLeadingTrivia().Where(t => t.IsKind(SyntaxKind.WhitespaceTrivia)).Take(1));
            end = SyntaxFactory.TriviaList(end.Where(t => t.IsKind(SyntaxKind.EndOfLineTrivia)));
        }

        SyntaxToken comma = SyntaxFactory.Token(leading: default, SyntaxKind.CommaToken, behindComma);
        return attribute.WithArgumentList(attribute.ArgumentList.WithArguments(SyntaxFactory.SeparatedList(
            arguments.Replace(last, last.WithoutTrailingTrivia()).Add(argument.WithTrailingTrivia(end)), arguments.GetSeparators().Append(comma))));
    }

    private static AttributeSyntax Remove(AttributeSyntax attribute, string argument)
    {
        if (Find(attribute, argument) is not { } written)
            return attribute;
        SeparatedSyntaxList<AttributeArgumentSyntax> others = attribute.ArgumentList!.Arguments.Remove(written);
        return attribute.WithArgumentList(others.Count == 0 ? null : attribute.ArgumentList.WithArguments(others));
    }

    // A constructor's argument mostly has no name in front of it: the one that a repair may name is the last of them.
    private static AttributeArgumentSyntax? Find(AttributeSyntax attribute, string argument)
    {
        SeparatedSyntaxList<AttributeArgumentSyntax> arguments = attribute.ArgumentList?.Arguments ?? default;
        return arguments.FirstOrDefault(a => (a.NameEquals?.Name ?? a.NameColon?.Name)?.Identifier.ValueText == argument)
            ?? (char.IsLower(argument[0]) ? arguments.LastOrDefault(a => a.NameEquals is null && a.NameColon is null) : null);
    }
}
