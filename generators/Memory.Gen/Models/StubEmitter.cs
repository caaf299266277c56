using System.Collections.Generic;
using System.Linq;
using Memory.Gen.Generators.Specs;
using Memory.Gen.Generators.Writing;
using Microsoft.CodeAnalysis.CSharp;

namespace Memory.Gen.Generators.Models;

/// <summary>
/// Writes a class with the same API and bodies that throw, for a declaration with a mistake: the mistake is then the only
/// error, and code that uses the class still compiles.
/// </summary>
internal static class StubEmitter
{
    private const string Summary = "/// <summary>Throws: the declaration has an error.</summary>";

    // With these of its own the class could not be the module that it is used as.
    private static readonly string[] Needed = ["forward", "State"];

    /// <summary>
    /// Whether a part with that API fits the others. Where it does not, a file would only add the compiler's errors to ours.
    /// </summary>
    public static bool CanStandFor(TypeSpec type, LanguageVersion language) => language >= LanguageVersion.CSharp10
        && type is { IsPartial: true, HasPrimaryConstructor: false }
        && (type is { Flaw: null or TypeSpec.AbstractClass, WrongBase: null or { Arguments: not null } } or { Flaw: TypeSpec.Record, WrongBase: null })
        && type.Containers.All(c => c.IsPartial)
        && !type.Members.Intersect(Needed).Any()
        && !EmittedNames.Of(isModel: true).Contains(type.Name);

    public static string Emit(ModelSpec model, EquatableArray<SpecError> errors)
    {
        string reason = errors.Count == 0 ? "an error in its attributes or its project" : string.Join(", ", errors.Select(e => e.Id).Distinct());
        string[] header =
        [
            $"{model.Type.Name} cannot be written: {reason}.",
            "Until its declaration is right, this file only keeps the code that uses it compiling.",
        ];
        return SourceFile.Write(model.Type, header, [], writer => WriteClass(writer, model, reason));
    }

    // Where the class has such a member of its own, only the contract gets ours.
    private static IEnumerable<(string Type, string Member, string Parameters)> Calls(bool isModel, string input, string one) =>
    [
        ("State", "NewState", "long batch"),
        ("Tensor", "Prefill", $"Tensor {input}, State state"),
        .. isModel ? [("Tensor", "Read", $"Tensor {input}, State state")] : System.Array.Empty<(string, string, string)>(),
        ("Tensor", "Step", $"Tensor {one}, State state"),
        ("State", "LoadState", "string path, Device? device = null"),
    ];

    // A class with another base, a record, or one whose constructor needs a base without arguments, gets the members but not the base class, which would be an error of its own.
    private static CodeWriter.Scope Open(CodeWriter writer, ModelSpec model, string reason, bool isModule)
    {
        if (isModule)
            return CallWriter.Open(writer, model, $"Not written yet: its declaration has an error. {reason}.");
        writer.Lines("#pragma warning disable CS0108, CS0114 // Members of the base class may have the same names.", "/// <summary>", $"/// Not written yet: its declaration has an error. {reason}.", "/// </summary>");
        return writer.Block($"partial {(model.Type.Flaw == TypeSpec.Record ? "record" : "class")} {model.Type.Written} : {CallWriter.Contracts(model)}");
    }

    private static string BaseArguments(TypeSpec type, bool isModule) => isModule
        ? $"\"{type.Name}\""
        : string.Join(", ", (type.WrongBase?.Arguments ?? default).Select(argument => $"default({argument})!"));

    private static void WriteClass(CodeWriter writer, ModelSpec model, string reason)
    {
        string name = TypeSpec.Own(model.Type.Name);
        string input = model.IsModel ? "tokens" : "x", one = model.IsModel ? "token" : "x";
        bool isModule = model.Type is { WrongBase: null, Flaw: not TypeSpec.Record, HasBareConstructor: false };
        using CodeWriter.Scope type = Open(writer, model, reason, isModule);
        string contract = "global::Memory.Gen.Runtime.IMemory" + (model.IsModel ? "Model" : "Layer");
        // Where the class has that constructor itself, its others still have one to go on to.
        string constructor = model.Type.HasWrittenConstructor ? $"private {name}(object? none = null)" : $"public {name}(Device? device = null, ScalarType? dtype = null)";
        writer.Lines(
            Summary,
            $"{constructor} : base({BaseArguments(model.Type, isModule)}) => throw Mistake();",
            "",
            Summary,
            $"public {(isModule || model.Type.WrongBase is { HasForward: true } ? "override " : "")}Tensor forward(Tensor {input}) => throw Mistake();",
            "");
        foreach ((string result, string member, string parameters) in Calls(model.IsModel, input, one))
            if (model.Type.Members.Contains(member))
                writer.Lines($"{result} {contract}<State>.{member}({parameters.Replace(" = null", "")}) => throw Mistake();", "");
            else
                writer.Lines(Summary, $"public {result} {member}({parameters}) => throw Mistake();", "");
        if (!model.Type.Members.Contains("Card"))
            writer.Lines(Summary, "public static MemoryCard Card => throw Mistake();", "");
        writer.Lines(
            $"MemoryCard {contract}.Card => throw Mistake();",
            "",
            $"string {contract}.Declaration => throw Mistake();",
            "");
        if (model is { IsModel: true, Wrapper: not null })
            writer.Lines(
                "long global::Memory.Gen.Runtime.ISegmentedModel.NewTokens => throw Mistake();",
                "",
                "global::Memory.Gen.LossScope global::Memory.Gen.Runtime.ISegmentedModel.LossScope => throw Mistake();",
                "",
                "long global::Memory.Gen.Runtime.ISegmentedModel.LossTokens => throw Mistake();",
                "");
        writer.Lines(
            "private static global::System.InvalidOperationException Mistake() =>",
            $"    new global::System.InvalidOperationException(\"{model.Type.Name} cannot run: {reason}. Correct its declaration.\");",
            "");
        writer.Lines("/// <summary>The state of a class whose declaration has an error.</summary>");
        using CodeWriter.Scope state = writer.Block("public sealed class State : MemoryState");
        writer.Lines(
            "private State() : base(\"\", \"\", 1, torch.CPU, ScalarType.Float32) => throw Mistake();",
            "",
            Summary,
            "public static State Load(string path, Device? device = null, ScalarType? dtype = null) => throw Mistake();",
            "",
            Summary,
            "public override State Clone() => throw Mistake();",
            "",
            Summary,
            "public override State Rows(params long[] rows) => throw Mistake();",
            "",
            Summary,
            "public static State Join(params State[] states) => throw Mistake();");
    }
}
