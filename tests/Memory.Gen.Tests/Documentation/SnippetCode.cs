using Memory.Gen.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Memory.Gen.Tests.Documentation;

/// <summary>Code of a page as a compilation: what a reader would put around it is put around it.</summary>
internal sealed class SnippetCode
{
    private const string Usings = """
        using System;
        using System.Collections.Generic;
        using Memory.Gen;
        using Memory.Gen.Runtime;
        using TorchSharp;
        using TorchSharp.Modules;
        using static TorchSharp.torch;
        using static TorchSharp.torch.nn;
        using static TorchSharp.torch.nn.functional;

        """;

    // What fragments speak of that a page declares nowhere.
    private const string Declared = """
        [MemoryModel(VocabSize = 256, Dim = 64, Layers = 2), LinearMemory(Heads = 4)] public sealed partial class JournalLM;
        [MemoryLayer(Dim = 64), LinearMemory(Heads = 4)] public sealed partial class RecallLayer;
        """;

    private static readonly (string Type, string Name)[] Given =
    [
        ("Tensor", "tokens"), ("Tensor", "skip"), ("Tensor", "targets"), ("Tensor", "x"), ("long", "batch"), ("long[]", "prompt"),
        ("IEnumerable<Tensor>", "text"), ("optim.Optimizer", "optimizer"),
    ];

    private readonly Dictionary<string, string> types = [];

    public SnippetCode() => AddTypes(Parse(Declared));

    /// <summary>A compilation of a snippet, with the classes that the page declared before.</summary>
    public CSharpCompilation Compilation(Snippet snippet)
    {
        CompilationUnitSyntax unit = Parse(snippet.Code);
        AddTypes(unit);
        StatementSyntax[] statements = [.. unit.Members.OfType<GlobalStatementSyntax>().Select(g => g.Statement)];
        return Compile.Library($$"""
            {{Usings}}
            namespace Page;

            {{string.Join("\n", types.Values)}}

            internal static class Reader
            {
                public static Tensor Loss(Tensor logits, Tensor targets) => cross_entropy(logits, targets);

                public static void Run({{string.Join(", ", Parameters(unit, statements))}})
                {
                    {{string.Join("\n", statements.Select(s => s.ToFullString()))}}
                }
            }
            """);
    }

    private void AddTypes(CompilationUnitSyntax unit)
    {
        foreach (BaseTypeDeclarationSyntax type in unit.Members.OfType<BaseTypeDeclarationSyntax>())
            types[type.Identifier.ValueText] = type.ToFullString();
    }

    // What the statements speak of and do not declare: what every reader has, the page's model as `model`, and each class by its name.
    private IEnumerable<string> Parameters(CompilationUnitSyntax unit, StatementSyntax[] statements)
    {
        HashSet<string> words = [.. statements.SelectMany(s => s.DescendantTokens()).Select(t => t.ValueText)];
        HashSet<string> own = [.. statements.SelectMany(s => s.DescendantNodesAndSelf()).Select(n => n switch
        {
            VariableDeclaratorSyntax variable => variable.Identifier.ValueText,
            ForEachStatementSyntax each => each.Identifier.ValueText,
            SingleVariableDesignationSyntax variable => variable.Identifier.ValueText,
            _ => "",
        })];
        string[] models = [.. types.Keys.Where(t => types[t].Contains("[MemoryModel", StringComparison.Ordinal))];
        string model = models.FirstOrDefault(words.Contains) ?? models.LastOrDefault("");
        return Given.Append((model, "model"))
            .Concat(unit.Members.OfType<ClassDeclarationSyntax>().Select(c => (c.Identifier.ValueText, char.ToLowerInvariant(c.Identifier.ValueText[0]) + c.Identifier.ValueText[1..])))
            .Where(p => words.Contains(p.Item2) && !own.Contains(p.Item2)).Select(p => $"{p.Item1} {p.Item2}");
    }

    private static CompilationUnitSyntax Parse(string code) => SyntaxFactory.ParseCompilationUnit(code);
}
