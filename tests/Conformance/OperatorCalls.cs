using System.Globalization;
using Memory.Gen.Runtime.Operators;
using TorchSharp;
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
        ["delta_rule"] = c => Read(DeltaRule.Apply(
            c["q"], c["k"], c["v"], c["beta"], c.Optional("initial_state"), c.Scalar("scale"), c.Form, c.Chunk)),
        ["gated_delta_rule"] = c => Read(GatedDeltaRule.Apply(
            c["q"], c["k"], c["v"], c["beta"], c["log_decay"], c.Optional("initial_state"), c.Scalar("scale"), c.Form, c.Chunk)),
        ["causal_conv"] = c => Read(CausalConvolution.Apply(
            c["x"], c["weight"], c.Optional("bias"), c.Optional("initial_state"), c.Form), "y"),
    };

    public static Dictionary<string, Tensor> Run(string name, OperatorCall call) => Table.TryGetValue(name, out var run)
        ? run(call)
        : throw new NotSupportedException($"operator '{name}' is unknown; known are {string.Join(", ", Table.Keys)}");

    /// <summary>Whether an input is a state, which is kept in the accumulation dtype.</summary>
    public static bool IsState(string operatorName, string input) =>
        operatorName != "causal_conv" && input is "initial_state" or "initial_momentum" or "W1" or "W2";

    private static Dictionary<string, Tensor> Read(MemoryRead read, string output = "o") =>
        new() { [output] = read.Output, ["final_state"] = read.FinalState };

    private static Dictionary<string, Tensor> Normalized(OperatorCall c)
    {
        (Tensor output, Tensor state, Tensor normalizer) = LinearAttention.Normalized(
            c["q"], c["k"], c["v"], c.Optional("initial_state"), c.Optional("initial_normalizer"), c.Scalar("scale"), c.Scalar("eps"), c.Form, c.Chunk);
        return new() { ["o"] = output, ["final_state"] = state, ["final_normalizer"] = normalizer };
    }
}
