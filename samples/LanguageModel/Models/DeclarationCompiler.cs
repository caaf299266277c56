extern alias generator;

using System.Reflection;
using System.Runtime.Loader;
using System.Text.RegularExpressions;
using generator::Memory.Gen.Generators;
using generator::Memory.Gen.Generators.Analyzers;
using Memory.Gen.Runtime;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Diagnostics;
using TorchSharp;
using static TorchSharp.torch;

namespace LanguageModel.Models;

/// <summary>
/// Builds a model of the catalog. With its declared sizes that is the class compiled into this program; with other sizes
/// the declaration is compiled now, by the same generator, and a size that does not fit is the same diagnostic.
/// </summary>
public static class DeclarationCompiler
{
    // What was compiled: several trainings of one run take the same.
    private static readonly Dictionary<(Type Declared, Sizes Sizes), Type> Compiled = [];

    /// <param name="name">Its name in the catalog.</param>
    /// <param name="sizes">Its sizes.</param>
    /// <param name="device">Where its weights lie.</param>
    /// <param name="trains">Whether it is to be trained, which takes four numbers for each weight.</param>
    /// <exception cref="UserError">The sizes do not make a model, or one that this machine has no memory for.</exception>
    public static (nn.Module<Tensor, Tensor> Module, IMemoryModel Model) Create(string name, Sizes sizes, Device device, bool trains = false)
    {
        Type declared = Catalog.Find(name);
        Type type = sizes.AsDeclared ? declared : Sized(declared, sizes);
        if (device.type == DeviceType.CPU) RequireMemory(name, (MemoryCard)type.GetProperty(nameof(IMemoryModel.Card))!.GetValue(null)!, trains);
        object model;
        try
        {
            model = Activator.CreateInstance(type, device, null)!;
        }
        catch (TargetInvocationException e) when (e.InnerException is { } inner)
        {
            throw new UserError($"The model '{name}' could not be built on {device}: {inner.Message.Split('\n')[0]}");
        }
        return ((nn.Module<Tensor, Tensor>)model, (IMemoryModel)model);
    }

    // The system ends a program that takes more than there is, without a word.
    private static void RequireMemory(string name, MemoryCard card, bool trains)
    {
        long needed = card.Parameters * sizeof(float) * (trains ? 4 : 1), there = GC.GetGCMemoryInfo().TotalAvailableMemoryBytes;
        if (needed <= there) return;
        throw new UserError(
            $"The model '{name}' has {card.Parameters:N0} parameters, which take {Terminal.Size(needed)}{(trains ? " with their gradients and moments" : "")}, and this machine has {Terminal.Size(there)} of memory. Choose a smaller --dim, --layers or --vocab.");
    }

    private static Type Sized(Type declared, Sizes sizes)
    {
        lock (Compiled)
        {
            if (!Compiled.TryGetValue((declared, sizes), out Type? type)) Compiled.Add((declared, sizes), type = Compile(declared, sizes));
            return type;
        }
    }

    // Whoever reads the message has typed options, not the arguments of attributes.
    private static string Options(string message) => Regex.Replace(message, @"\b(VocabSize|Dim|Layers|Heads|Pattern)\b(?: =)?", name => name.Groups[1].Value switch
    {
        "VocabSize" => "--vocab",
        var other => "--" + other.ToLowerInvariant(),
    });

    private static Type Compile(Type declared, Sizes sizes)
    {
        var options = new CSharpParseOptions(LanguageVersion.Latest);
        // The generator is no reference of a model: it carries copies of the attributes' enums.
        var references = ((string)AppContext.GetData("TRUSTED_PLATFORM_ASSEMBLIES")!)
            .Split(Path.PathSeparator)
            .Where(path => path != typeof(MemoryGenerator).Assembly.Location)
            .Select(path => MetadataReference.CreateFromFile(path));
        Compilation compilation = CSharpCompilation.Create(
            $"{declared.Name}.Sized.{Compiled.Count}",
            [CSharpSyntaxTree.ParseText(Catalog.Declaration(declared, sizes), options)],
            references,
            new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, optimizationLevel: OptimizationLevel.Release));
        var mistakes = compilation.WithAnalyzers([new DeclarationAnalyzer()]).GetAnalyzerDiagnosticsAsync().GetAwaiter().GetResult();
        if (mistakes.Length > 0) throw new UserError($"These sizes do not make a model. {string.Join(" ", mistakes.Select(d => Options(d.GetMessage()) + ".").Distinct())}");

        CSharpGeneratorDriver.Create([new MemoryGenerator().AsSourceGenerator()], parseOptions: options)
            .RunGeneratorsAndUpdateCompilation(compilation, out compilation, out _);
        using var assembly = new MemoryStream();
        var result = compilation.Emit(assembly);
        if (!result.Success)
            throw new InvalidOperationException("The emitted model does not compile: " + result.Diagnostics.First(d => d.Severity == DiagnosticSeverity.Error));
        assembly.Position = 0;
        return AssemblyLoadContext.Default.LoadFromStream(assembly).GetType(declared.FullName!)!;
    }
}
