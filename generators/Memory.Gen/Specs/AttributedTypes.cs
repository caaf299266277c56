using System;
using System.Collections.Generic;
using System.Linq;
using System.Runtime.CompilerServices;
using System.Threading;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Memory.Gen.Generators.Specs;

/// <summary>
/// Finds the types that may carry an attribute by its name in the source, without binding anything: bodies are never
/// entered, and each file is looked through once for all compilations it is part of.
/// </summary>
internal static class AttributedTypes
{
    private static readonly ConditionalWeakTable<SyntaxTree, FileTypes> Files = new();

    /// <param name="compilation">The compilation to look through.</param>
    /// <param name="names">The attributes' names without their suffix.</param>
    /// <param name="token">Stops the search.</param>
    /// <returns>The types in the order of their files; some may carry somebody else's attribute of such a name.</returns>
    public static IEnumerable<TypeDeclarationSyntax> Find(Compilation compilation, IReadOnlyList<string> names, CancellationToken token)
    {
        FileTypes[] files = compilation.SyntaxTrees.Select(tree => Look(tree, token)).ToArray();
        string[] projectAliases = files.SelectMany(f => f.Aliases).Where(a => a.IsGlobal && names.Contains(a.Target)).Select(a => a.Name).ToArray();
        foreach (FileTypes file in files.Where(f => f.Types.Length > 0))
        {
            string[] aliases = file.Aliases.Where(a => names.Contains(a.Target)).Select(a => a.Name).ToArray();
            foreach ((TypeDeclarationSyntax type, string[] attributes) in file.Types)
                if (attributes.Any(a => names.Contains(a) || aliases.Contains(a) || projectAliases.Contains(a)))
                    yield return type;
        }
    }

    private static FileTypes Look(SyntaxTree tree, CancellationToken token)
    {
        if (Files.TryGetValue(tree, out FileTypes? known))
            return known;
        var types = new List<(TypeDeclarationSyntax, string[])>();
        var aliases = new List<Alias>();
        if (tree.GetRoot(token) is CompilationUnitSyntax root)
        {
            AddAliases(root.Usings);
            Add(root.Members);
        }

        return Files.GetValue(tree, _ => new FileTypes(types.ToArray(), aliases.ToArray()));

        void Add(SyntaxList<MemberDeclarationSyntax> members)
        {
            foreach (MemberDeclarationSyntax member in members)
                switch (member)
                {
                    case BaseNamespaceDeclarationSyntax space:
                        AddAliases(space.Usings);
                        Add(space.Members);
                        break;
                    case TypeDeclarationSyntax type:
                        if (type.AttributeLists.Count > 0)
                            types.Add((type, type.AttributeLists.SelectMany(l => l.Attributes).Select(a => NameOf(a.Name)).ToArray()));
                        Add(type.Members);
                        break;
                }
        }

        void AddAliases(SyntaxList<UsingDirectiveSyntax> usings)
        {
            foreach (UsingDirectiveSyntax directive in usings)
                if (directive is { Alias: { } alias, Name: { } target })
                    aliases.Add(new Alias(NameOf(alias.Name), NameOf(target), directive.GlobalKeyword.IsKind(SyntaxKind.GlobalKeyword)));
        }
    }

    // The last name of a dotted one, without the suffix that an attribute may leave out.
    private static string NameOf(NameSyntax name)
    {
        const string suffix = "Attribute";
        string last = name switch
        {
            QualifiedNameSyntax qualified => qualified.Right.Identifier.ValueText,
            AliasQualifiedNameSyntax qualified => qualified.Name.Identifier.ValueText,
            SimpleNameSyntax simple => simple.Identifier.ValueText,
            _ => "",
        };
        return last.Length > suffix.Length && last.EndsWith(suffix, StringComparison.Ordinal) ? last.Substring(0, last.Length - suffix.Length) : last;
    }

    private sealed record Alias(string Name, string Target, bool IsGlobal);

    private sealed class FileTypes((TypeDeclarationSyntax Type, string[] Attributes)[] types, Alias[] aliases)
    {
        public (TypeDeclarationSyntax Type, string[] Attributes)[] Types { get; } = types;

        public Alias[] Aliases { get; } = aliases;
    }
}
