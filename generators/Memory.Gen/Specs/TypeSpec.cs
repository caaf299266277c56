using System.Linq;
using Microsoft.CodeAnalysis.CSharp;

namespace Memory.Gen.Generators.Specs;

/// <summary>A type around the declared class.</summary>
/// <param name="Keyword">How its partial declaration starts: <c>class</c>, <c>record struct</c>, ...</param>
/// <param name="Name">Its name.</param>
/// <param name="IsPartial">Whether every part of it says so.</param>
/// <param name="IsGeneric">Whether it has type parameters.</param>
public sealed record ContainerSpec(string Keyword, string Name, bool IsPartial, bool IsGeneric);

/// <summary>Everything about the declared class that decides what can be written for it, and under which names.</summary>
/// <param name="Namespace">Empty in the global namespace.</param>
/// <param name="Containers">The types around it, outermost first.</param>
/// <param name="Name">Its name.</param>
/// <param name="IsPartial">Whether every part of it says so.</param>
/// <param name="IsGeneric">Whether it has type parameters.</param>
/// <param name="Flaw">What keeps it from being a plain class ("a record", "static", ...); null for a plain class.</param>
/// <param name="WrongBase">Its base class where that is neither absent nor Module&lt;Tensor, Tensor&gt;; null otherwise.</param>
/// <param name="Members">Names of its own members.</param>
/// <param name="HasPrimaryConstructor">Whether it has parameters after its name.</param>
/// <param name="HiddenNames">Names that mean something else where the emitted file would use them.</param>
public sealed record TypeSpec(
    string Namespace,
    EquatableArray<ContainerSpec> Containers,
    string Name,
    bool IsPartial,
    bool IsGeneric,
    string? Flaw,
    string? WrongBase,
    EquatableArray<string> Members,
    bool HasPrimaryConstructor,
    EquatableArray<string> HiddenNames)
{
    /// <summary>The one flaw with which it can still be a module.</summary>
    internal const string AbstractClass = "an abstract class";

    /// <summary>The name with namespace and containing types, dots between.</summary>
    public string FullName => string.Join(
        ".",
        new[] { Namespace }.Where(n => n.Length > 0).Concat(Containers.Select(c => c.Name)).Append(Name));

    /// <summary>A name as it must stand in code.</summary>
    internal static string Escape(string name) =>
        SyntaxFacts.GetKeywordKind(name) != SyntaxKind.None || SyntaxFacts.GetContextualKeywordKind(name) != SyntaxKind.None
            ? "@" + name
            : name;
}
