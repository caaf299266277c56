using System.Collections.Generic;
using System.Linq;

namespace Memory.Gen.Generators.Specs;

/// <summary>One rule that a declaration breaks.</summary>
/// <param name="Id">The diagnostic's id.</param>
/// <param name="Attribute">Position of the attribute in the declaration's list; -1 for the class itself.</param>
/// <param name="Argument">The argument to point at, or the member or containing type of the class; empty for the attribute or class itself.</param>
/// <param name="Args">What the diagnostic's message is filled with.</param>
/// <param name="IsWarning">Whether the file can be written all the same.</param>
/// <param name="Repairs">What would make it right, each by itself, in the form that <see cref="Specs.Repairs"/> reads.</param>
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

    /// <summary>An option that does not go with the rest of the declaration: MEMGEN204.</summary>
    /// <param name="option">Its name.</param>
    /// <param name="value">Its value as it is written.</param>
    /// <param name="with">What it does not go with.</param>
    /// <param name="reason">Why not.</param>
    /// <param name="supported">What works, each by itself: repairs, and words for what is more than a change of arguments.</param>
    public void Unsupported(string option, string value, string with, string reason, params string[] supported)
    {
        Add("MEMGEN204", option, option, value, with, reason, string.Join(", or ", supported));
        Offer(supported.Where(words => Specs.Repairs.Read(words).Count > 0).ToArray());
    }

    /// <summary>The same for an option that would change nothing, which is most likely a mistake; nothing where it is not written.</summary>
    /// <param name="option">Its name.</param>
    /// <param name="value">Its value as it is written.</param>
    /// <param name="with">What makes it useless.</param>
    /// <param name="reason">Why.</param>
    /// <param name="supported">What works, each by itself, beside leaving it out.</param>
    public void Unused(string option, string value, string with, string reason, params string[] supported)
    {
        if (Spec.Has(option))
            Unsupported(option, value, with, reason, [.. supported, "no " + option]);
    }
}
