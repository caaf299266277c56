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
        writer.Comment(Comment());
        using CodeWriter.Scope type = writer.Block($"private sealed class {name} : nn.Module");
        if (spec.HasPositions)
            writer.Lines($"private const double RotaryBase = {Prose.Literal(spec.RotaryBase)};");
        ModulePart[] parts = Parts().ToArray();
        ModulePart.WriteFieldsAndConstructor(writer, name, parts);
        writer.Blank();
        using (writer.Block($"public Tensor Read({Parameters()})  // [B, T, D] -> [B, T, H, K]"))
            writer.Lines(Body().ToArray());
        if (IsContext)
            WritePairs(writer);
        writer.Blank();
        ModulePart.WriteRegistration(writer, parts);
    }

    private string Comment() => "Softmax attention"
        + (spec.IsSegmented ? " within segments" : " over a window")
        + (IsContext ? ", over what was recalled for a token and the token itself" : "")
        + (spec.PersistentTokens > 0 ? "; the persistent " + (spec.HasTokens ? "tokens are" : "keys are") + " always in view." : ".");

    private IEnumerable<ModulePart> Parts()
    {
        foreach (string name in new[] { "query", "key", "value" })
            yield return ModulePart.Linear(name, "Dim", "Heads * HeadDim", "D -> H*K");
        if (spec.HasRows)
            foreach (string name in new[] { "persistent_keys", "persistent_values" })
                yield return ModulePart.Parameter(name, "Initialize.Uniform([PersistentTokens, Heads, HeadDim], bound: 1.0, device, dtype)", "[P, H, K]");
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
        yield return "var (queries, keys, values) = Projection.Apply(x, query, key, value);";
        if (split)
            yield return "Tensor still = queries.view(B, T, Heads, HeadDim);  // [B, T, H, K], for keys without a position";
        yield return $"Tensor q = {Rotated(split ? "still" : "queries.view(B, T, Heads, HeadDim)")};  // [B, T, H, K]";
        yield return $"Tensor k = {Rotated("keys.view(B, T, Heads, HeadDim)")};  // [B, T, H, K]";
        yield return "Tensor v = values.view(B, T, Heads, HeadDim);  // [B, T, H, K]";
        if (IsContext)
        {
            yield return "var (recalledKeys, recalledValues) = Projection.Apply(h, key, value);";
            yield return $"k = Pairs({Rotated("recalledKeys.view(B, T, Heads, HeadDim)")}, k);  // [B, 2T, H, K]";
            yield return "v = Pairs(recalledValues.view(B, T, Heads, HeadDim), v);  // [B, 2T, H, K]";
        }

        if (spec.HasTokens)
        {
            yield return "var (tokenKeys, tokenValues) = Projection.Apply(tokens, key, value);";
            yield return "Tensor pk = tokenKeys.view(1, -1, Heads, HeadDim).expand(B, -1, -1, -1);  // [B, P, H, K]";
            yield return "Tensor pv = tokenValues.view(1, -1, Heads, HeadDim).expand(B, -1, -1, -1);  // [B, P, H, K]";
        }
        else if (spec.HasRows)
        {
            yield return "Tensor pk = persistent_keys.expand(B, -1, -1, -1), pv = persistent_values.expand(B, -1, -1, -1);  // [B, P, H, K]";
        }

        foreach (string line in IsContext ? ContextRead() : spec.IsSegmented ? SegmentedRead() : WindowRead())
            yield return line;
    }

    private string Prefix(string queries) => spec.PersistentTokens == 0 ? ""
        : ", prefixKeys: pk, prefixValues: pv" + (spec.HasPositions ? $", prefixQueries: {queries}" : "");

    private IEnumerable<string> WindowRead()
    {
        yield return "Tensor y = SegmentAttention.Apply(";
        yield return $"    q, k, v, Window, state?.Keys.Value, state?.Values.Value, state?.Positions{Prefix("still")});  // [B, T, H, K]";
        yield return "state?.Keys.Append(k);  // the last w-1 tokens";
        yield return "state?.Values.Append(v);";
        yield return "return y;";
    }

    private IEnumerable<string> SegmentedRead()
    {
        yield return "var outputs = new TensorList();";
        yield return "foreach (RaggedSegment span in RaggedSegment.Of(T, Window, state))";
        yield return "{";
        yield return "    outputs.Add(SegmentAttention.Apply(";
        yield return $"        span.Of(q), span.Of(k), span.Of(v), window: null, span.Past(state?.Keys), span.Past(state?.Values), span.Read{Prefix("span.Of(still)")}));";
        yield return "    state?.Keys.Append(span.Of(k));  // of these the running segment's are read again";
        yield return "    state?.Values.Append(span.Of(v));";
        yield return "}";
        yield return "";
        yield return "return torch.cat(outputs, 1);";
    }

    private IEnumerable<string> ContextRead()
    {
        yield return "Tensor y = SegmentAttention.Apply(";
        yield return $"    q, k, v, window: null, span.Past(state.Keys), span.Past(state.Values), span.Read{Prefix("still")});  // [B, T, H, K]";
        yield return "state.Keys.Append(k);  // of these the running segment's are read again, recalled and own";
        yield return "state.Values.Append(v);";
        yield return "return y;";
    }

    private static void WritePairs(CodeWriter writer) => writer.Lines(
        "",
        "// One after the other for each token, so that both are seen or neither.",
        "private static Tensor Pairs(Tensor recalled, Tensor own) => torch.stack(new[] { recalled, own }, 2).flatten(1, 2);");

    private string Rotated(string projection) => spec.HasPositions ? $"Rotary.Apply({projection}, positions, RotaryBase)" : projection;
}
