using System.Globalization;
using System.Reflection;
using System.Text.Json.Serialization;
using Memory.Gen;

namespace LanguageModel.Models;

/// <summary>Sizes asked for on the command line; null = as declared.</summary>
/// <param name="Vocabulary">Number of symbols.</param>
/// <param name="Dim">Width, in features.</param>
/// <param name="Layers">Number of layers, for models declared without a pattern.</param>
/// <param name="Heads">Heads of every mixer.</param>
/// <param name="Pattern">Order of the layers, for models declared with letters.</param>
public sealed record Sizes(int? Vocabulary = null, int? Dim = null, int? Layers = null, int? Heads = null, string? Pattern = null)
{
    [JsonIgnore]
    public bool AsDeclared => this == new Sizes();
}

/// <summary>The models that this sample declares, by the name used on the command line.</summary>
public static class Catalog
{
    private static readonly (string Name, Type Type)[] Entries =
    [
        ("hybrid", typeof(HybridLM)),
        ("gated-delta", typeof(GatedDeltaLM)),
        ("selective", typeof(SelectiveLM)),
        ("titans", typeof(TitansLM)),
        ("mixture", typeof(MixtureLM)),
        ("bmojo", typeof(BMojoLM)),
        ("hmt", typeof(HierarchicalLM)),
        ("hmt-first", typeof(FirstStageLM)),
        ("rmt", typeof(RecurrentLM)),
        ("rmt-one", typeof(OneRowLM)),
        ("segments", typeof(SegmentsLM)),
        ("rmt-one-82", typeof(OneRowOf82LM)),
        ("segments-82", typeof(SegmentsOf82LM)),
        ("sliding", typeof(SlidingLM)),
        ("sliding-equal", typeof(SlidingOfEqualSizeLM)),
    ];

    public const string DefaultName = "hybrid";

    public static IEnumerable<string> Names => Entries.Select(e => e.Name);

    /// <exception cref="UserError">No model has that name.</exception>
    public static Type Find(string name) =>
        Entries.FirstOrDefault(e => string.Equals(e.Name, name, StringComparison.OrdinalIgnoreCase)).Type
        ?? throw new UserError($"There is no model '{name}'. Choose one of: {string.Join(", ", Names)}.");

    /// <summary>Number of symbols of a model.</summary>
    public static int Vocabulary(string name, Sizes sizes) =>
        sizes.Vocabulary ?? Find(name).GetCustomAttribute<MemoryModelAttribute>()!.VocabSize;

    /// <summary>
    /// The declaration of <paramref name="type"/> as C# text, with <paramref name="sizes"/> in place of the declared ones.
    /// The generator that compiled the original reads it, so its rules and messages are the same.
    /// </summary>
    public static string Declaration(Type type, Sizes sizes)
    {
        var attributes = type.GetCustomAttributesData()
            .Where(a => a.AttributeType.Namespace == typeof(MemoryModelAttribute).Namespace)
            .Select(a => Write(a, Arguments(type, a, sizes)));
        return $"""
            using Memory.Gen;
            namespace {type.Namespace};
            {string.Join("\n", attributes)}
            public sealed partial class {type.Name};
            """;
    }

    private static Dictionary<string, string> Arguments(Type type, CustomAttributeData declared, Sizes sizes) =>
        declared.AttributeType == typeof(MemoryModelAttribute) ? ModelArguments(type, declared, sizes)
        : declared.AttributeType.IsAssignableTo(typeof(MixerAttribute)) ? MixerArguments(declared, sizes)
        : [];

    private static Dictionary<string, string> ModelArguments(Type type, CustomAttributeData declared, Sizes sizes)
    {
        string? order = declared.NamedArguments.FirstOrDefault(a => a.MemberName == nameof(MemoryModelAttribute.Pattern)).TypedValue.Value as string;
        bool ordered = order is not null;
        if (ordered && sizes.Layers is not null)
            throw new UserError("--layers does not fit this model: its layers stand in a pattern. Give the order with --pattern, one letter a layer.");
        if (!ordered && sizes.Pattern is not null)
            throw new UserError("--pattern does not fit this model: it has one kind of layer. Give their number with --layers.");
        if (sizes.Pattern is { } pattern && Letters(type) is var letters && !letters.Select(l => l.Letter).ToHashSet().SetEquals(pattern.Where(c => c != ' ')))
            throw new UserError($"--pattern \"{pattern}\" does not fit this model: its layers are {string.Join(" and ", letters.Select(l => $"{l.Letter} ({l.Name})"))}. Write one letter a layer, each of these at least once, for example \"{order}\".");
        var result = new Dictionary<string, string>();
        Set(result, nameof(MemoryModelAttribute.VocabSize), sizes.Vocabulary);
        Set(result, nameof(MemoryModelAttribute.Dim), sizes.Dim);
        Set(result, nameof(MemoryModelAttribute.Layers), sizes.Layers);
        if (sizes.Pattern is not null) result[nameof(MemoryModelAttribute.Pattern)] = $"\"{sizes.Pattern}\"";
        return result;
    }

    private static (char Letter, string Name)[] Letters(Type type) =>
        [.. from mixer in type.GetCustomAttributesData() where mixer.AttributeType.IsAssignableTo(typeof(MixerAttribute)) from argument in mixer.ConstructorArguments where argument.Value is char select ((char)argument.Value!, Name(mixer))];

    private static Dictionary<string, string> MixerArguments(CustomAttributeData declared, Sizes sizes)
    {
        if (sizes.Heads is not null && declared.AttributeType.GetProperty("Heads") is null)
            throw new UserError($"--heads does not fit this model: [{Name(declared)}] has none.");
        var result = new Dictionary<string, string>();
        Set(result, "Heads", sizes.Heads);
        return result;
    }

    private static void Set(Dictionary<string, string> arguments, string name, int? value)
    {
        if (value is { } v) arguments[name] = v.ToString(CultureInfo.InvariantCulture);
    }

    private static string Write(CustomAttributeData attribute, Dictionary<string, string> replaced)
    {
        var arguments = attribute.ConstructorArguments.Select(a => Literal(a))
            .Concat(attribute.NamedArguments.Select(a => $"{a.MemberName} = {replaced.GetValueOrDefault(a.MemberName) ?? Literal(a.TypedValue)}"))
            .Concat(replaced.Where(r => attribute.NamedArguments.All(a => a.MemberName != r.Key)).Select(r => $"{r.Key} = {r.Value}"))
            .ToList();
        return $"[{Name(attribute)}{(arguments.Count > 0 ? $"({string.Join(", ", arguments)})" : "")}]";
    }

    private static string Name(CustomAttributeData attribute) => attribute.AttributeType.Name[..^"Attribute".Length];

    private static string Literal(CustomAttributeTypedArgument argument) => argument.Value switch
    {
        char c => $"'{c}'",
        string s => $"\"{s}\"",
        bool b => b ? "true" : "false",
        double d => d.ToString("R", CultureInfo.InvariantCulture),
        { } v when argument.ArgumentType.IsEnum => $"{argument.ArgumentType.Name}.{Enum.ToObject(argument.ArgumentType, v)}",
        var v => Convert.ToString(v, CultureInfo.InvariantCulture)!,
    };
}
