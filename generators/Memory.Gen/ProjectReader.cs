using System;
using System.Collections.Generic;
using System.Linq;
using System.Threading;
using Memory.Gen.Generators.Models;
using Memory.Gen.Generators.Specs;
using Memory.Gen.Generators.Writing;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Memory.Gen.Generators;

/// <summary>
/// Reads the declarations of a project, and reads them again only after an edit that another file could see. Finding a class
/// by attribute in Roslyn's own way binds the attributes of every declared class at every edit: with a hundred models that
/// alone is most of what typing would cost.
/// </summary>
internal sealed class ProjectReader
{
    private static readonly string[] Roots = [Declaration.ModelKind, Declaration.LayerKind];

    private volatile Reading? last;

    public ProjectSpec Read(Compilation compilation, CancellationToken token)
    {
        ProjectSpec project = last is { } reading && reading.Compilation.TryGetTarget(out Compilation? before) && Surface.IsSame(before, compilation)
            ? reading.Project
            : new ProjectSpec(BuildSpec.Read(compilation), Declarations(compilation, token).ToEquatableArray());
        last = new Reading(new WeakReference<Compilation>(compilation), project);
        return project;
    }

    // A class in several parts with such an attribute (an error of its own) is read at the first of them, and of two types of
    // one name (another error) the first is read: no two declarations have the same name.
    private static IEnumerable<Declaration> Declarations(Compilation compilation, CancellationToken token)
    {
        var seen = new HashSet<ISymbol>(SymbolEqualityComparer.Default);
        var names = new HashSet<string>(StringComparer.Ordinal);
        foreach (TypeDeclarationSyntax syntax in AttributedTypes.Find(compilation, Roots, token))
        {
            token.ThrowIfCancellationRequested();
            SemanticModel semantics = compilation.GetSemanticModel(syntax.SyntaxTree);
            if (semantics.GetDeclaredSymbol(syntax, token) is not { } type || !seen.Add(type)
                || !type.GetAttributes().Any(a => DeclarationReader.KindOf(a, AttributeKinds.RoleOf) is { } kind && Roots.Contains(kind)))
                continue;
            EquatableArray<string> hidden = Surroundings.HiddenNames(type, semantics, syntax.Identifier.SpanStart, Aliases.Choices);
            Declaration declaration = DeclarationReader.Read(type, AttributeKinds.RoleOf, hidden);
            if (names.Add(declaration.Type.FullName))
                yield return declaration;
        }
    }

    // Weak: the driver keeps the last compilation as long as it needs it, and nothing here keeps it longer.
    private sealed class Reading(WeakReference<Compilation> compilation, ProjectSpec project)
    {
        public WeakReference<Compilation> Compilation { get; } = compilation;

        public ProjectSpec Project { get; } = project;
    }
}
