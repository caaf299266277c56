using System.Collections.Immutable;
using Memory.Gen.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CodeActions;
using Microsoft.CodeAnalysis.CodeFixes;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Diagnostics;
using Microsoft.CodeAnalysis.Text;

namespace Memory.Gen.Tests.CodeFixes;

/// <summary>Runs a code fix as an editor does: on a document of a project, with the emitted files beside it.</summary>
internal sealed class FixRun
{
    private readonly CodeFixProvider fix;
    private readonly Document document;

    private FixRun(CodeFixProvider fix, Document document) => (this.fix, this.document) = (fix, document);

    /// <summary>A project with one source file.</summary>
    public static FixRun Open(CodeFixProvider fix, string source)
    {
        CSharpCompilation compilation = Compile.Library(source);
        Project project = new AdhocWorkspace().AddProject("Declared", LanguageNames.CSharp)
            .WithCompilationOptions(compilation.Options)
            .WithParseOptions(compilation.SyntaxTrees[0].Options)
            .AddMetadataReferences(compilation.References);
        foreach ((string name, string text) in Compile.Emitted(compilation))
            project = project.AddDocument(name, text).Project;
        return new FixRun(fix, project.AddDocument("Declared.cs", source));
    }

    /// <summary>What is offered for the first diagnostic of an id.</summary>
    public async Task<IReadOnlyList<CodeAction>> Offered(string id)
    {
        var actions = new List<CodeAction>();
        if ((await Diagnostics(document.Project)).FirstOrDefault(d => d.Id == id) is { } diagnostic)
            await fix.RegisterCodeFixesAsync(new CodeFixContext(document, diagnostic, (action, _) => actions.Add(action), CancellationToken.None));
        return actions;
    }

    /// <summary>The file after the choice that is offered for the first diagnostic of an id.</summary>
    public async Task<string> One(string id, int choice = 0) => await Text((await Offered(id))[choice]);

    /// <summary>The file after the same choice everywhere.</summary>
    public async Task<string> All(string id, int choice = 0)
    {
        CodeAction first = (await Offered(id))[choice];
        var context = new FixAllContext(
            document, fix, FixAllScope.Document, first.EquivalenceKey!, [id], new AnalyzerDiagnostics(), CancellationToken.None);
        return await Text((await fix.GetFixAllProvider()!.GetFixAsync(context))!);
    }

    private async Task<string> Text(CodeAction action)
    {
        Solution changed = (await action.GetOperationsAsync(CancellationToken.None)).OfType<ApplyChangesOperation>().Single().ChangedSolution;
        SourceText text = await changed.GetDocument(document.Id)!.GetTextAsync();
        return text.ToString();
    }

    private static async Task<IReadOnlyList<Diagnostic>> Diagnostics(Project project)
    {
        Compilation compilation = (await project.GetCompilationAsync())!;
        ImmutableArray<Diagnostic> all = await compilation.WithAnalyzers(Compile.Analyzers).GetAnalyzerDiagnosticsAsync();
        return [.. all.OrderBy(d => d.Location.SourceSpan.Start)];
    }

    private sealed class AnalyzerDiagnostics : FixAllContext.DiagnosticProvider
    {
        public override async Task<IEnumerable<Diagnostic>> GetAllDiagnosticsAsync(Project project, CancellationToken cancellationToken) =>
            await Diagnostics(project);

        public override async Task<IEnumerable<Diagnostic>> GetDocumentDiagnosticsAsync(Document document, CancellationToken cancellationToken)
        {
            SyntaxTree? tree = await document.GetSyntaxTreeAsync(cancellationToken);
            return (await Diagnostics(document.Project)).Where(d => d.Location.SourceTree == tree);
        }

        public override Task<IEnumerable<Diagnostic>> GetProjectDiagnosticsAsync(Project project, CancellationToken cancellationToken) =>
            Task.FromResult<IEnumerable<Diagnostic>>([]);
    }
}
