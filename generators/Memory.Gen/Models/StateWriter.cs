using System.Linq;
using Memory.Gen.Generators.Specs;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Models;

/// <summary>Writes the public state of a class, and the constructor, calls and card that go with it.</summary>
internal static class StateWriter
{
    /// <summary>Writes the nested class <c>State</c>.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="model">The model or layer.</param>
    /// <param name="mixers">Its mixers.</param>
    /// <param name="wrapper">The memory around its layers; null for none.</param>
    public static void Write(CodeWriter writer, ModelSpec model, EmittedMixer[] mixers, WrapperEmitter? wrapper = null)
    {
        string name = TypeSpec.Own(model.Type.Name);
        writer.Lines($"/// <summary>What {name} remembers of the sequences it reads, one row each. The caller owns it.</summary>");
        using CodeWriter.Scope type = writer.Block("public sealed class State : MemoryState");
        using (writer.Block($"internal State(long batch, Device device, ScalarType dtype) : base(nameof({name}), DeclarationHash, batch, device, dtype)"))
        {
            if (wrapper is not null)
                writer.Lines(wrapper.StateName is { } own ? $"Memory = new {own}(this, \"memory\");" : null, "Window = new WindowState(this);");
            WriteLayers(writer, model, mixers, wrapper is null ? "this" : "Window");
        }

        writer.Lines(
            "",
            wrapper?.StateName is null ? null : "internal LayerState Memory { get; }",
            wrapper?.StateName is null ? null : "",
            wrapper is null ? null : "internal WindowState Window { get; }",
            wrapper is null ? null : "",
            model.IsModel ? "internal LayerState[] Layers { get; }" : "internal LayerState Layer { get; }",
            "",
            "/// <summary>Loads a state that Save wrote.</summary>",
            "/// <param name=\"path\">The file; one of another model, or damaged, is an error that says so.</param>",
            "/// <param name=\"device\">Where the state shall lie; null is the CPU.</param>",
            "/// <param name=\"dtype\">Element type of the model that it is for; null is that of the one that made it.</param>");
        using (writer.Block("public static State Load(string path, Device? device = null, ScalarType? dtype = null)"))
            writer.Lines("var state = new State(BatchOf(path), device ?? torch.CPU, dtype ?? DtypeOf(path));", "state.Read(path);", "return state;");
        writer.Lines(
            "",
            "/// <summary>A deep copy; gradients flow through it too.</summary>",
            "public override State Clone() => (State)base.Clone();",
            "",
            "/// <summary>A deep copy of some rows, in the order given; gradients flow through it too.</summary>",
            "/// <param name=\"rows\">Row numbers from 0, at least one; one may be named more than once.</param>",
            "public override State Rows(params long[] rows) => (State)base.Rows(rows);",
            "",
            "/// <summary>Deep copies of the rows of several states, one state's after the other's; gradients flow through them too.</summary>",
            "/// <param name=\"states\">At least one; of one device and element type.</param>",
            "public static State Join(params State[] states) => (State)MemoryState.Join(states);",
            "",
            "/// <inheritdoc/>",
            "protected override MemoryState New(long batch) => new State(batch, this.Device, this.Dtype);");
    }

    private static void WriteLayers(CodeWriter writer, ModelSpec model, EmittedMixer[] mixers, string owner)
    {
        if (!model.IsModel)
        {
            writer.Lines($"Layer = new {mixers[0].State}({owner}, \"mixer\");");
            return;
        }

        writer.Lines("Layers = new LayerState[LayerCount];", "for (int i = 0; i < LayerCount; i++)");
        if (mixers.Length == 1)
        {
            writer.Lines($"    Layers[i] = new {mixers[0].State}({owner}, \"layers.\" + i);");
            return;
        }

        writer.Lines("    Layers[i] = Pattern[i] switch", "    {");
        foreach (EmittedMixer mixer in mixers.Take(mixers.Length - 1))
            writer.Lines($"        '{mixer.Letter}' => new {mixer.State}({owner}, \"layers.\" + i),");
        writer.Lines($"        _ => new {mixers[mixers.Length - 1].State}({owner}, \"layers.\" + i),", "    };");
    }
}
