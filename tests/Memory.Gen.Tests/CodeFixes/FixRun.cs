using System.Collections.Immutable;
using Memory.Gen.CodeFixes;
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
    private static readonly CodeFixProvider[] Fixes = [new MakePartialFix(), new ModuleListFix(), new WriteArgumentFix()];

    private readonly CodeFixProvider fix;
    private readonly Document document;

    private FixRun(CodeFixProvider fix, Document document) => (this.fix, this.document) = (fix, document);

    /// <summary>A project with a source file, and others beside it.</summary>
    public static FixRun Open(CodeFixProvider fix, string source, params string[] others)
    {
        CSharpCompilation compilation = Compile.Library(source);
        var options = (CSharpParseOptions)compilation.SyntaxTrees[0].Options;
        compilation = compilation.AddSyntaxTrees(others.Select((text, i) => CSharpSyntaxTree.ParseText(text, options, $"Other{i}.cs")));
        Project project = ProjectOf(Compile.WithEmitted(compilation));
        return new FixRun(fix, project.Documents.Single(d => d.Name == "Declared.cs"));
    }

    /// <summary>A project with the files of a compilation.</summary>
    public static Project ProjectOf(CSharpCompilation compilation)
    {
        Project project = new AdhocWorkspace().AddProject("Declared", LanguageNames.CSharp)
            .WithCompilationOptions(compilation.Options)
            .WithParseOptions(compilation.SyntaxTrees[0].Options)
            .AddMetadataReferences(compilation.References);
        foreach (SyntaxTree file in compilation.SyntaxTrees)
            project = project.AddDocument(file.FilePath, file.GetText(), filePath: file.FilePath).Project;
        return project;
    }

    /// <summary>What the fixes of the package offer for a diagnostic of a project.</summary>
    public static async Task<IReadOnlyList<CodeAction>> Offered(Project project, Diagnostic diagnostic)
    {
        var actions = new List<CodeAction>();
        if (project.GetDocument(diagnostic.Location.SourceTree) is { } document)
            foreach (CodeFixProvider fix in Fixes.Where(f => f.FixableDiagnosticIds.Contains(diagnostic.Id)))
                await fix.RegisterCodeFixesAsync(new CodeFixContext(document, diagnostic, (action, _) => actions.Add(action), CancellationToken.None));
        return actions;
    }

    /// <summary>What is offered for the first diagnostic of an id.</summary>
    public async Task<IReadOnlyList<CodeAction>> Offered(string id)
    {
        IReadOnlyList<Diagnostic> reported = await Diagnostics(document.Project);
        return reported.FirstOrDefault(d => d.Id == id) is { } diagnostic ? await Offered(document.Project, diagnostic) : [];
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

    /// <summary>All source files after the same choice everywhere in the project, or in the solution, in their order.</summary>
    public async Task<string[]> AllFiles(string id, FixAllScope scope)
    {
        CodeAction first = (await Offered(id))[0];
        var context = new FixAllContext(
            document, fix, scope, first.EquivalenceKey!, [id], new AnalyzerDiagnostics(), CancellationToken.None);
        return await Sources((await fix.GetFixAllProvider()!.GetFixAsync(context))!);
    }

    /// <summary>All source files after what a host asks for that was offered nothing for the first of these diagnostics.</summary>
    public async Task<string[]> AllFilesWithoutAChoice(FixAllScope scope, params string[] ids)
    {
        var context = new FixAllContext(document, fix, scope, null!, ids, new AnalyzerDiagnostics(), CancellationToken.None);
        return await Sources((await fix.GetFixAllProvider()!.GetFixAsync(context))!);
    }

    /// <summary>All source files after an action, in their order.</summary>
    public static async Task<string[]> Sources(CodeAction action)
    {
        IEnumerable<Document> files = (await Applied(action)).Projects.Single().Documents.Where(d => !d.Name.EndsWith(".g.cs", StringComparison.Ordinal));
        return await Task.WhenAll(files.Select(async f => (await f.GetTextAsync()).ToString()));
    }

    /// <summary>The files after an action.</summary>
    public static async Task<Solution> Applied(CodeAction action) =>
        (await action.GetOperationsAsync(CancellationToken.None)).OfType<ApplyChangesOperation>().Single().ChangedSolution;

    private async Task<string> Text(CodeAction action)
    {
        Solution changed = await Applied(action);
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
