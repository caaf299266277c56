using System.Collections.Generic;
using System.Linq;
using System.Threading.Tasks;
using Memory.Gen.Generators.Specs;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeActions;
using Microsoft.CodeAnalysis.CodeFixes;

namespace Memory.Gen.CodeFixes;

/// <summary>
/// Writes arguments everywhere at once. Each attribute is changed once, by all that is said about it: two arguments that both come
/// last in it would be a conflict for a merge of texts, which then leaves out one of them.
/// </summary>
internal sealed class WriteArgumentsFix : FixAllProvider
{
    public override async Task<CodeAction?> GetFixAsync(FixAllContext context)
    {
        var diagnostics = new List<Diagnostic>();
        if (context is { Scope: FixAllScope.Document, Document: { } document })
            diagnostics.AddRange(await context.GetDocumentDiagnosticsAsync(document).ConfigureAwait(false));
        else
            foreach (Project project in context.Scope == FixAllScope.Solution ? context.Solution.Projects : [context.Project])
                diagnostics.AddRange(await context.GetAllDiagnosticsAsync(project).ConfigureAwait(false));

        // A host that was offered nothing for its first diagnostic, as `dotnet format analyzers` may be, has no choice to name.
        string choice = context.CodeActionEquivalenceKey ?? Repairs.Keys[0], key = choice.Substring(choice.IndexOf('.') + 1);
        Diagnostic[] asked = [.. diagnostics.Where(d => context.DiagnosticIds.Contains(d.Id))];
        return CodeAction.Create(
            "Write what works everywhere", token => WriteArgumentFix.Apply(context.Solution, asked, key, token), choice);
    }
}
