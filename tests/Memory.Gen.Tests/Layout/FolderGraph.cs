using Memory.Gen.Tests.Harness;
using Memory.Gen.Tests.Shared;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Memory.Gen.Tests.Layout;

/// <summary>Which folders of a project use what other folders of it declare.</summary>
internal sealed class FolderGraph
{
    // What the build adds to every project with ImplicitUsings.
    private const string ImplicitUsings = """
        global using System; global using System.Collections.Generic; global using System.IO; global using System.Linq;
        global using System.Net.Http; global using System.Threading; global using System.Threading.Tasks; global using Xunit;
        """;

    private readonly Dictionary<(string From, string To), string> arrows = [];

    /// <summary>Reads the sources of a project.</summary>
    /// <param name="project">Its folder, below the repository's root.</param>
    public static FolderGraph Of(string project)
    {
        string root = SourceTree.Path(project), name = Path.GetFileName(project);
        var options = new CSharpParseOptions(LanguageVersion.Latest, DocumentationMode.None);
        IEnumerable<string> files = Directory.GetFiles(root, "*.cs", SearchOption.AllDirectories)
            .Where(f => !f.Contains("/bin/", StringComparison.Ordinal) && !f.Contains("/obj/", StringComparison.Ordinal) && !f.EndsWith(".verified.cs", StringComparison.Ordinal));
        var compilation = CSharpCompilation.Create(
            name + ".Sources",
            [CSharpSyntaxTree.ParseText(ImplicitUsings, options), .. files.Select(f => CSharpSyntaxTree.ParseText(File.ReadAllText(f), options, Path.GetRelativePath(root, f)))],
            Compile.References(without: name + ".dll"),
            new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, allowUnsafe: true));
        var graph = new FolderGraph();
        // What a name stands for takes long to find; most names are not declared here.
        HashSet<string> declared = [.. compilation.GetSymbolsWithName(_ => true, SymbolFilter.TypeAndMember).SelectMany(symbol => new[] { symbol.Name, AsAttribute(symbol.Name) })];
        foreach (SyntaxTree tree in compilation.SyntaxTrees.Where(t => t.FilePath.Length > 0))
            graph.Add(tree, compilation.GetSemanticModel(tree), declared);
        return graph;
    }

    /// <summary>Ways from a folder back to it, each with a place for every arrow.</summary>
    public IEnumerable<string> Cycles => arrows.Keys.Where(a => string.CompareOrdinal(a.From, a.To) < 0 && Reaches(a.To, a.From, [])).Select(a =>
        $"{a.From} -> {a.To} ({arrows[a]}), back: {string.Join("; ", arrows.Where(b => b.Key.To == a.From && (b.Key.From == a.To || Reaches(a.To, b.Key.From, []))).Select(b => $"{b.Key.From} -> {b.Key.To} ({b.Value})"))}");

    private void Add(SyntaxTree tree, SemanticModel model, HashSet<string> declaredNames)
    {
        string file = tree.FilePath, folder = FolderOf(file);
        foreach (SimpleNameSyntax name in tree.GetRoot().DescendantNodes().OfType<SimpleNameSyntax>().Where(name => declaredNames.Contains(name.Identifier.ValueText)))
            if (model.GetSymbolInfo(name).Symbol is { } symbol && (symbol as INamedTypeSymbol ?? symbol.ContainingType) is { } type)
            {
                string[] declared = [.. type.OriginalDefinition.DeclaringSyntaxReferences.Select(r => FolderOf(r.SyntaxTree.FilePath)).Distinct()];
                if (declared.Length > 0 && !declared.Contains(folder))
                    arrows.TryAdd((folder, declared[0]), $"{Path.GetFileName(file)} uses {type.Name}");
            }
    }

    private bool Reaches(string from, string to, HashSet<string> seen) =>
        from == to || (seen.Add(from) && arrows.Keys.Where(a => a.From == from).Any(a => Reaches(a.To, to, seen)));

    private static string AsAttribute(string type) => type.EndsWith("Attribute", StringComparison.Ordinal) ? type[..^"Attribute".Length] : type;

    private static string FolderOf(string file) => Path.GetDirectoryName(file) is { Length: > 0 } folder ? folder : ".";
}
