using System.Collections.Generic;
using System.Collections.Immutable;
using System.Linq;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Memory.Gen.Generators.Specs;

/// <summary>
/// What one file of a compilation can see of another: everything but the bodies of members, the values of fields that are no
/// constants, and comments. Whatever a declaration means, it is decided there.
/// </summary>
internal static class Surface
{
    /// <summary>
    /// Whether every declaration means the same in both. Most edits are in a body and change nothing here, and to see that
    /// takes no binding: the files are the same objects but for the edited one, whose parsed parts are shared too.
    /// </summary>
    public static bool IsSame(Compilation before, Compilation after) =>
        ReferenceEquals(before, after)
        || (before.AssemblyName == after.AssemblyName
            && before.Options.Equals(after.Options)
            && before.References.SequenceEqual(after.References)
            && IsSame(((CSharpCompilation)before).SyntaxTrees, ((CSharpCompilation)after).SyntaxTrees));

    private static bool IsSame(ImmutableArray<SyntaxTree> before, ImmutableArray<SyntaxTree> after)
    {
        if (before.Length != after.Length)
            return false;
        for (int i = 0; i < before.Length; i++)
            if (before[i] != after[i] && !IsSame(before[i], after[i]))
                return false;
        return true;
    }

    private static bool IsSame(SyntaxTree before, SyntaxTree after) =>
        before.FilePath == after.FilePath
        && before.Options.Equals(after.Options)
        && before.GetRoot() is CompilationUnitSyntax first
        && after.GetRoot() is CompilationUnitSyntax second
        && SyntaxFactory.AreEquivalent(first.Externs, second.Externs)
        && SyntaxFactory.AreEquivalent(first.Usings, second.Usings)
        && SyntaxFactory.AreEquivalent(first.AttributeLists, second.AttributeLists)
        && first.Members.Any(SyntaxKind.GlobalStatement) == second.Members.Any(SyntaxKind.GlobalStatement)
        && ProgramStatements.Names(first).SequenceEqual(ProgramStatements.Names(second))
        && AreSame(first.Members.Where(IsVisible), second.Members.Where(IsVisible));

    // Of the statements of a program's own file only the names that they declare can matter.
    private static bool IsVisible(MemberDeclarationSyntax member) => member is not GlobalStatementSyntax;

    private static bool AreSame(IEnumerable<MemberDeclarationSyntax> before, IEnumerable<MemberDeclarationSyntax> after)
    {
        MemberDeclarationSyntax[] first = before.ToArray(), second = after.ToArray();
        return first.Length == second.Length && first.Zip(second, IsSame).All(same => same);
    }

    // Whatever is not known to have a part that nobody else sees is compared whole.
    private static bool IsSame(MemberDeclarationSyntax before, MemberDeclarationSyntax after) =>
        before.IsIncrementallyIdenticalTo(after) || (before, after) switch
        {
            (BaseNamespaceDeclarationSyntax first, BaseNamespaceDeclarationSyntax second) =>
                SyntaxFactory.AreEquivalent(first.WithMembers(default), second.WithMembers(default)) && AreSame(first.Members, second.Members),
            (TypeDeclarationSyntax first, TypeDeclarationSyntax second) =>
                SyntaxFactory.AreEquivalent(first.WithMembers(default), second.WithMembers(default)) && AreSame(first.Members, second.Members),
            (BaseMethodDeclarationSyntax or BasePropertyDeclarationSyntax or BaseFieldDeclarationSyntax, _) =>
                SyntaxFactory.AreEquivalent(before, after, topLevel: true),
            _ => SyntaxFactory.AreEquivalent(before, after),
        };
}
