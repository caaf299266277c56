using System;
using System.Collections.Generic;
using System.Linq;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Memory.Gen.Generators.Specs;

/// <summary>
/// Which of the short names that emitted code likes to use are taken where the class stands: by its own members, by those
/// of the types around it, by its namespace, where an alias of the same name would be an error, or by the
/// statements of the program's own file.
/// </summary>
internal static class Surroundings
{
    /// <param name="type">The declared class.</param>
    /// <param name="semantics">Semantic model of a file that declares it.</param>
    /// <param name="position">A position in that file inside its declaration.</param>
    /// <param name="choices">For each short name the names to try, the short name first.</param>
    /// <returns>Those that are taken.</returns>
    public static EquatableArray<string> HiddenNames(
        INamedTypeSymbol type, SemanticModel semantics, int position, IReadOnlyList<string[]> choices)
    {
        var taken = new HashSet<string>(DeclarationReader.MemberNames(type), StringComparer.Ordinal) { type.Name };
        for (INamedTypeSymbol? container = type.ContainingType; container is not null; container = container.ContainingType)
        {
            taken.Add(container.Name);
            for (INamedTypeSymbol? level = container; level is { SpecialType: not SpecialType.System_Object }; level = level.BaseType)
                taken.UnionWith(level.GetMembers().Select(m => m.Name));
        }

        if (type.ContainingNamespace.IsGlobalNamespace)
            taken.UnionWith(semantics.Compilation.SyntaxTrees.Select(t => t.GetRoot()).OfType<CompilationUnitSyntax>().SelectMany(ProgramStatements.Names));

        INamespaceSymbol? space = semantics.Compilation.GetCompilationNamespace(type.ContainingNamespace);

        // Nearly always the first choice is free, and the others need no look. This runs for every class at every edit.
        var hidden = new List<string>();
        foreach (string[] names in choices)
            for (int i = 0; i < names.Length && IsTaken(names[i]); i++)
                hidden.Add(names[i]);
        return hidden.ToEquatableArray();

        bool IsTaken(string name) => taken.Contains(name) || space?.GetMembers(name).Any() == true || IsFileAlias(name);

        // In the global namespace our aliases stand beside the project's global usings, where a name may occur once.
        bool IsFileAlias(string name) => type.ContainingNamespace.IsGlobalNamespace
            && semantics.LookupNamespacesAndTypes(position, name: name).Any(s => s is IAliasSymbol);
    }
}
