using System.Collections.Generic;
using Memory.Gen.Generators.Specs;
using Memory.Gen.Generators.Writing;

namespace Memory.Gen.Generators.Memories.SlidingAttention;

/// <summary>Writes a softmax attention.</summary>
internal sealed class SlidingAttentionEmitter(SlidingAttentionSpec spec, int dim) : MixerEmitter
{
    private readonly int headDim = dim / spec.Heads;

    private bool IsGrouped => spec.KeyValueHeads != spec.Heads;

    private bool HasPositions => spec.RotaryBase != 0;

    private string KeyValueHeads => IsGrouped ? "KeyValueHeads" : "Heads";

    private string KeyAxis => IsGrouped ? "G" : "H";

    public override string ModuleName => spec.Window is null ? "CausalAttention" : "SlidingAttention";

    public override string StateName => ModuleName + "State";

    public override string Phrase =>
        "softmax attention over "
        + (spec.Window is { } window ? "the last " + Prose.Count(window, "token") : "the whole past")
        + ", " + Prose.Count(spec.Heads, "head") + " of " + Prose.Count(headDim, "feature")
        + (IsGrouped ? ", " + Prose.Count(spec.KeyValueHeads, "key and value head") : "")
        + (HasPositions ? ", rotary positions" : ", no positions");

    public override IEnumerable<string> Equations
    {
        get
        {
            string first = spec.Window is null ? "j <= t" : "t - w < j <= t";
            yield return "q_t, k_t, v_t = W_Q x_t, W_K x_t, W_V x_t";
            yield return HasPositions
                ? $"o_t = sum_j softmax_j((R_t q_t)^T (R_j k_j) / sqrt(K)) v_j,   {first},   R_t the rotation at position t"
                : $"o_t = sum_j softmax_j(q_t^T k_j / sqrt(K)) v_j,   {first}";
            yield return "y_t = W_O o_t";
            if (spec.Window == 1)
                yield return "a softmax over one token is 1: nothing trains W_Q and W_K";
        }
    }

    public override string Source =>
        "Vaswani et al.: Attention Is All You Need (arXiv 1706.03762), section 3.2"
        + (spec.Window is null ? "" : "; windows: Beltagy, Peters, Cohan: Longformer (arXiv 2004.05150), section 3.1")
        + (IsGrouped ? "; shared keys: Ainslie et al.: GQA (arXiv 2305.13245), section 2.2" : "")
        + (HasPositions ? "; positions: Su et al.: RoFormer (arXiv 2104.09864), section 3.4" : "") + ".";

    public override IEnumerable<string> Axes
    {
        get
        {
            yield return "H heads";
            yield return "K key features";
            if (IsGrouped)
                yield return "G key and value heads";
            yield return spec.Window is null ? "L tokens read before" : "w window";
        }
    }

    public override Size Size
    {
        get
        {
            long keyValueWidth = (long)spec.KeyValueHeads * headDim;
            Size size = Size.Product((2L * dim * dim) + (2L * dim * keyValueWidth));
            return spec.Window is { } window
                ? size with { FlopsPerToken = size.FlopsPerToken + (4L * dim * window), CacheElements = 2L * (window - 1) * keyValueWidth, Reach = window - 1 }
                : size with { FlopsPerTokenOfContext = 4L * dim, CacheElementsPerToken = 2 * keyValueWidth, Reach = null };
        }
    }

    public override void WriteModule(CodeWriter writer, string module, string state)
    {
        writer.Comment(Prose.Capital(Phrase) + ".");
        using CodeWriter.Scope type = writer.Block($"private sealed class {module} : nn.Module<Tensor, LayerState?, Tensor>");
        writer.Lines(
            "private const long "
                + $"Heads = {spec.Heads}, " + (IsGrouped ? $"KeyValueHeads = {spec.KeyValueHeads}, " : "") + $"HeadDim = {headDim}"
                + (spec.Window is { } window ? $", Window = {window};" : ";"),
            HasPositions ? $"private const double RotaryBase = {Prose.Literal(spec.RotaryBase)};" : null,
            "private readonly Linear query;  // D -> H*K",
            $"private readonly Linear key;  // D -> {KeyAxis}*K",
            $"private readonly Linear value;  // D -> {KeyAxis}*K",
            "private readonly Linear output;  // H*K -> D",
            "private bool registered;",
            "");
        using (writer.Block($"public {module}(Device? device, ScalarType? dtype) : base(nameof({module}))"))
            writer.Lines(
                "query = nn.Linear(Dim, Heads * HeadDim, hasBias: false, device: device, dtype: dtype);",
                $"key = nn.Linear(Dim, {KeyValueHeads} * HeadDim, hasBias: false, device: device, dtype: dtype);",
                $"value = nn.Linear(Dim, {KeyValueHeads} * HeadDim, hasBias: false, device: device, dtype: dtype);",
                "output = nn.Linear(Heads * HeadDim, Dim, hasBias: false, device: device, dtype: dtype);",
                "RegisterComponents();");
        writer.Blank();
        WriteForward(writer, state);
        writer.Blank();
        Registration.Write(writer, ["query", "key", "value", "output"]);
    }

    public override void WriteState(CodeWriter writer, string state)
    {
        string length = spec.Window is null ? "L" : "w-1";
        writer.Comment(spec.Window is null ? "What later tokens read: every token's key and value." : "What later tokens read: keys and values of the last w-1 tokens.");
        using CodeWriter.Scope type = writer.Block($"private sealed class {state} : LayerState");
        writer.Lines(
            $"public readonly StateTensor Keys;  // [B, {length}, {KeyAxis}, K]" + (HasPositions ? ", rotated" : ""),
            $"public readonly StateTensor Values;  // [B, {length}, {KeyAxis}, K]",
            "");
        using (writer.Block($"public {state}(MemoryState owner, string prefix) : base(owner, prefix)"))
            foreach (string name in new[] { "Keys", "Values" })
                writer.Lines(spec.Window is { } window
                    ? $"{name} = Cache(\"{name.ToLowerInvariant()}\", {window - 1}, {spec.KeyValueHeads}, {headDim});"
                    : $"{name} = GrowingCache(\"{name.ToLowerInvariant()}\", {spec.KeyValueHeads}, {headDim});");
    }

    private void WriteForward(CodeWriter writer, string state)
    {
        using CodeWriter.Scope method = writer.Block("public override Tensor forward(Tensor x, LayerState? layer)");
        string window = spec.Window is null ? "window: null" : "Window";
        writer.Lines(
            "using var scope = torch.NewDisposeScope();",
            $"var state = ({state}?)layer;",
            "long B = x.shape[0], T = x.shape[1];",
            HasPositions ? "Tensor positions = Rotary.Positions(x, state?.Positions);  // [T] or [B, T]" : null,
            "var (queries, keys, values) = Projection.Apply(x, query, key, value);",
            $"Tensor q = {Rotated("queries.view(B, T, Heads, HeadDim)")};  // [B, T, H, K]",
            $"Tensor k = {Rotated($"keys.view(B, T, {KeyValueHeads}, HeadDim)")};  // [B, T, {KeyAxis}, K]",
            $"Tensor v = values.view(B, T, {KeyValueHeads}, HeadDim);  // [B, T, {KeyAxis}, K]",
            $"Tensor o = SegmentAttention.Apply(q, k, v, {window}, state?.Keys.Value, state?.Values.Value, state?.Positions);  // [B, T, H, K]",
            $"state?.Keys.Append(k);  // {(spec.Window is null ? "all tokens" : "the last w-1 tokens")}",
            "state?.Values.Append(v);",
            "return Projection.Apply(o.reshape(B, T, Heads * HeadDim), output).MoveToOuterDisposeScope();  // [B, T, D]");
    }

    private string Rotated(string projection) => HasPositions ? $"Rotary.Apply({projection}, positions, RotaryBase)" : projection;
}
