using System.Collections.Generic;
using System.Linq;
using Memory.Gen.Generators.Specs;

namespace Memory.Gen.Generators.Models;

/// <summary>
/// Repairs that lead to no other error. A rule offers what it knows to be right for itself; where that is wrong for another, what
/// the other offers belongs to it: <c>Rule = MemoryRule.Linear with no StateSpace</c>. What ends in no right declaration is not offered.
/// </summary>
internal static class WorkingRepairs
{
    // Of the declarations that lie between; a chain is as long as options hang on one another.
    private const int MostTries = 100;

    /// <summary>An error of a declaration with the repairs that work, those that change the least beyond what the rule offers first.</summary>
    public static SpecError Settle(Declaration declaration, IReadOnlyCollection<SpecError> errors, SpecError error) => error with
    {
        Supported = error.Supported
            .Select(words => (Offered: words, Works: Repairs.Are(words) ? Follow(declaration, errors, error, error.Attribute, words) : words))
            .Where(s => s.Works is not null)
            .OrderBy(s => Repairs.Read(s.Works!).Count - Repairs.Read(s.Offered).Count)
            .Select(s => s.Works!)
            .DefaultIfEmpty(error.Supported.FirstOrDefault() + " and changes of other attributes")
            .Distinct()
            .Take(error.Supported.Count)
            .ToEquatableArray(),
    };

    /// <summary>A repair of an attribute with all that it takes to lead to no error that was not there before; null where nothing does.</summary>
    /// <param name="declaration">The declaration.</param>
    /// <param name="errors">What is wrong with it.</param>
    /// <param name="error">The one that shall go; null where it is not of this declaration.</param>
    /// <param name="attribute">Position of the attribute that is changed.</param>
    /// <param name="repair">In the form that <see cref="Repairs"/> reads.</param>
    public static string? Follow(Declaration declaration, IReadOnlyCollection<SpecError> errors, SpecError? error, int attribute, string repair)
    {
        AttributeSpec written = declaration.Attributes[attribute];
        var known = new HashSet<(string, int, string)>(errors.Select(Key));
        if (error is not null)
            known.Remove(Key(error));
        var tried = new HashSet<string>();
        var open = new Queue<string>([repair]);
        while (open.Count > 0 && tried.Count < MostTries)
        {
            string changes = open.Dequeue();
            if (!tried.Add(changes))
                continue;
            EquatableArray<SpecError> left = ModelRules.Check(declaration.With(attribute, Repairs.Read(changes)));
            if (left.FirstOrDefault(e => !known.Contains(Key(e))) is not { } next)
                return changes;
            if (next.Attribute == attribute && !left.Any(e => e == error))
                foreach (string all in next.Supported.Where(Repairs.Are).Select(more => Together(written, changes, more)).Where(IsStillIn))
                    open.Enqueue(all);
        }

        return null;

        // What is taken back is another repair.
        bool IsStillIn(string all) => Repairs.Read(repair).All(c => written.Says(c) || Repairs.Read(all).Any(change => change.Argument == c.Argument));
    }

    // A later change of an argument takes the place of an earlier one, and none says what was written.
    private static string Together(AttributeSpec written, string first, string then)
    {
        List<(string Argument, string? Value)> changes = [.. Repairs.Read(first)];
        foreach ((string Argument, string? Value) change in Repairs.Read(then))
            if (changes.FindIndex(c => c.Argument == change.Argument) is >= 0 and var place)
                changes[place] = change;
            else
                changes.Add(change);
        return Repairs.Write(changes.Where(c => !written.Says(c)));
    }

    // Of what is not given, only the message knows the name.
    private static (string Id, int Attribute, string Argument) Key(SpecError error) =>
        (error.Id, error.Attribute, error.Argument.Length > 0 ? error.Argument : error.Args.FirstOrDefault() ?? "");
}
