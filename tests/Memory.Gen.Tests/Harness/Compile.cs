using System.Collections.Immutable;
using Memory.Gen.Generators;
using Memory.Gen.Generators.Analyzers;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Diagnostics;

namespace Memory.Gen.Tests.Harness;

/// <summary>Compiles source in memory, with the generator and the analyzer, against the real runtime.</summary>
internal static class Compile
{
    /// <summary>Every analyzer that the package brings.</summary>
    public static readonly ImmutableArray<DiagnosticAnalyzer> Analyzers =
        [new DeclarationAnalyzer(), new LayerWidthAnalyzer(), new ModuleFieldAnalyzer(), new CarriedStateAnalyzer()];

    /// <summary>The hint name of the file that an assembly with declared classes gets beside theirs.</summary>
    public const string StartFile = "Memory.Gen-start.g.cs";

    private static readonly ImmutableArray<MetadataReference> AllReferences =
    [
        .. ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!).Split(Path.PathSeparator)
            .Where(path => Path.GetFileName(path) is not ("Memory.Gen.dll" or "Memory.Gen.CodeFixes.dll" or "Memory.Gen.Tests.dll"))
            .Select(path => MetadataReference.CreateFromFile(path)),
    ];

    /// <summary>The references of a project that uses Memory.Gen, without those whose file name starts with one of these.</summary>
    public static IEnumerable<MetadataReference> References(params string[] without) =>
        AllReferences.Where(r => !without.Any(w => Path.GetFileName(r.Display!).StartsWith(w, StringComparison.Ordinal)));

    /// <summary>A library with every warning on, as an error; where asked also those about missing documentation.</summary>
    public static CSharpCompilation Library(
        string source,
        LanguageVersion language = LanguageVersion.CSharp12,
        NullableContextOptions nullable = NullableContextOptions.Enable,
        IEnumerable<MetadataReference>? references = null,
        bool documented = false)
    {
        var parse = new CSharpParseOptions(language, documented ? DocumentationMode.Diagnose : DocumentationMode.Parse);
        var options = new CSharpCompilationOptions(
            OutputKind.DynamicallyLinkedLibrary,
            generalDiagnosticOption: ReportDiagnostic.Error,
            // As in every project: the SDK leaves out that TorchSharp's package was compiled against an older .NET.
            specificDiagnosticOptions: [new("CS1701", ReportDiagnostic.Suppress), new("CS1702", ReportDiagnostic.Suppress)],
            warningLevel: 9999,
            nullableContextOptions: nullable);
        return CSharpCompilation.Create(
            "Declared", [CSharpSyntaxTree.ParseText(source, parse, "Declared.cs")], references ?? References(), options);
    }

    public static GeneratorDriver Driver(CSharpCompilation compilation) => CSharpGeneratorDriver.Create(
        [new MemoryGenerator().AsSourceGenerator()],
        parseOptions: (CSharpParseOptions)compilation.SyntaxTrees[0].Options,
        driverOptions: new GeneratorDriverOptions(IncrementalGeneratorOutputKind.None, trackIncrementalGeneratorSteps: true));

    /// <summary>The files that the generator writes for classes, by hint name.</summary>
    public static IReadOnlyDictionary<string, string> Emitted(CSharpCompilation compilation) =>
        All(compilation).Where(file => file.Key != StartFile).ToDictionary();

    /// <summary>All files that the generator writes, by hint name.</summary>
    public static IReadOnlyDictionary<string, string> All(CSharpCompilation compilation)
    {
        GeneratorRunResult result = Driver(compilation).RunGenerators(compilation).GetRunResult().Results.Single();
        Assert.Null(result.Exception);
        return result.GeneratedSources.ToDictionary(s => s.HintName, s => s.SourceText.ToString());
    }

    /// <summary>The one file that the generator writes for a class.</summary>
    public static string EmittedFile(string source) => Assert.Single(Emitted(Library(source))).Value;

    /// <summary>The compilation with the emitted files in it.</summary>
    public static CSharpCompilation WithEmitted(CSharpCompilation compilation)
    {
        Driver(compilation).RunGeneratorsAndUpdateCompilation(compilation, out Compilation output, out _);
        return (CSharpCompilation)output;
    }

    /// <summary>What compiler and analyzer report for source and emitted files together, in the order of the source.</summary>
    public static async Task<IReadOnlyList<Diagnostic>> Diagnostics(CSharpCompilation compilation)
    {
        ImmutableArray<Diagnostic> all = await WithEmitted(compilation)
            .WithAnalyzers(Analyzers)
            .GetAllDiagnosticsAsync();
        return [.. all.Where(d => d.Severity >= DiagnosticSeverity.Warning).OrderBy(d => d.Location.SourceSpan.Start)];
    }
}
