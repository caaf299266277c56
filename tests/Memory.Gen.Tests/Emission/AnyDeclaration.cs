using System.Reflection;
using System.Text;

namespace Memory.Gen.Tests.Emission;

/// <summary>
/// Makes declarations of all sorts: every attribute of the library with every property of its, values from sensible to absurd,
/// odd nesting, classes in several parts and files, code that uses them, and all that while it is only half typed.
/// </summary>
internal sealed class AnyDeclaration(Random random)
{
    private static readonly Type[] Attributes =
        [.. typeof(MemoryModelAttribute).Assembly.GetExportedTypes().Where(t => t.IsSubclassOf(typeof(Attribute)) && !t.IsAbstract).OrderBy(t => t.Name, StringComparer.Ordinal)];

    private static readonly Type[] Mixers = [.. Attributes.Where(t => t.IsSubclassOf(typeof(MixerAttribute)))];

    private static readonly string[] Opens =
    [
        "public partial class Outer {", "internal partial struct Outer {", "partial record Outer {", "partial interface IOuter {", "static partial class Outer {",
        "class Outer {", "partial class Outer<T> {", "file partial class Outer {", "partial record struct Outer(int Size) {", "partial class @class { partial class @event {",
        "enum E { } partial class Outer {", "public abstract partial class Outer { protected int Tensor, nn, torch; ",
    ];

    private static readonly string[] Classes =
    [
        "partial class X;", "sealed partial class X { }", "public partial class X { }", "class X;", "partial record X;", "partial struct X;", "partial interface X;",
        "static partial class X;", "abstract partial class X;", "partial class X<T>;", "file partial class X;", "partial class X(int a) { int A => a; }", "ref partial struct X;",
        "partial class X : System.Exception;", "partial class X : Missing;", "partial class X : X;", "partial class X { int Step => 1; }", "partial class X { class State; }",
        "partial class X { X(string s) { } }", "partial class X { partial void Step(); }", "partial class X { public class Layer; int Card; }", "partial class X; partial class X { int more; }",
        "partial class X; class X;", "partial class X { ~X() { } public static X operator +(X a, X b) => a; int this[int i] => i; }", "partial class State;", "enum X;", "delegate void X();",
    ];

    private static readonly string[] Torn = ["(", ")", "[", "]", "{", "}", "\"", "'", ",", "=", ";", "<", ">", "//", "/*", "#if", "\0", "\uD800", "é", "using", "partial", "\n", "  "];

    /// <summary>One declaration in a namespace of its own: a file, often with code that uses it, and sometimes a second with a part of the class.</summary>
    /// <param name="name">The namespace.</param>
    public string[] Whole(string name)
    {
        string opening = "using System.Collections.Generic;\nusing Memory.Gen;\nusing TorchSharp;\nusing TorchSharp.Modules;\nusing static TorchSharp.torch;\nusing static TorchSharp.torch.nn;\n" + (random.Next(8) == 0 ? "" : $"namespace {name};\n");
        string file = opening + Declaration(name) + (random.Next(3) == 0 ? new AnyUse(random).Of(name) : "");
        if (random.Next(6) > 0)
            return [file];
        var part = new StringBuilder(opening);
        if (random.Next(2) == 0)
            AppendAttributes(part);
        return [file, part.Append(Pick(Classes).Replace("X", "C" + name)).Append('\n').ToString()];
    }

    private string Declaration(string name)
    {
        if (random.Next(2) == 0)
            return Ordinary() + "partial class C" + name + ";\n";
        var text = new StringBuilder();
        int depth = random.Next(3) == 0 ? random.Next(1, 4) : 0;
        var closings = new StringBuilder();
        for (int i = 0; i < depth; i++)
        {
            string open = Pick(Opens);
            text.Append(open).Append('\n');
            closings.Append('}', open.Count(c => c == '{') - open.Count(c => c == '}'));
        }

        AppendAttributes(text);
        text.Append(Pick(Classes).Replace("X", "C" + name)).Append('\n');
        if (random.Next(6) == 0)
        {
            AppendAttributes(text);
            text.Append("partial class C" + name + ";\n");
        }

        return text.Append(closings).ToString();
    }

    /// <summary>Such files while they are being typed: pieces cut out, doubled, moved or put in.</summary>
    public string[] HalfTyped(string name) => [.. Whole(name).Select(Tear)];

    private string Tear(string text)
    {
        for (int i = random.Next(1, 5); i > 0; i--)
        {
            int at = random.Next(text.Length), length = Math.Min(random.Next(12), text.Length - at);
            text = random.Next(4) switch
            {
                0 => text.Remove(at, length),
                1 => text.Insert(at, Pick(Torn)),
                2 => text.Insert(random.Next(text.Length), text.Substring(at, length)),
                _ => random.Next(6) == 0 ? text[..at] + "\n" : text.Remove(at, length).Insert(at, Pick(Torn)),
            };
            text = text.Length == 0 ? " " : text;
        }

        return text;
    }

    // A model or layer that is right more often than not: one mixer, what it needs, and one option more.
    private string Ordinary()
    {
        bool model = random.Next(2) == 0;
        Type mixer = Pick(Mixers);
        ConstructorInfo constructor = mixer.GetConstructors().First(c => c.GetParameters().All(p => p.ParameterType != typeof(char)));
        IEnumerable<string> required = constructor.GetParameters().Select(p => p.ParameterType.IsEnum ? $"{p.ParameterType.Name}.{Pick(Enum.GetNames(p.ParameterType))}" : "1");
        string[] options = [.. mixer.GetProperties().Where(p => p.CanWrite).Select(p => p.Name).Where(n => n is "Heads" || (n is "Window" && random.Next(2) == 0))];
        PropertyInfo more = Pick(mixer.GetProperties().Where(p => p.CanWrite && !options.Contains(p.Name)).ToArray());
        IEnumerable<string> named = options.Select(n => n + (n == "Heads" ? " = 4" : " = 32")).Concat(random.Next(2) == 0 ? [] : [$"{more.Name} = {Value(more.PropertyType, more.Name)}"]);
        return (model ? $"[MemoryModel(VocabSize = 256, Dim = 64, Layers = {random.Next(1, 4)})] " : "[MemoryLayer(Dim = 64)] ")
            + $"[{mixer.Name.Replace("Attribute", "")}({string.Join(", ", required.Concat(named))})] ";
    }

    private void AppendAttributes(StringBuilder text)
    {
        text.Append(random.Next(8) switch
        {
            0 => Attribute(typeof(MemoryLayerAttribute)),
            1 => Attribute(Pick(Attributes)),
            2 => "[MemoryLayer(Dim = 64)] ",
            3 or 4 => $"[MemoryModel(VocabSize = 256, Dim = 64, Pattern = \"{new string('A', random.Next(1, 9))}\")] ",
            5 or 6 => $"[MemoryModel(VocabSize = 256, Dim = 64, Layers = {random.Next(1, 4)})] ",
            _ => Attribute(typeof(MemoryModelAttribute)),
        });
        for (int i = random.Next(8) == 0 ? random.Next(4) : 1; i > 0; i--)
            text.Append(Attribute(Pick(random.Next(8) == 0 ? Attributes : Mixers)));
        if (random.Next(20) == 0)
            text.Append(Attribute(Pick(Attributes)));
    }

    private string Attribute(Type type)
    {
        ConstructorInfo constructor = Pick(type.GetConstructors());
        IEnumerable<string> arguments = constructor.GetParameters().Select(p => Value(p.ParameterType, p.Name!));
        IEnumerable<string> named = type.GetProperties().Where(p => p.CanWrite && random.Next(p.Name is "Heads" or "Dim" ? 8 : 4) == 0 != p.Name is "Heads" or "Dim")
            .Select(p => $"{p.Name} = {Value(p.PropertyType, p.Name)}");
        string list = string.Join(", ", arguments.Concat(named));
        return $"[{type.Name.Replace("Attribute", "")}{(list.Length > 0 || random.Next(2) == 0 ? $"({list})" : "")}] ";
    }

    private string Value(Type type, string name) => type switch
    {
        { IsEnum: true } => random.Next(4) == 0 ? $"({type.Name})({random.Next(-2, 9)})" : $"{type.Name}.{Pick(Enum.GetNames(type))}",
        _ when type == typeof(int) => name is "Heads" or "Dim" && random.Next(3) > 0 ? Pick(["4", "8", "64"]) : Pick(
            ["0", "1", "2", "3", "4", "4", "8", "8", "16", "16", "32", "64", "100", "4096", "-1", "1 << 20", "int.MaxValue", "int.MinValue", "(int)3.5", "'a'", "unchecked(1 - 5)"]),
        _ when type == typeof(long) => Pick(["0", "1", "-1", "64", "long.MaxValue"]),
        _ when type == typeof(double) => Pick(["0", "1", "0.5", "0.9", "100", "10000", "1e-3", "-1", "double.NaN", "double.PositiveInfinity", "double.Epsilon", "1e300"]),
        _ when type == typeof(bool) => Pick(["true", "false"]),
        _ when type == typeof(char) => Pick(["'A'", "'A'", "'A'", "'B'", "'a'", "'1'", "'\\0'", "'\\uD800'", "'\\''"]),
        _ when type == typeof(string) => Pick(["\"A\"", "\"AA\"", "\"A A\"", "\"AB\"", "\"\"", "null", "\" \"", "\"A1\"", "\"\\uD800A\"", "\"A\" + \"B\"", "nameof(System)"]),
        _ when type == typeof(Type) => Pick(["typeof(int)", "null", "typeof(System.Collections.Generic.List<>)"]),
        _ => "default",
    };

    private T Pick<T>(T[] values) => values[random.Next(values.Length)];
}
