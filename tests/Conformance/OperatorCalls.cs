using System.Globalization;
using Memory.Gen.Runtime.Operators;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Conformance;

/// <summary>One operator call as a vector file describes it.</summary>
/// <param name="Inputs">Inputs by name, without the <c>in.</c>.</param>
/// <param name="Scalars">The file's metadata.</param>
/// <param name="Form">The form to run.</param>
/// <param name="Chunk">Tokens of a chunk; null for the operator's default.</param>
internal sealed record OperatorCall(
    IReadOnlyDictionary<string, Tensor> Inputs, IReadOnlyDictionary<string, string> Scalars, OperatorForm Form, int? Chunk)
{
    public Tensor this[string name] => Inputs.TryGetValue(name, out Tensor? tensor)
        ? tensor
        : throw new InvalidDataException($"the file has no in.{name}");

    public Tensor? Optional(string name) => Inputs.GetValueOrDefault(name);

    public double Scalar(string name) =>
        Scalars.TryGetValue(name, out string? text) && double.TryParse(text, NumberStyles.Float, CultureInfo.InvariantCulture, out double value)
            ? value
            : throw new InvalidDataException($"the file's metadata has no number '{name}'");

    public int Integer(string name) => checked((int)Scalar(name));
}

/// <summary>How each operator name in a vector file is called, and what its outputs are called there.</summary>
internal static class OperatorCalls
{
    private static readonly Dictionary<string, Func<OperatorCall, Dictionary<string, Tensor>>> Table = new()
    {
        ["linear_attention"] = c => Read(LinearAttention.Apply(
            c["q"], c["k"], c["v"], c.Optional("initial_state"), c.Scalar("scale"), c.Form, c.Chunk)),
        ["linear_attention_normalized"] = Normalized,
        ["scalar_decay"] = c => Read(ScalarDecay.Apply(
            c["q"], c["k"], c["v"], c["log_decay"], c.Optional("initial_state"), c.Scalar("scale"), c.Form, c.Chunk)),
        ["channel_decay"] = c => Read(ChannelDecay.Apply(
            c["q"], c["k"], c["v"], c["log_decay"], c.Optional("initial_state"), c.Scalar("scale"), c.Form, c.Chunk)),
        ["bonus_decay"] = c => Read(BonusDecay.Apply(
            c["q"], c["k"], c["v"], c["log_decay"], c["bonus"], c.Optional("initial_state"), c.Scalar("scale"), c.Form, c.Chunk)),
        ["delta_rule"] = c => Read(DeltaRule.Apply(
            c["q"], c["k"], c["v"], c["beta"], c.Optional("initial_state"), c.Scalar("scale"), c.Form, c.Chunk)),
        ["gated_delta_rule"] = c => Read(GatedDeltaRule.Apply(
            c["q"], c["k"], c["v"], c["beta"], c["log_decay"], c.Optional("initial_state"), c.Scalar("scale"), c.Form, c.Chunk)),
        ["delta_product"] = c => Read(DeltaProduct.Apply(
            c["q"], c["k"], c["v"], c["beta"], c.Optional("log_decay"), c.Optional("initial_state"), c.Scalar("scale"), c.Form, c.Chunk)),
        ["channel_delta_rule"] = c => Read(ChannelDeltaRule.Apply(
            c["q"], c["k"], c["v"], c["beta"], c["log_decay"], c.Optional("initial_state"), c.Scalar("scale"), c.Form, c.Chunk)),
        ["generalized_delta_rule"] = c => Read(GeneralizedDeltaRule.Apply(
            c["q"], c["k"], c["v"], c["a"], c["b"], c["log_decay"], c.Optional("initial_state"), c.Scalar("scale"), c.Form, c.Chunk)),
        ["gated_slot_attention"] = SlotsCall,
        ["causal_conv"] = c => Read(CausalConvolution.Apply(
            c["x"], c["weight"], c.Optional("bias"), c.Optional("initial_state"), c.Form), "y"),
        ["linear_scan"] = c => Read(LinearScan.Apply(c["a"], c["b"], c.Optional("initial_state"), c.Form), "h"),
        ["selective_scan"] = c => Read(SelectiveScan.Apply(
            c["u"], c["delta"], c["A"], c["Bm"], c["C"], c["D"], c.Optional("initial_state"), c.Form, c.Chunk), "y"),
        ["segment_attention"] = Attention,
        ["titans_linear"] = TitansLinearCall,
        ["titans_mlp"] = TitansMlpCall,
    };

    public static Dictionary<string, Tensor> Run(string name, OperatorCall call) => Table.TryGetValue(name, out var run)
        ? run(call)
        : throw new NotSupportedException($"operator '{name}' is unknown; known are {string.Join(", ", Table.Keys)}");

    /// <summary>Whether an input is a state, which is kept in the accumulation dtype.</summary>
    public static bool IsState(string operatorName, string input) =>
        operatorName != "causal_conv" && (input is "initial_state" or "initial_keys" or "initial_values" or "initial_momentum" or "initial_normalizer" || Layer(input, 'W') > 0 || Layer(input, 'S') > 0);

    private static Dictionary<string, Tensor> Read(MemoryRead read, string output = "o") =>
        new() { [output] = read.Output, ["final_state"] = read.FinalState };

    private static Dictionary<string, Tensor> Normalized(OperatorCall c)
    {
        (Tensor output, Tensor state, Tensor normalizer) = LinearAttention.Normalized(
            c["q"], c["k"], c["v"], c.Optional("initial_state"), c.Optional("initial_normalizer"), c.Scalar("scale"), c.Scalar("eps"), c.Form, c.Chunk);
        return new() { ["o"] = output, ["final_state"] = state, ["final_normalizer"] = normalizer };
    }

    private static Dictionary<string, Tensor> SlotsCall(OperatorCall c)
    {
        SlotRead read = GatedSlotAttention.Apply(
            c["q"], c["k"], c["v"], c["log_decay"], c.Optional("initial_keys"), c.Optional("initial_values"), c.Scalar("scale"), c.Form, c.Chunk);
        return new() { ["o"] = read.Output, ["final_keys"] = read.FinalKeys, ["final_values"] = read.FinalValues };
    }

    // Flags and counts are numbers in the file, as everything there is.
    private static Dictionary<string, Tensor> Attention(OperatorCall c)
    {
        bool blocked = c.Integer("blocked") != 0;
        int offset = c.Integer("fading_offset");
        Tensor Counts(string name) => c[name].detach().to(ScalarType.Int64);
        return new()
        {
            ["o"] = SegmentAttention.Apply(
                c["q"], c["k"], c["v"], blocked ? null : c.Integer("window"), c["past_k"], c["past_v"], Counts("lengths"), c.Scalar("scale"), c.Form, c.Chunk,
                chunks: new QueryChunks(c.Integer("chunk_length"), Counts("read"), blocked),
                slots: new ChunkKeys(c["slot_k"], c["slot_v"], c["present"].detach().gt(0)),
                fading: new FadingKeys(
                    c["fading_k"], c["fading_v"], c.Integer("fading_count"), c.Integer("fading_stride"), offset < 0 ? null : offset, c["fading_past_k"], c["fading_past_v"])),
        };
    }

    private static Dictionary<string, Tensor> TitansLinearCall(OperatorCall c)
    {
        TitansLinearRead read = TitansLinear.Apply(
            c["q"], c["k"], c["v"], c["theta"], c["eta"], c["alpha"], c.Integer("block"), c.Optional("initial_state"), c.Optional("initial_momentum"), c.Form, c.Chunk);
        return new() { ["o"] = read.Output, ["final_state"] = read.FinalState, ["final_momentum"] = read.FinalMomentum };
    }

    private static Dictionary<string, Tensor> TitansMlpCall(OperatorCall c)
    {
        int depth = c.Inputs.Keys.Max(name => Layer(name, 'W'));
        Tensor[] weights = [.. Enumerable.Range(1, depth).Select(l => c[$"W{l}"])];
        Tensor[]? momenta = c.Inputs.ContainsKey("S1") ? [.. Enumerable.Range(1, depth).Select(l => c[$"S{l}"])] : null;
        TitansMlpRead read = TitansMlp.Apply(
            c["q"], c["k"], c["v"], c["theta"], c["eta"], c["alpha"], weights, new TitansOptions(c.Integer("block")), momenta, form: c.Form);
        var outputs = new Dictionary<string, Tensor> { ["o"] = read.Output };
        for (int l = 1; l <= depth; l++) (outputs[$"W{l}"], outputs[$"S{l}"]) = (read.FinalWeights[l - 1], read.FinalMomenta[l - 1]);
        return outputs;
    }

    /// <summary>The number of a layer in names like W2; 0 for other names.</summary>
    private static int Layer(string input, char kind) =>
        input.Length > 1 && input[0] == kind && int.TryParse(input.AsSpan(1), NumberStyles.None, CultureInfo.InvariantCulture, out int layer) ? layer : 0;
}
