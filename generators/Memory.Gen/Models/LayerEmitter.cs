using System.Linq;
using Memory.Gen.Generators.Specs;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Models;

/// <summary>Writes a [MemoryLayer]: one mixer with its state, for a model of somebody else.</summary>
internal static class LayerEmitter
{
    public static string Emit(ModelSpec model)
    {
        EmittedMixer[] mixers = EmittedMixer.Of(model);
        Size size = mixers[0].Emitter.Size with { StretchTokens = mixers[0].Emitter.StretchTokens };
        return SourceFile.Write(
            model.Type,
            ModelHeader.Lines(model, mixers, size),
            EmittedMixer.Names(mixers).ToArray(),
            writer => WriteClass(writer, model, mixers, size));
    }

    private static void WriteClass(CodeWriter writer, ModelSpec model, EmittedMixer[] mixers, Size size)
    {
        string name = TypeSpec.Own(model.Type.Name);
        EmittedMixer mixer = mixers[0];
        using CodeWriter.Scope type = CallWriter.Open(writer, model, ModelHeader.Summary(model, mixers), ModelHeader.Sizes(size), ModelHeader.Cost(size, isAverage: false), ModelHeader.Training(mixers));
        writer.Lines(
            $"private const long Dim = {model.Dim};",
            $"private const string DeclarationHash = \"{model.Hash}\";",
            "",
            $"private readonly {mixer.Module} mixer;",
            Registration.Field,
            "",
            "/// <summary>A layer with fresh weights.</summary>",
            "/// <param name=\"device\">Where the weights lie; null is the CPU.</param>",
            "/// <param name=\"dtype\">Float32, Float64, BFloat16 or Float16; null is Float32.</param>");
        using (writer.Block($"public {name}(Device? device = null, ScalarType? dtype = null) : base(nameof({name}))"))
            writer.Lines($"Initialize.RequireFloating(nameof({name}), dtype);", $"mixer = new {mixer.Module}({(mixer.Emitter.TakesDepth ? "depth: 0.0, " : "")}device, dtype);", "RegisterComponents();");
        writer.Blank();
        CallWriter.Write(writer, model, "Weight", ModelHeader.Training(mixers));
        writer.Lines("", "private Parameter Weight => mixer.get_parameter(\"output.weight\")!;  // tells where the layer lies, and its element type");
        writer.Lines("", "private Tensor Read(Tensor x, State? state) => mixer.call(x, state?.Layer);  // [B, T, D]", "");
        Registration.Write(writer, ["mixer"]);
        writer.Blank();
        CallWriter.WriteCard(writer, model, size);
        writer.Blank();
        mixer.Emitter.WriteModule(writer, mixer.Module, mixer.State);
        writer.Blank();
        mixer.Emitter.WriteState(writer, mixer.State);
        writer.Blank();
        StateWriter.Write(writer, model, mixers);
    }
}
