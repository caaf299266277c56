using System.Linq;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Models;

/// <summary>Writes the calls that models and layers have alike, forward, NewState, Prefill, Step, LoadState and the card, and Read, which models have.</summary>
internal static class CallWriter
{
    /// <summary>Writes the calls; the class adds <c>Read(Tensor, State?)</c> to them, a model <c>Read(Tensor, State?, bool last)</c>.</summary>
    /// <param name="writer">Where to.</param>
    /// <param name="model">The model or layer.</param>
    /// <param name="weight">An expression for a weight that tells device and dtype.</param>
    /// <param name="training">How to train it where forward is not enough; null where it is.</param>
    public static void Write(CodeWriter writer, ModelSpec model, string weight, string? training)
    {
        string input = model.IsModel ? "tokens" : "x", one = model.IsModel ? "token" : "x";
        string inputs = model.IsModel ? "[B, T] int64" : "[B, T, Dim]", outputs = model.IsModel ? "[B, T, VocabSize]" : "[B, T, Dim]";
        string oneIn = model.IsModel ? "[B] int64" : "[B, Dim]", oneOut = model.IsModel ? "[B, VocabSize]" : "[B, Dim]";
        string name = $"nameof({Specs.TypeSpec.Own(model.Type.Name)})";
        string read = model.IsModel ? $"CallInput.Tokens({name}, {input}, VocabSize, {weight}" : $"CallInput.Features({name}, {input}, Dim, {weight}";
        string all = model.IsModel ? ", last: false" : "";
        writer.Lines(
            $"/// <summary>Reads whole sequences that begin here: {inputs} to {outputs}.</summary>",
            training is null ? null : $"/// <remarks>{training}</remarks>",
            model.Wrapper is null ? $"public override Tensor forward(Tensor {input}) => Read({read}), null{all});" : null);
        if (model.Wrapper is not null)
        {
            using CodeWriter.Scope method = writer.Block($"public override Tensor forward(Tensor {input})");
            writer.Lines($"using State state = NewState({read}).shape[0]);", $"return Prefill({input}, state);");
        }

        writer.Lines(
            "",
            "/// <summary>A state that has read nothing.</summary>",
            "/// <param name=\"batch\">Number of sequences, 0 or more.</param>");
        WriteForWeight("NewState(long batch)", "new State(batch, weight.device, weight.dtype)");
        writer.Lines(
            "",
            $"/// <summary>Reads on from a state and advances it, all or nothing: {inputs} to {outputs}. Any T, any split.</summary>");
        writer.Lines(ArgumentsOfReading(input, model.IsModel));
        WriteReading(writer, $"Prefill(Tensor {input}, State state)", $"{read}, state)", model.IsModel ? "logits" : "y", $"Read({input}, state{all})");
        if (model.IsModel)
        {
            writer.Lines(
                "",
                "/// <summary>Reads on as Prefill does, for the logits after the last token alone: [B, T] int64 to [B, VocabSize]. T at least 1, any split.</summary>");
            writer.Lines(ArgumentsOfReading(input, areTokens: true));
            WriteReading(writer, $"Read(Tensor {input}, State state)", $"{read}, state, least: 1)", "logits", $"Read({input}, state, last: true)");
        }

        writer.Lines(
            "",
            $"/// <summary>Reads one token of every sequence and advances the state: {oneIn} to {oneOut}.</summary>");
        writer.Lines(ArgumentsOfReading(one, model.IsModel));
        using (writer.Block($"public Tensor Step(Tensor {one}, State state)"))
            writer.Lines(
                "using var scope = torch.NewDisposeScope();",
                $"return Prefill({(model.IsModel ? $"CallInput.Token({name}, {one})" : $"CallInput.Feature({name}, {one}, Dim)")}, state).squeeze(1).MoveToOuterDisposeScope();");
        writer.Lines(
            "",
            "/// <summary>Loads a state that its Save wrote, in the element type of the weights.</summary>",
            "/// <param name=\"path\">The file; one of another model, or damaged, is an error that says so.</param>",
            $"/// <param name=\"device\">Where the state shall lie; null is where the {(model.IsModel ? "model" : "layer")} lies.</param>");
        WriteForWeight("LoadState(string path, Device? device = null)", "State.Load(path, device ?? weight.device, weight.dtype)");

        void WriteForWeight(string signature, string state)
        {
            using CodeWriter.Scope method = writer.Block("public State " + signature);
            writer.Lines($"Tensor weight = CallInput.Alive({name}, {weight});", $"return {state};");
        }
    }

    private static void WriteReading(CodeWriter writer, string signature, string advance, string output, string read)
    {
        using CodeWriter.Scope method = writer.Block("public Tensor " + signature);
        writer.Lines($"using var advance = {advance};", $"Tensor {output} = {read};", "advance.Commit();", $"return {output};");
    }

    // Of Prefill, Read and Step alike.
    private static string[] ArgumentsOfReading(string input, bool areTokens) =>
    [
        $"/// <param name=\"{input}\">What comes next in every sequence.</param>",
        "/// <param name=\"state\">What was read before; it has B sequences.</param>",
        $"/// <exception cref=\"global::System.ArgumentException\">It is no such tensor{(areTokens ? ", or on the CPU has an id outside the vocabulary; " : "; ")}or the state has other sequences, another element type or device.</exception>",
        "/// <exception cref=\"global::System.InvalidOperationException\">Another call is using the state.</exception>",
    ];

    /// <summary>Writes the card, with numbers that the compiler knows.</summary>
    public static void WriteCard(CodeWriter writer, ModelSpec model, Size size)
    {
        string contract = "global::Memory.Gen.Runtime.IMemory" + (model.IsModel ? "Model" : "Layer");
        writer.Lines(
            "/// <summary>",
            "/// What it costs, as the compiler knows it.",
            "/// " + ModelHeader.Sizes(size),
            "/// " + ModelHeader.Cost(size, isAverage: model.Wrapper is not null),
            "/// </summary>",
            "public static MemoryCard Card { get; } = new MemoryCard(",
            $"    model: nameof({Specs.TypeSpec.Own(model.Type.Name)}),",
            $"    parameters: {size.Parameters},",
            $"    memoryElements: {size.MemoryElements},",
            $"    cacheElements: {size.CacheElements},",
            $"    cacheElementsPerToken: {size.CacheElementsPerToken},",
            $"    flopsPerToken: {size.FlopsPerToken},",
            $"    flopsPerTokenOfContext: {size.FlopsPerTokenOfContext},",
            $"    receptiveField: {(size.Reach is { } reach ? (reach + 1).ToString(System.Globalization.CultureInfo.InvariantCulture) : "null")}{(size.CountElements > 0 || size.StretchTokens is not null ? "," : ");")}",
            size.CountElements > 0 ? $"    countElements: {size.CountElements}{(size.StretchTokens is not null ? "," : ");")}" : null,
            size.StretchTokens is { } stretch ? $"    stretchTokens: {stretch});" : null,
            "",
            $"MemoryCard {contract}.Card => Card;",
            "",
            $"string {contract}.Declaration => DeclarationHash;");
    }

    /// <summary>Writes what a trainer asks a model that cuts its text into segments.</summary>
    public static void WriteSegments(CodeWriter writer, Specs.WrapperSpec wrapper) => writer.Lines(
        "",
        "long global::Memory.Gen.Runtime.ISegmentedModel.NewTokens => NewTokens;",
        "",
        $"global::Memory.Gen.LossScope global::Memory.Gen.Runtime.ISegmentedModel.LossScope => global::Memory.Gen.LossScope.{wrapper.LossScope};",
        "",
        $"long global::Memory.Gen.Runtime.ISegmentedModel.LossTokens => {(wrapper.LossScope == LossScope.LastNTokens ? wrapper.LossTokens : 0)};",
        wrapper.LooksAhead ? "" : null,
        wrapper.LooksAhead ? "bool global::Memory.Gen.Runtime.ISegmentedModel.LooksAhead => true;" : null);

    /// <summary>What the class is besides a module.</summary>
    public static string Contracts(ModelSpec model) => Contract(model) + (model is { IsModel: true, Wrapper: not null } ? ", global::Memory.Gen.Runtime.ISegmentedModel" : "");

    /// <summary>
    /// Writes what an editor shows of the class and the line that opens it. The sizes are remarks: of two summaries an editor shows
    /// the first, and that is the user's own.
    /// </summary>
    public static CodeWriter.Scope Open(CodeWriter writer, ModelSpec model, string summary, params string?[] remarks)
    {
        writer.Lines("/// <summary>", "/// " + summary, "/// </summary>");
        if (remarks.Length > 0)
            writer.Lines(["/// <remarks>", .. remarks.OfType<string>().Select(line => "/// " + line), "/// </remarks>"]);
        writer.Lines(
            $"[global::System.CodeDom.Compiler.GeneratedCode(\"{SourceFile.Tool}\", \"{SourceFile.Version}\")]");
        return writer.Block($"partial class {model.Type.Written} : nn.Module<Tensor, Tensor>, {Contracts(model)}");
    }

    /// <summary>The interface of a model or layer with the type of its state.</summary>
    private static string Contract(ModelSpec model) =>
        $"global::Memory.Gen.Runtime.IMemory{(model.IsModel ? "Model" : "Layer")}<{model.Type.Written}.State>";
}
