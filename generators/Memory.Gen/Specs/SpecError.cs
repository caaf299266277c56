using System.Collections.Generic;

namespace Memory.Gen.Generators.Specs;

/// <summary>One rule that a declaration breaks.</summary>
/// <param name="Id">The diagnostic's id.</param>
/// <param name="Attribute">Position of the attribute in the declaration's list; -1 for the class itself.</param>
/// <param name="Argument">The argument to point at, or the member or containing type of the class; empty for the attribute or class itself.</param>
/// <param name="Args">What the diagnostic's message is filled with.</param>
/// <param name="IsWarning">Whether the file can be written all the same.</param>
/// <param name="Repairs">Arguments that would make it right, as they are written (<c>Heads = 8</c>): one of them is enough.</param>
public sealed record SpecError(
    string Id, int Attribute, string Argument, EquatableArray<string> Args, bool IsWarning = false, EquatableArray<string> Repairs = default);

/// <summary>Gathers the errors of one attribute.</summary>
internal sealed class ErrorList(List<SpecError> errors, int attribute, AttributeSpec spec)
{
    public AttributeSpec Spec { get; } = spec;

    public void Add(string id, string argument, params string[] args) =>
        errors.Add(new SpecError(id, attribute, argument, args.ToEquatableArray()));

    public void Warn(string id, string argument, params string[] args) =>
        errors.Add(new SpecError(id, attribute, argument, args.ToEquatableArray(), IsWarning: true));

    /// <summary>Says what would make the error that was added last right, the value to prefer first.</summary>
    public void Offer(params string[] repairs) => errors[errors.Count - 1] = errors[errors.Count - 1] with { Repairs = repairs.ToEquatableArray() };
}
