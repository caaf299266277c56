using System.Collections.Generic;

namespace Memory.Gen.Generators.Specs;

/// <summary>One rule that a declaration breaks.</summary>
/// <param name="Id">The diagnostic's id.</param>
/// <param name="Attribute">Position of the attribute in the declaration's list; -1 for the class itself.</param>
/// <param name="Argument">The argument to point at, or the member or containing type of the class; empty for the attribute or class itself.</param>
/// <param name="Args">What the diagnostic's message is filled with.</param>
/// <param name="IsWarning">Whether the file can be written all the same.</param>
public sealed record SpecError(string Id, int Attribute, string Argument, EquatableArray<string> Args, bool IsWarning = false);

/// <summary>Gathers the errors of one attribute.</summary>
internal sealed class ErrorList(List<SpecError> errors, int attribute, AttributeSpec spec)
{
    public AttributeSpec Spec { get; } = spec;

    public void Add(string id, string argument, params string[] args) =>
        errors.Add(new SpecError(id, attribute, argument, args.ToEquatableArray()));

    public void Warn(string id, string argument, params string[] args) =>
        errors.Add(new SpecError(id, attribute, argument, args.ToEquatableArray(), IsWarning: true));
}
