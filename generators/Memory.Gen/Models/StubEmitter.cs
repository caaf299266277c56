using System.Linq;
using Memory.Gen.Generators.Specs;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Models;

/// <summary>
/// Writes a class with the same API and bodies that throw, for a declaration with a mistake: the mistake is then the only
/// error, and code that uses the class still compiles.
/// </summary>
internal static class StubEmitter
{
    public static string Emit(ModelSpec model, EquatableArray<SpecError> errors)
    {
        string reason = errors.Count == 0 ? "an error in its attributes" : string.Join(", ", errors.Select(e => e.Id).Distinct());
        string[] header =
        [
            $"{model.Type.Name} cannot be written: {reason}.",
            "Until its declaration is right, this file only keeps the code that uses it compiling.",
        ];
        return SourceFile.Write(model.Type, header, [], writer => WriteClass(writer, model, reason));
    }

    private static void WriteClass(CodeWriter writer, ModelSpec model, string reason)
    {
        string name = TypeSpec.Escape(model.Type.Name);
        string input = model.IsModel ? "tokens" : "x", one = model.IsModel ? "token" : "x";
        using CodeWriter.Scope type = CallWriter.Open(writer, model, "Not written yet: its declaration has an error.", reason + ".");
        writer.Lines(
            "/// <summary>Throws: the declaration has an error.</summary>",
            $"public {name}(Device? device = null, ScalarType? dtype = null) : base(nameof({name})) => throw Mistake();",
            "",
            "/// <summary>Throws: the declaration has an error.</summary>",
            $"public override Tensor forward(Tensor {input}) => throw Mistake();",
            "",
            "/// <summary>Throws: the declaration has an error.</summary>",
            "public State NewState(long batch) => throw Mistake();",
            "",
            "/// <summary>Throws: the declaration has an error.</summary>",
            $"public Tensor Prefill(Tensor {input}, State state) => throw Mistake();",
            "",
            "/// <summary>Throws: the declaration has an error.</summary>",
            $"public Tensor Step(Tensor {one}, State state) => throw Mistake();",
            "",
            "/// <summary>Throws: the declaration has an error.</summary>",
            "public State LoadState(string path, Device? device = null) => throw Mistake();",
            "",
            "/// <summary>Throws: the declaration has an error.</summary>",
            "public static MemoryCard Card => throw Mistake();",
            "");
        string contract = "global::Memory.Gen.Runtime.IMemory" + (model.IsModel ? "Model" : "Layer");
        writer.Lines(
            $"MemoryCard {contract}.Card => throw Mistake();",
            "",
            $"string {contract}.Declaration => throw Mistake();",
            "",
            "private static global::System.InvalidOperationException Mistake() =>",
            $"    new global::System.InvalidOperationException(\"{model.Type.Name} cannot run: {reason}. Correct its declaration.\");",
            "");
        writer.Lines("/// <summary>The state of a class whose declaration has an error.</summary>");
        using CodeWriter.Scope state = writer.Block("public sealed class State : MemoryState");
        writer.Lines(
            "private State() : base(\"\", \"\", 1, torch.CPU, ScalarType.Float32) => throw Mistake();",
            "",
            "/// <summary>Throws: the declaration has an error.</summary>",
            "public static State Load(string path, Device? device = null) => throw Mistake();",
            "",
            "/// <summary>Throws: the declaration has an error.</summary>",
            "public State Clone() => throw Mistake();");
    }
}
