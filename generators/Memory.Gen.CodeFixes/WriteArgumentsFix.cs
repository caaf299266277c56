using System.Collections.Generic;
using System.Linq;
using System.Threading.Tasks;
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

        string choice = context.CodeActionEquivalenceKey!, key = choice.Substring(choice.IndexOf('.') + 1);
        return CodeAction.Create(
            "Write what works everywhere", token => WriteArgumentFix.Apply(context.Solution, diagnostics, key, token), choice);
    }
}
