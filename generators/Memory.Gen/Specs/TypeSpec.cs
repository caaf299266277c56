using System.Linq;
using System.Text.RegularExpressions;
using Microsoft.CodeAnalysis.CSharp;

namespace Memory.Gen.Generators.Specs;

/// <summary>A type around the declared class.</summary>
/// <param name="Keyword">How its partial declaration starts: <c>class</c>, <c>record struct</c>, ...</param>
/// <param name="Name">Its name.</param>
/// <param name="IsPartial">Whether every part of it says so.</param>
/// <param name="TypeParameters">Names of its type parameters as every part repeats them: <c>T</c>, <c>in T</c>.</param>
public sealed record ContainerSpec(string Keyword, string Name, bool IsPartial, EquatableArray<string> TypeParameters)
{
    internal bool IsGeneric => TypeParameters.Count > 0;
}

/// <summary>A base class that stands in the way.</summary>
/// <param name="Name">As messages show it.</param>
/// <param name="Arguments">The types of the arguments of its simplest constructor; null where it has none that can be called, or is declared itself.</param>
/// <param name="HasForward">Whether it has a forward to override.</param>
public sealed record BaseSpec(string Name, EquatableArray<string>? Arguments, bool HasForward);

/// <summary>Everything about the declared class that decides what can be written for it, and under which names.</summary>
/// <param name="Namespace">Empty in the global namespace.</param>
/// <param name="Containers">The types around it, outermost first.</param>
/// <param name="Name">Its name.</param>
/// <param name="IsPartial">Whether every part of it says so.</param>
/// <param name="TypeParameters">Names of its type parameters.</param>
/// <param name="Flaw">What keeps it from being a plain class ("a record", "static", ...); null for a plain class.</param>
/// <param name="WrongBase">Its base class where that is neither absent nor Module&lt;Tensor, Tensor&gt;; null otherwise.</param>
/// <param name="Members">Names of its own members.</param>
/// <param name="HasPrimaryConstructor">Whether it has parameters after its name.</param>
/// <param name="HasWrittenConstructor">Whether it has a constructor with the parameters of the written one.</param>
/// <param name="OpenConstructor">How its first constructor that does not go on to another of its own can go on to the written one; null where each does.</param>
/// <param name="HasBareConstructor">Whether one of these says nothing of its base, and so needs one that takes no arguments.</param>
/// <param name="TakenWord">A word of written code, <c>var</c>, <c>nameof</c> or <see cref="TakenWords.Dynamic"/>, that is a name of the project's there; null for none.</param>
/// <param name="HiddenNames">Names that mean something else where the emitted file would use them.</param>
public sealed record TypeSpec(
    string Namespace,
    EquatableArray<ContainerSpec> Containers,
    string Name,
    bool IsPartial,
    EquatableArray<string> TypeParameters,
    string? Flaw,
    BaseSpec? WrongBase,
    EquatableArray<string> Members,
    bool HasPrimaryConstructor,
    bool HasWrittenConstructor,
    string? OpenConstructor,
    bool HasBareConstructor,
    string? TakenWord,
    EquatableArray<string> HiddenNames)
{
    /// <summary>The one flaw with which it can still be a module.</summary>
    internal const string AbstractClass = "an abstract class";

    /// <summary>The one flaw with which it can have the members of a module, without being one.</summary>
    internal const string Record = "a record";

    internal bool IsGeneric => TypeParameters.Count > 0;

    /// <summary>The name with namespace and containing types, dots between, each with its number of type parameters.</summary>
    public string FullName => string.Join(
        ".",
        new[] { Namespace }.Where(n => n.Length > 0)
            .Concat(Containers.Select(c => WithArity(c.Name, c.TypeParameters.Count))).Append(WithArity(Name, TypeParameters.Count)));

    /// <summary>The name as it must stand in code, with type parameters.</summary>
    internal string Written => Own(Name) + Listed(TypeParameters);

    /// <summary>The name of the declared class, or of a type around it, marked so that it is not taken for a short name of emitted code.</summary>
    internal static string Own(string name) => "@" + name;

    /// <summary>Emitted code with its marked names as they must stand in code.</summary>
    internal static string WithOwnNames(string body) => Regex.Replace(body, @"@(\w+)", name => Escape(name.Groups[1].Value), RegexOptions.CultureInvariant);

    /// <summary>A name as it must stand in code.</summary>
    internal static string Escape(string name) =>
        SyntaxFacts.GetKeywordKind(name) != SyntaxKind.None || SyntaxFacts.GetContextualKeywordKind(name) != SyntaxKind.None
            ? "@" + name
            : name;

    /// <summary>Type parameters as they must stand in code; nothing where there are none.</summary>
    internal static string Listed(EquatableArray<string> parameters) => parameters.Count == 0 ? "" : $"<{string.Join(", ", parameters)}>";

    private static string WithArity(string name, int parameters) =>
        parameters == 0 ? name : name + "`" + parameters.ToString(System.Globalization.CultureInfo.InvariantCulture);
}
