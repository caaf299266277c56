using Memory.Gen.Runtime.Operators;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>One token read into a state that is kept in bfloat16, by every memory with a matrix state.</summary>
public sealed class StepStateTests
{
    private const long B = 2, H = 3, K = 20, V = 17;

    private static readonly (string Name, Func<Tensor[], Tensor, OperatorForm?, Segments?, MemoryRead> Call)[] Rules =
    [
        ("linear_attention", (x, s, f, rows) => LinearAttention.Apply(x[0], x[1], x[2], s, form: f, segments: rows)),
        ("scalar_decay", (x, s, f, rows) => ScalarDecay.Apply(x[0], x[1], x[2], x[4], s, form: f, segments: rows)),
        ("channel_decay", (x, s, f, rows) => ChannelDecay.Apply(x[0], x[1], x[2], x[5], s, form: f, segments: rows)),
        ("delta_rule", (x, s, f, rows) => DeltaRule.Apply(x[0], x[1], x[2], x[3], s, form: f, segments: rows)),
        ("gated_delta_rule", (x, s, f, rows) => GatedDeltaRule.Apply(x[0], x[1], x[2], x[3], x[4], s, form: f, segments: rows)),
        ("channel_delta_rule", (x, s, f, rows) => ChannelDeltaRule.Apply(x[0], x[1], x[2], x[3], x[5], s, form: f, segments: rows)),
        ("generalized_delta_rule", (x, s, f, rows) => GeneralizedDeltaRule.Apply(x[0], x[1], x[2], x[1], x[0], x[5], s, form: f, segments: rows)),
    ];

    [Theory]
    [InlineData(OperatorForm.Reference)]
    [InlineData(OperatorForm.Chunked)]
    public void Only_the_new_state_is_rounded(OperatorForm form)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        Tensor[] inputs = Inputs(1);
        Tensor state = new Randoms(91).Normal(B, H, K, V).to(ScalarType.BFloat16);
        // All rows, and all but one, which keeps its state.
        foreach (Segments? rows in new[] { null, Segments.Lengths(tensor(new long[] { 1, 0 })) })
        foreach (var (name, call) in Rules.Where(rule => form != OperatorForm.Native || CudaOperators.Names.Contains(rule.Name)))
        {
            MemoryRead expected = call([.. inputs.Select(x => x.to(ScalarType.Float64))], state.to(ScalarType.Float64), OperatorForm.Reference, rows), actual = call(inputs, state, form, rows);
            Assert.Equal((ScalarType.BFloat16, ScalarType.BFloat16), (actual.Output.dtype, actual.FinalState.dtype));
            Numbers.Close(expected.Output, actual.Output, 5e-3, $"{name}, output");
            Tensor error = (actual.FinalState.to(ScalarType.Float64) - expected.FinalState).abs();
            Assert.True(error.le((expected.FinalState.abs() / 256) + 1e-6).all().item<bool>(), $"{name}: a state is not the nearest one");
        }
    }

    [Fact]
    public void Gradients_flow_through_it()
    {
        using var scope = NewDisposeScope();
        Tensor[] inputs = Inputs(1);
        Tensor state = new Randoms(92).Normal(B, H, K, V).to(ScalarType.BFloat16).requires_grad_();
        foreach (var (name, call) in Rules)
        {
            MemoryRead read = call(inputs, state, null, null);
            Tensor gradient = autograd.grad([(read.Output.sum() + read.FinalState.sum())], [state])[0];
            Assert.True(gradient.isfinite().all().item<bool>() && gradient.abs().sum().item<BFloat16>().ToSingle() > 0, name);
        }
    }

    [Fact]
    public void More_tokens_have_float32_states()
    {
        using var scope = NewDisposeScope();
        Tensor state = zeros([B, H, K, V], dtype: ScalarType.BFloat16);
        Assert.All(Rules, rule => Assert.Contains("initialState is BFloat16; a state of BFloat16 inputs is Float32", Assert.Throws<ArgumentException>(() => rule.Call(Inputs(2), state, null, null)).Message));
    }

    // Queries, keys, values, write strengths, decays by head and by channel.
    private static Tensor[] Inputs(long tokens)
    {
        var random = new Randoms(90);
        Tensor keys = random.Normal(B, tokens, H, K);
        Tensor[] activations = [random.Normal(B, tokens, H, K), keys / keys.norm(-1, keepdim: true), random.Normal(B, tokens, H, V)];
        Tensor[] gates = [random.Uniform(0, 1, B, tokens, H), random.Uniform(-1, 0, B, tokens, H), random.Uniform(-1, 0, B, tokens, H, K)];
        return [.. activations.Select(x => x.to(ScalarType.BFloat16)), .. gates.Select(x => x.to(ScalarType.BFloat16))];
    }
}
