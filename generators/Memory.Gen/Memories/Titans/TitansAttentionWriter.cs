using System.Collections.Generic;
using System.Linq;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Memories.Titans;

/// <summary>Writes the module of the attention beside a memory, up to what every token reads.</summary>
internal sealed class TitansAttentionWriter(TitansSpec spec, string state)
{
    private bool IsContext => spec.Variant == TitansVariant.Context;

    /// <summary>The module's name.</summary>
    public static string Name(TitansSpec spec) => spec.IsSegmented ? "SegmentedAttention" : "WindowAttention";

    public void Write(CodeWriter writer)
    {
        string name = Name(spec);
        writer.Lines(Comment());
        using CodeWriter.Scope type = writer.Block($"private sealed class {name} : nn.Module");
        if (spec.HasPositions)
            writer.Lines($"private const double RotaryBase = {Prose.Literal(spec.RotaryBase)};");
        ModulePart[] parts = Parts().ToArray();
        ModulePart.WriteFieldsAndConstructor(writer, name, parts);
        writer.Blank();
        using (writer.Block($"public Tensor Read({Parameters()})  // [B, T, D] -> [B, T, H, K]"))
            writer.Lines(Body().ToArray());
        WriteHelpers(writer);
        writer.Blank();
        ModulePart.WriteRegistration(writer, parts);
    }

    private string Comment() => "// Softmax attention"
        + (spec.IsSegmented ? " within segments" : " over a window")
        + (IsContext ? ", over what was recalled for a token and the token itself" : "")
        + (spec.PersistentTokens > 0 ? "; the persistent " + (spec.HasTokens ? "tokens are" : "keys are") + " always in view." : ".");

    private IEnumerable<ModulePart> Parts()
    {
        foreach (string name in new[] { "query", "key", "value" })
            yield return ModulePart.Linear(name, "Dim", "Heads * HeadDim", "D -> H*K");
        if (spec.HasRows)
            foreach (string name in new[] { "persistent_keys", "persistent_values" })
                yield return ModulePart.Parameter(name, "Initialize.Uniform([PersistentTokens, Heads, HeadDim], 1.0, device, dtype)", "[P, H, K]");
    }

    private string Parameters()
    {
        string tokens = spec.HasTokens ? ", Tensor tokens" : "";
        return IsContext ? $"Tensor x, Tensor h{tokens}, RaggedSegment span, {state} state" : $"Tensor x{tokens}, {state}? state";
    }

    private IEnumerable<string> Body()
    {
        yield return "long B = x.shape[0], T = x.shape[1];";
        if (spec.HasPositions)
            yield return IsContext
                ? "Tensor positions = span.Positions(x);  // [T] or [B, T]"
                : "Tensor positions = Rotary.Positions(x, state?.Positions);  // [T] or [B, T]";
        bool split = spec.PersistentTokens > 0 && spec.HasPositions;
        if (split)
            yield return "Tensor still = query.call(x).view(B, T, Heads, HeadDim);  // [B, T, H, K], for keys without a position";
        yield return $"Tensor q = {Rotated(split ? "still" : "query.call(x).view(B, T, Heads, HeadDim)")};  // [B, T, H, K]";
        yield return $"Tensor {(IsContext ? "ownKeys" : "k")} = {Rotated("key.call(x).view(B, T, Heads, HeadDim)")};  // [B, T, H, K]";
        yield return $"Tensor {(IsContext ? "ownValues" : "v")} = value.call(x).view(B, T, Heads, HeadDim);  // [B, T, H, K]";
        if (IsContext)
        {
            yield return $"Tensor recalledKeys = {Rotated("key.call(h).view(B, T, Heads, HeadDim)")};  // [B, T, H, K]";
            yield return "Tensor recalledValues = value.call(h).view(B, T, Heads, HeadDim);  // [B, T, H, K]";
            yield return "Tensor k = Pairs(recalledKeys, ownKeys), v = Pairs(recalledValues, ownValues);  // [B, 2T, H, K]";
        }

        if (spec.HasTokens)
        {
            yield return "Tensor keys = key.call(tokens).view(1, -1, Heads, HeadDim).expand(B, -1, -1, -1);  // [B, P, H, K]";
            yield return "Tensor values = value.call(tokens).view(1, -1, Heads, HeadDim).expand(B, -1, -1, -1);  // [B, P, H, K]";
        }
        else if (spec.HasRows)
        {
            yield return "Tensor keys = persistent_keys.expand(B, -1, -1, -1), values = persistent_values.expand(B, -1, -1, -1);  // [B, P, H, K]";
        }

        foreach (string line in IsContext ? ContextRead() : spec.IsSegmented ? SegmentedRead() : WindowRead())
            yield return line;
    }

    private string Prefix(string queries) => spec.PersistentTokens == 0 ? ""
        : ", prefixKeys: keys, prefixValues: values" + (spec.HasPositions ? $", prefixQueries: {queries}" : "");

    private IEnumerable<string> WindowRead()
    {
        yield return "Tensor y = SegmentAttention.Apply(";
        yield return $"    q, k, v, Window, state?.Keys.Value, state?.Values.Value, state?.Positions{Prefix("still")});  // [B, T, H, K]";
        yield return "state?.Keys.Update(Latest(state.Keys.Value, k));";
        yield return "state?.Values.Update(Latest(state.Values.Value, v));";
        yield return "return y;";
    }

    private IEnumerable<string> SegmentedRead()
    {
        yield return "var outputs = new TensorList();";
        yield return "foreach (RaggedSegment span in RaggedSegment.Of(T, Window, state))";
        yield return "{";
        yield return "    outputs.Add(SegmentAttention.Apply(";
        yield return $"        span.Of(q), span.Of(k), span.Of(v), window: null, span.Past(state?.Keys), span.Past(state?.Values), span.Read{Prefix("span.Of(still)")}));";
        yield return "    state?.Keys.Update(Latest(state.Keys.Value, span.Of(k)));";
        yield return "    state?.Values.Update(Latest(state.Values.Value, span.Of(v)));";
        yield return "}";
        yield return "";
        yield return "return torch.cat(outputs, 1);";
    }

    private IEnumerable<string> ContextRead()
    {
        yield return "Tensor y = SegmentAttention.Apply(";
        yield return $"    q, k, v, window: null, span.Past(state.Keys), span.Past(state.Values), span.Read{Prefix("still")});  // [B, T, H, K]";
        yield return "state.Keys.Update(Latest(state.Keys.Value, k));";
        yield return "state.Values.Update(Latest(state.Values.Value, v));";
        yield return "return y;";
    }

    private void WriteHelpers(CodeWriter writer)
    {
        if (IsContext)
            writer.Lines(
                "",
                "// One after the other for each token, so that both are seen or neither.",
                "private static Tensor Pairs(Tensor recalled, Tensor own) => torch.stack(new[] { recalled, own }, 2).flatten(1, 2);");
        string length = IsContext ? "2 * (Window - 1)" : "Window - 1";
        writer.Lines(
            "",
            "// What was kept and what is new, of the last w - 1 tokens.",
            "private static Tensor Latest(Tensor past, Tensor next) =>",
            $"    torch.cat(new[] {{ past, next }}, 1).narrow(1, next.shape[1], {length});  // [B, {(IsContext ? "2(w-1)" : "w-1")}, H, K]");
    }

    private string Rotated(string projection) => spec.HasPositions ? $"Rotary.Apply({projection}, positions, RotaryBase)" : projection;
}
