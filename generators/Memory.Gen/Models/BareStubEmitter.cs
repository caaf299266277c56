using System.Linq;
using Memory.Gen.Generators.Specs;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Models;

/// <summary>
/// Writes a class with the same calls where the project lacks TorchSharp or the runtime, so that the types of both have no
/// names: the missing reference is then the only error that the declaration makes.
/// </summary>
internal static class BareStubEmitter
{
    private const string Summary = "/// <summary>Throws: the project lacks a reference.</summary>";

    public static string Emit(ModelSpec model) => SourceFile.Write(
        model.Type,
        [$"{model.Type.Name} cannot be written: MEMGEN301.", "Until the project references what it runs on, this file only keeps the code that uses it compiling."],
        [],
        writer => WriteClass(writer, model));

    private static void WriteClass(CodeWriter writer, ModelSpec model)
    {
        TypeSpec type = model.Type;
        string input = model.IsModel ? "tokens" : "x", one = model.IsModel ? "token" : "x";
        writer.Lines("/// <summary>Not written yet: the project lacks a reference. MEMGEN301.</summary>");
        using CodeWriter.Scope scope = writer.Block($"partial {(type.Flaw == TypeSpec.Record ? "record" : "class")} {type.Written}");
        // What anything can be made of; where that word is the project's own, at least what anything can be given to.
        string any = type.TakenWord == TakenWords.Dynamic ? "object" : TakenWords.Dynamic;
        string arguments = string.Join(", ", (type.WrongBase?.Arguments ?? default).Select(argument => $"default({argument})!"));
        writer.Lines(
            Summary,
            $"public {TypeSpec.Own(type.Name)}(object? device = null, object? dtype = null) : base({arguments}) => throw Mistake();",
            "",
            Summary,
            $"public {any} forward({any} {input}) => throw Mistake();",
            "");
        foreach ((string name, string member) in new[]
        {
            ("NewState", "State NewState(long batch)"),
            ("Prefill", $"{any} Prefill({any} {input}, State state)"),
            ("Read", $"{any} Read({any} {input}, State state)"),
            ("Step", $"{any} Step({any} {one}, State state)"),
            ("LoadState", $"State LoadState(string path, {any}? device = null)"),
            ("Card", $"static {any} Card"),
        })
            if (!type.Members.Contains(name) && (model.IsModel || name != "Read"))
                writer.Lines(Summary, $"public {member} => throw Mistake();", "");
        writer.Lines(
            "private static global::System.InvalidOperationException Mistake() =>",
            $"    new global::System.InvalidOperationException(\"{type.Name} cannot run: MEMGEN301. Add the reference that its project lacks.\");",
            "",
            "/// <summary>The state of a class that cannot be written.</summary>");
        using CodeWriter.Scope state = writer.Block("public sealed class State : global::System.IDisposable");
        writer.Lines("private State() => throw Mistake();");
        foreach (string member in new[]
        {
            $"static State Load(string path, {any}? device = null, {any}? dtype = null)", "State Clone()", "State Rows(params long[] rows)", "static State Join(params State[] states)",
            "void Detach()", "void Reset(params long[] rows)", "void Save(string path)", "void Dispose()",
            "long Batch", "long Bytes", $"{any} Positions",
        })
            writer.Lines("", Summary, $"public {member} => throw Mistake();");
    }
}
