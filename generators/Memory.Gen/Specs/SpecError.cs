using System.Collections.Generic;
using System.Linq;

namespace Memory.Gen.Generators.Specs;

/// <summary>One rule that a declaration breaks.</summary>
/// <param name="Id">The diagnostic's id.</param>
/// <param name="Attribute">Position of the attribute in the declaration's list; -1 for the class itself.</param>
/// <param name="Argument">The argument to point at, or the member or containing type of the class; empty for the attribute or class itself.</param>
/// <param name="Args">What the diagnostic's message is filled with, before what is supported.</param>
/// <param name="IsWarning">Whether the file can be written all the same.</param>
/// <param name="Supported">What would make it right, each by itself: repairs in the form that <see cref="Repairs"/> reads, and words for what is more than that.</param>
public sealed record SpecError(
    string Id, int Attribute, string Argument, EquatableArray<string> Args, bool IsWarning = false, EquatableArray<string> Supported = default)
{
    /// <summary>What the diagnostic's message is filled with.</summary>
    public string[] MessageArgs => [.. Args, string.Join(", or ", Supported)];
}

/// <summary>Gathers the errors of one attribute.</summary>
internal sealed class ErrorList(List<SpecError> errors, int attribute, AttributeSpec spec)
{
    public AttributeSpec Spec { get; } = spec;

    public void Add(string id, string argument, params string[] args) =>
        errors.Add(new SpecError(id, attribute, argument, args.ToEquatableArray()));

    public void Warn(string id, string argument, params string[] args) =>
        errors.Add(new SpecError(id, attribute, argument, args.ToEquatableArray(), IsWarning: true));

    /// <summary>Says what would make the error that was added last right, the value to prefer first; it ends the message.</summary>
    public void Offer(params string[] supported) => errors[errors.Count - 1] = errors[errors.Count - 1] with { Supported = supported.ToEquatableArray() };

    /// <summary>An option that does not go with the rest of the declaration: MEMGEN204.</summary>
    /// <param name="option">Its name.</param>
    /// <param name="value">Its value as it is written.</param>
    /// <param name="with">What it does not go with.</param>
    /// <param name="reason">Why not.</param>
    /// <param name="supported">What works, each by itself: repairs, and words for what is more than a change of arguments.</param>
    public void Unsupported(string option, string value, string with, string reason, params string[] supported)
    {
        Add("MEMGEN204", option, option, value, with, reason);
        Offer(supported);
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
