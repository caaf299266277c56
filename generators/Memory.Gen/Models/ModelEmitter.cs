using System.Collections.Generic;
using System.Linq;
using Memory.Gen.Generators.Specs;
using Memory.Gen.Generators.Wrappers;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Models;

/// <summary>Writes a whole [MemoryModel]: embedding, layers, norm, head.</summary>
internal static class ModelEmitter
{
    public static string Emit(ModelSpec model)
    {
        EmittedMixer[] mixers = EmittedMixer.Of(model);
        WrapperEmitter? wrapper = model.Wrapper is { } use ? WrapperKinds.Of(use.Kind).Emitter(use.Spec, model.Dim) : null;
        Size size = SizeOf(model, mixers, wrapper);
        string[] nested = EmittedNames.Nested.Concat(EmittedMixer.Names(mixers)).ToArray();
        return SourceFile.Write(
            model.Type,
            ModelHeader.Lines(model, mixers, size, wrapper),
            wrapper?.StateName is { } state ? [.. nested, state] : nested,
            writer => WriteClass(writer, model, mixers, size, wrapper));
    }

    /// <summary>The exact sizes of a model.</summary>
    public static Size SizeOf(ModelSpec model, EmittedMixer[] mixers, WrapperEmitter? wrapper)
    {
        long dim = model.Dim, table = model.VocabSize * dim;
        Size ends = new Size(table + dim) + (model.TiedEmbeddings ? new Size(0, FlopsPerToken: 2 * table) : Size.Product(table));
        Size size = new(0);
        foreach (IGrouping<MixerUse, MixerUse> layers in model.Order.GroupBy(m => m))
        {
            Size layer = new Size(dim) + mixers.First(m => m.Use == layers.Key).Emitter.Size;
            if (layers.Key.FeedForward > 0)
                layer += new Size(dim) + Size.Product(3 * dim * layers.Key.FeedForward);
            size += layer.Times(layers.Count());
        }

        // Layers that are cut at different places leave none that no gradient passes, but for those that they happen to share.
        long?[] stretches = [.. mixers.Select(m => m.Emitter.StretchTokens).Distinct()];
        return (wrapper is null ? size + ends : Around(size, wrapper) + ends) with
        {
            StretchTokens = wrapper is not null ? wrapper.StretchTokens : stretches.Length == 1 ? stretches[0] : null,
        };
    }

    // The layers read more rows than there are new tokens; what a segment costs is spread over these.
    private static Size Around(Size layers, WrapperEmitter wrapper)
    {
        decimal segment = ((decimal)layers.FlopsPerToken * wrapper.RowsPerSegment) + wrapper.FlopsPerSegment;
        return (layers with { FlopsPerToken = (long)System.Math.Min(segment / wrapper.Shared.NewTokens, long.MaxValue / 4), Reach = 0 }) + wrapper.Size;
    }

    private static void WriteClass(CodeWriter writer, ModelSpec model, EmittedMixer[] mixers, Size size, WrapperEmitter? wrapper)
    {
        using CodeWriter.Scope type = CallWriter.Open(
            writer, model, ModelHeader.Summary(model, mixers, wrapper), ModelHeader.Sizes(size), ModelHeader.Cost(size, isAverage: wrapper is not null), ModelHeader.Training(mixers));
        writer.Lines(
            $"private const long VocabSize = {model.VocabSize}, Dim = {model.Dim};",
            mixers.Length > 1 ? $"private const string Pattern = \"{model.Pattern}\";" : null,
            $"private const int LayerCount = {model.Layers};");
        writer.Lines(wrapper?.Constants.ToArray() ?? []);
        writer.Lines(
            $"private const string DeclarationHash = \"{model.Hash}\";",
            "",
            "private readonly Embedding embedding;  // [VocabSize, D]",
            "private readonly global::TorchSharp.Modules.ModuleList<Layer> layers;",
            "private readonly RmsNorm norm;",
            model.TiedEmbeddings ? null : "private readonly Linear head;  // D -> VocabSize");
        writer.Lines([.. wrapper is null ? [] : ModulePart.Fields(wrapper.Parts), Registration.Field, ""]);
        WriteConstructor(writer, model, mixers, wrapper);
        writer.Blank();
        CallWriter.Write(writer, model, "embedding.Weight", ModelHeader.Training(mixers));
        writer.Blank();
        if (wrapper is null)
            WriteRead(writer, model);
        else
            wrapper.WriteRead(writer, model.TiedEmbeddings ? "embedding.Weight" : "head", mixers.Any(m => m.Emitter.Loss is not null));
        writer.Blank();
        WriteRegistration(writer, model, wrapper);
        writer.Blank();
        CallWriter.WriteCard(writer, model, size);
        if (wrapper is not null)
            CallWriter.WriteSegments(writer, wrapper.Shared);
        writer.Blank();
        LayerWriter.Write(writer, mixers);
        foreach (EmittedMixer mixer in mixers)
        {
            writer.Blank();
            mixer.Emitter.WriteModule(writer, mixer.Module, mixer.State);
            writer.Blank();
            mixer.Emitter.WriteState(writer, mixer.State);
        }

        writer.Blank();
        if (wrapper?.StateName is not null)
        {
            wrapper.WriteState(writer);
            writer.Blank();
        }

        StateWriter.Write(writer, model, mixers, wrapper);
    }

    private static void WriteRegistration(CodeWriter writer, ModelSpec model, WrapperEmitter? wrapper)
    {
        string[] own = model.TiedEmbeddings ? ["embedding", "layers", "norm"] : ["embedding", "layers", "norm", "head"];
        IEnumerable<ModulePart> parts = wrapper?.Parts ?? [];
        Registration.Write(
            writer,
            [.. own, .. parts.Where(p => !p.IsParameter).Select(p => p.Name)],
            parts.Where(p => p.IsParameter).Select(p => p.Name).ToArray());
    }

    private static void WriteConstructor(CodeWriter writer, ModelSpec model, EmittedMixer[] mixers, WrapperEmitter? wrapper)
    {
        string name = TypeSpec.Own(model.Type.Name);
        writer.Lines(
            "/// <summary>A model with fresh weights.</summary>",
            "/// <param name=\"device\">Where the weights lie; null is the CPU.</param>",
            "/// <param name=\"dtype\">Float32, Float64, BFloat16 or Float16; null is Float32.</param>");
        using CodeWriter.Scope constructor = writer.Block($"public {name}(Device? device = null, ScalarType? dtype = null) : base(nameof({name}))");
        writer.Lines(
            $"Initialize.RequireFloating(nameof({name}), dtype);",
            "embedding = new Embedding(VocabSize, Dim, device: device, dtype: dtype);",
            "layers = new();");
        if (mixers.Length == 1)
        {
            writer.Lines("for (int i = 0; i < LayerCount; i++)", $"    layers.append({NewLayer(mixers[0])});");
        }
        else
        {
            if (mixers.Any(m => m.Emitter.TakesDepth))
                writer.Lines("for (int i = 0; i < LayerCount; i++)", "    layers.append(Pattern[i] switch", "    {");
            else
                writer.Lines("foreach (char letter in Pattern)", "    layers.append(letter switch", "    {");
            foreach (EmittedMixer mixer in mixers.Take(mixers.Length - 1))
                writer.Lines($"        '{mixer.Letter}' => {NewLayer(mixer)},");
            writer.Lines($"        _ => {NewLayer(mixers[mixers.Length - 1])},", "    });");
        }

        writer.Lines(
            "norm = new RmsNorm(Dim, device: device, dtype: dtype);",
            model.TiedEmbeddings ? null : "head = nn.Linear(Dim, VocabSize, hasBias: false, device: device, dtype: dtype);");
        writer.Lines([.. (wrapper?.Parts ?? []).Select(p => $"{p.Name} = {p.Value};"), "RegisterComponents();"]);

        string NewLayer(EmittedMixer mixer)
        {
            string width = LayerWriter.HasOneWidth(mixers) ? "" : $"width: {mixer.Use.FeedForward}, ";
            string depth = mixer.Emitter.TakesDepth ? "depth: (double)i / LayerCount, " : "";
            return $"new Layer(new {mixer.Module}({depth}device, dtype), {width}device, dtype)";
        }
    }

    private static void WriteRead(CodeWriter writer, ModelSpec model)
    {
        using CodeWriter.Scope method = writer.Block("private Tensor Read(Tensor tokens, State? state, bool last)");
        writer.Lines(
            "using var scope = torch.NewDisposeScope();",
            "Tensor x = embedding.call(tokens);  // [B, T, D]",
            "for (int i = 0; i < LayerCount; i++)",
            "    x = layers[i].call(x, state?.Layers[i]);",
            "if (last) x = x.select(1, -1);  // [B, D]",
            $"return Projection.Apply(norm.call(x), {(model.TiedEmbeddings ? "embedding.Weight" : "head")}).MoveToOuterDisposeScope();  // [B, T, VocabSize] or [B, VocabSize]");
    }
}
