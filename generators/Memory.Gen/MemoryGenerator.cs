using System;
using System.Collections.Generic;
using System.Linq;
using System.Text;
using Memory.Gen.Generators.Models;
using Memory.Gen.Generators.Specs;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.Text;

namespace Memory.Gen.Generators;

/// <summary>
/// Writes one file for each class with [MemoryModel] or [MemoryLayer], and one for an assembly that has any. It reports nothing: that is the analyzer's part, by
/// the same rules.
/// </summary>
[Generator(LanguageNames.CSharp)]
public sealed class MemoryGenerator : IIncrementalGenerator
{
    /// <inheritdoc/>
    public void Initialize(IncrementalGeneratorInitializationContext context)
    {
        var reader = new ProjectReader();
        IncrementalValueProvider<ProjectSpec> project = context.CompilationProvider
            .Select((compilation, token) => reader.Read(compilation, token))
            .WithTrackingName(TrackingNames.Project);
        IncrementalValueProvider<BuildSpec> build = project
            .Select(static (project, _) => project.Build)
            .WithTrackingName(TrackingNames.Build);
        IncrementalValueProvider<bool> start = project
            .Select(static (project, _) => StartSource.IsDue(project))
            .WithTrackingName(TrackingNames.Start);
        IncrementalValueProvider<EquatableArray<string>> collisions = project
            .Select(static (project, _) => Collisions(project.Declarations))
            .WithTrackingName(TrackingNames.Collisions);
        var inputs = project
            .SelectMany(static (project, _) => project.Declarations)
            .WithTrackingName(TrackingNames.Declarations)
            .Combine(build).Combine(collisions)
            .Select(static (input, _) => (Declaration: input.Left.Left, Build: input.Left.Right, Collisions: input.Right))
            .WithTrackingName(TrackingNames.Inputs);
        context.RegisterSourceOutput(start, static (output, isDue) =>
        {
            if (isDue)
                output.AddSource(StartSource.HintName, SourceText.From(StartSource.Write(), Encoding.UTF8));
        });
        context.RegisterSourceOutput(inputs, static (output, input) =>
        {
            output.CancellationToken.ThrowIfCancellationRequested();
            if (ModelSource.Write(input.Declaration, input.Build) is { } text)
                output.AddSource(HintName(input.Declaration.Type.FullName, input.Collisions), SourceText.From(text, Encoding.UTF8));
        });
    }

    /// <summary>Full names that differ only in case; nearly always none.</summary>
    private static EquatableArray<string> Collisions(IEnumerable<Declaration> declarations) => declarations
        .Select(d => d.Type.FullName)
        .Distinct()
        .GroupBy(name => name, StringComparer.OrdinalIgnoreCase)
        .Where(names => names.Skip(1).Any())
        .SelectMany(names => names)
        .OrderBy(name => name, StringComparer.Ordinal)
        .ToEquatableArray();

    private static string HintName(string name, EquatableArray<string> collisions)
    {
        int position = collisions.ToList().IndexOf(name);
        return position < 0 ? name + ".g.cs" : $"{name}.{position + 1}.g.cs";
    }
}
