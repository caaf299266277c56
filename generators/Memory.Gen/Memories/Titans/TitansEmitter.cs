using System.Collections.Generic;
using System.Linq;
using Memory.Gen.Generators.Specs;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Memories.Titans;

/// <summary>Writes a Titans memory: the mixer of its variant, around the modules of memory and attention.</summary>
internal sealed class TitansEmitter(TitansSpec spec, int dim) : MixerEmitter
{
    private readonly int headDim = dim / spec.Heads;

    public override string ModuleName => TitansTexts.Name(spec.Variant);

    public override string StateName => ModuleName + "State";

    public override string Phrase => TitansTexts.Phrase(spec, headDim);

    public override IEnumerable<string> Equations => TitansTexts.Equations(spec);

    public override string Source => TitansTexts.Source(spec);

    public override IEnumerable<string> Axes
    {
        get
        {
            yield return "H heads";
            yield return "K head features";
            if (spec.MemoryDepth > 1)
                yield return "E hidden features of a memory";
            if (spec.HasAttention)
                yield return spec.IsSegmented ? "w segment" : "w window";
            if (spec.PersistentTokens > 0)
                yield return "P persistent tokens";
        }
    }

    public override Size Size => TitansSize.Of(spec, dim);

    public override long? StretchTokens => spec.Variant == TitansVariant.Context ? (spec.BackpropSegments + 1L) * spec.Window : null;

    public override void WriteModule(CodeWriter writer, string module, string state)
    {
        writer.Comment(Prose.Capital(Phrase) + ".");
        using CodeWriter.Scope type = writer.Block($"private sealed class {module} : nn.Module<Tensor, LayerState?, Tensor>");
        writer.Lines(
            $"private const long Heads = {spec.Heads}, HeadDim = {headDim}"
            + (spec.HasAttention ? $", Window = {spec.Window}" : "")
            + (spec.PersistentTokens > 0 ? $", PersistentTokens = {spec.PersistentTokens};" : ";"),
            spec.Variant == TitansVariant.Context ? Backpropagation.Constant(spec.BackpropSegments) : null);
        ModulePart[] parts = Parts().ToArray();
        ModulePart.WriteFieldsAndConstructor(writer, module, parts);
        writer.Blank();
        WriteForward(writer, state);
        writer.Blank();
        ModulePart.WriteRegistration(writer, parts);
        writer.Blank();
        new NeuralMemoryWriter(spec, headDim, state).Write(writer);
        if (!spec.HasAttention)
            return;
        writer.Blank();
        new TitansAttentionWriter(spec, state).Write(writer);
    }

    public override void WriteState(CodeWriter writer, string state) => TitansStateWriter.Write(writer, spec, headDim, state);

    private IEnumerable<ModulePart> Parts()
    {
        if (spec.HasTokens)
            yield return ModulePart.Parameter("persistent", "Initialize.Uniform([PersistentTokens, Dim], bound: 1.0, device, dtype)", "[P, D]");
        yield return ModulePart.Module("memory", NeuralMemoryWriter.Name);
        if (spec.HasAttention)
            yield return ModulePart.Module("attention", TitansAttentionWriter.Name(spec));
        switch (spec.Variant)
        {
            case TitansVariant.MemoryOnly:
                yield return ModulePart.Norm("norm", "HeadDim", "over K");
                yield return ModulePart.Linear("gate", "Dim", "Heads * HeadDim", "D -> H*K");
                break;
            case TitansVariant.Layer:
                yield return ModulePart.Norm("memory_norm", "HeadDim", "over K");
                yield return ModulePart.Linear("memory_gate", "Dim", "Heads * HeadDim", "D -> H*K");
                yield return ModulePart.Linear("memory_output", "Heads * HeadDim", "Dim", "H*K -> D");
                yield return ModulePart.Norm("attention_norm", "Dim", "over D");
                break;
            default:
                if (spec.Variant == TitansVariant.Context)
                    yield return ModulePart.Norm("recall_norm", "HeadDim", "over K");
                yield return ModulePart.Norm("memory_norm", "HeadDim", "over K");
                yield return ModulePart.Norm("attention_norm", "HeadDim", "over K");
                break;
        }

        yield return ModulePart.Linear("output", "Heads * HeadDim", "Dim", "H*K -> D");
    }

    private void WriteForward(CodeWriter writer, string state)
    {
        if (spec.Variant == TitansVariant.Context)
        {
            WriteContext(writer, state);
            return;
        }

        using (writer.Block("public override Tensor forward(Tensor x, LayerState? layer)"))
            writer.Lines(
            [
                "using var scope = torch.NewDisposeScope();",
                $"var state = ({state}?)layer;",
                spec.HasTokens ? Tokens : null,
                .. Body(),
            ]);
        if (spec.Variant == TitansVariant.Layer)
            WriteShown(writer);
    }

    private const string Tokens = "Tensor tokens = persistent.unsqueeze(0);  // [1, P, D]";

    private string Persistent => spec.HasTokens ? ", tokens" : "";

    private string Gated => spec.Squash == TitansSquash.Attention
        ? "attention_norm.call(y).sigmoid() * memory_norm.call(m)"
        : "attention_norm.call(y) * memory_norm.call(m).sigmoid()";

    private IEnumerable<string> Body()
    {
        switch (spec.Variant)
        {
            case TitansVariant.MemoryOnly:
                yield return $"Tensor m = memory.Read(x{Persistent}, state);  // [B, T, H, K]";
                yield return "Tensor o = norm.GatedHeads(m, Projection.Apply(x, gate));  // [B, T, H*K], RMSNorm(m) * SiLU(W_G x)";
                break;
            case TitansVariant.Gate:
                yield return $"Tensor y = attention.Read(x{Persistent}, state);  // [B, T, H, K]";
                yield return $"Tensor m = memory.Read(x{Persistent}, state);  // [B, T, H, K]";
                yield return $"Tensor o = ({Gated}).flatten(2);  // [B, T, H*K]";
                break;
            default:
                yield return spec.HasTokens
                    ? "var (recalled, m) = memory.Read(x, tokens, state);  // [1, P, H, K], [B, T, H, K]"
                    : "Tensor m = memory.Read(x, state);  // [B, T, H, K]";
                yield return $"Tensor o = attention.Read(Shown(x, m){(spec.HasTokens ? ", Shown(tokens, recalled)" : "")}, state).flatten(2);  // [B, T, H*K]";
                break;
        }

        yield return "return Projection.Apply(o, output).MoveToOuterDisposeScope();  // [B, T, D]";
    }

    private static void WriteShown(CodeWriter writer)
    {
        writer.Lines("", "// What the attention is shown of the memory.");
        using CodeWriter.Scope method = writer.Block("private Tensor Shown(Tensor x, Tensor m)");
        writer.Lines(
            "Tensor gated = memory_norm.GatedHeads(m, Projection.Apply(x, memory_gate));  // [B, T, H*K], RMSNorm(m) * SiLU(W_G x)",
            "return attention_norm.call(Projection.Apply(gated, memory_output));  // [B, T, D]");
    }

    private void WriteContext(CodeWriter writer, string state)
    {
        using (writer.Block("public override Tensor forward(Tensor x, LayerState? layer)"))
            writer.Lines(
                "using var scope = torch.NewDisposeScope();",
                "// Segments go through a state; a call without one has its own.",
                "using MemoryState? own = layer is null ? MemoryState.ForOneCall(x) : null;",
                $"var state = ({state})(layer ?? new {state}(own!, \"mixer\"));",
                spec.HasTokens ? Tokens : null,
                "var outputs = new TensorList();",
                "foreach (RaggedSegment span in RaggedSegment.Of(x.shape[1], Window, state))",
                "{",
                "    state.Cut((BackpropSegments + 1) * Window, span.Start);  // gradients end where a stretch begins",
                $"    outputs.Add(Read(span.Of(x){Persistent}, span, state));",
                "}",
                "",
                "return Projection.Apply(torch.cat(outputs, 1), output).MoveToOuterDisposeScope();  // [B, T, D]");
        writer.Blank();
        writer.Comment("What a call brings of one segment; segments run one after another, for each recalls what those before it have written.");
        string tokens = spec.HasTokens ? ", Tensor tokens" : "";
        using (writer.Block($"private Tensor Read(Tensor x{tokens}, RaggedSegment span, {state} state)"))
            writer.Lines(
                "Tensor h = recall_norm.call(memory.Recall(x, span, state)).flatten(2);  // [B, T, H*K]",
                $"Tensor y = attention.Read(x, h{Persistent}, span, state);  // [B, T, H, K]",
                "Tensor m = memory.Read(y.flatten(2), span, state);  // [B, T, H, K]",
                $"return ({Gated}).flatten(2);  // [B, T, H*K]");
    }
}
