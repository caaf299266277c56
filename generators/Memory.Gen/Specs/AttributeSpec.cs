using System;
using System.Collections.Generic;
using System.Globalization;
using System.Linq;
using Microsoft.CodeAnalysis;

namespace Memory.Gen.Generators.Specs;

/// <summary>One argument of an attribute: the name of its property or constructor parameter, and a constant.</summary>
/// <param name="Name">As the attribute spells it: <c>Heads</c>, <c>letter</c>.</param>
/// <param name="Value">A string, bool, char, int, long or double; an enum as its number; null if given as null.</param>
public sealed record ArgumentSpec(string Name, object? Value);

/// <summary>One attribute of a declaration as it was written. What is not written is absent, not a default.</summary>
/// <param name="Kind">The attribute's name without its suffix: <c>SlidingAttention</c>.</param>
/// <param name="Role">What it does.</param>
/// <param name="Arguments">Constructor arguments, then named ones.</param>
/// <param name="IsReadable">False where the compiler itself reports an argument, so that nothing can be said about it.</param>
public sealed record AttributeSpec(string Kind, AttributeRole Role, EquatableArray<ArgumentSpec> Arguments, bool IsReadable)
{
    internal static AttributeSpec Read(string kind, AttributeRole role, AttributeData attribute)
    {
        var arguments = new List<ArgumentSpec>();
        bool readable = attribute.AttributeConstructor is not null;
        for (int i = 0; i < attribute.ConstructorArguments.Length && attribute.AttributeConstructor is { } constructor; i++)
            Add(constructor.Parameters[i].Name, attribute.ConstructorArguments[i]);
        foreach (KeyValuePair<string, TypedConstant> argument in attribute.NamedArguments)
            Add(argument.Key, argument.Value);
        return new AttributeSpec(kind, role, arguments.ToEquatableArray(), readable);

        void Add(string name, TypedConstant constant)
        {
            if (constant.Kind is TypedConstantKind.Primitive or TypedConstantKind.Enum)
                arguments.Add(new ArgumentSpec(name, constant.Value));
            else
                readable = false;
        }
    }

    internal bool Has(string name) => Arguments.Any(a => a.Name == name);

    internal int Int(string name, int absent = 0) => Value(name) is int value ? value : absent;

    internal double Double(string name, double absent) => Value(name) switch { double value => value, int whole => whole, _ => absent };

    internal bool Bool(string name, bool absent) => Value(name) is bool value ? value : absent;

    internal string? String(string name) => Value(name) as string;

    /// <summary>The value of an argument as messages show it.</summary>
    internal string Text(string name) => Text(Value(name));

    internal int? FeedForward => Has("FeedForward") ? Int("FeedForward") : null;

    internal char Letter => Value("letter") is char letter ? letter : '\0';

    internal T Enum<T>(string name, T absent)
        where T : struct, Enum => Value(name) is int value ? (T)(object)value : absent;

    /// <summary>Whether a change changes nothing.</summary>
    internal bool Says((string Argument, string? Value) change) => change.Value is null
        ? !Has(change.Argument)
        : Has(change.Argument) && Text(change.Argument) == Text(Constant(change.Value));

    /// <summary>The attribute after a repair.</summary>
    internal AttributeSpec With(IReadOnlyList<(string Argument, string? Value)> changes) => this with
    {
        Arguments = Arguments.Where(a => changes.All(c => c.Argument != a.Name))
            .Concat(changes.Where(c => c.Value is not null).Select(c => new ArgumentSpec(c.Argument, Constant(c.Value!))))
            .ToEquatableArray(),
    };

    // The code of a repair: true, 8, 0.5, MemoryRule.Linear.
    private static object Constant(string code) =>
        bool.TryParse(code, out bool truth) ? (object)truth
        : int.TryParse(code, NumberStyles.AllowLeadingSign, CultureInfo.InvariantCulture, out int whole) ? (object)whole
        : double.TryParse(code, NumberStyles.Float, CultureInfo.InvariantCulture, out double number) ? (object)number
        : (int)System.Enum.Parse(typeof(MemoryRule).Assembly.GetType(typeof(MemoryRule).Namespace + "." + code.Split('.')[0]), code.Split('.')[1]);

    private static string Text(object? value) => System.Convert.ToString(value, CultureInfo.InvariantCulture) ?? "null";

    private object? Value(string name) => Arguments.FirstOrDefault(a => a.Name == name)?.Value;
}
