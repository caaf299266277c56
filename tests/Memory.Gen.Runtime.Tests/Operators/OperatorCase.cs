using Memory.Gen.Runtime.Operators;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>An operator under its general properties: sequence inputs along axis 1, then states that a call hands to the next.</summary>
/// <param name="Name">The operator.</param>
/// <param name="Sequences">Makes the inputs along time for T tokens, float64.</param>
/// <param name="Others">Makes what has no time: parameters.</param>
/// <param name="States">Makes initial states.</param>
/// <param name="Apply">(sequences, others, states, form, chunk, segments) to output and final states.</param>
public sealed record OperatorCase(
    string Name, Func<Randoms, long, Tensor[]> Sequences, Func<Randoms, Tensor[]> Others, Func<Randoms, Tensor[]> States,
    Func<Tensor[], Tensor[], Tensor[], OperatorForm, int?, Segments?, (Tensor Output, Tensor[] States)> Apply)
{
    private const long B = 2, H = 2, K = 5, V = 3, M = 7, C = 6, W = 4, N = 3;

    /// <summary>Whether the kernel library serves it, with segments too.</summary>
    public bool HasKernels { get; init; } = true;

    /// <summary>Chunks to try, and lengths around them.</summary>
    public int[] Chunks { get; init; } = [1, 2, 16, 17, 64];

    public static IReadOnlyList<OperatorCase> All { get; } =
    [
        Matrix("linear_attention", (r, T) => Qkv(r, T), (x, s, f, c, g) => LinearAttention.Apply(x[0], x[1], x[2], s, null, f, c, g)),
        new("linear_attention_normalized", (r, T) => [r.Uniform(0.1, 1, B, T, H, K), r.Uniform(0.1, 1, B, T, H, K), r.Normal(B, T, H, V)], _ => [],
            r => [r.Normal(B, H, K, V), r.Uniform(0.5, 1, B, H, K)],
            (x, _, s, f, c, g) =>
            {
                (Tensor o, Tensor S, Tensor z) = LinearAttention.Normalized(x[0], x[1], x[2], s[0], s[1], null, 1e-6, f, c, g);
                return (o, [S, z]);
            }),
        Matrix("scalar_decay", (r, T) => [.. Qkv(r, T), r.Uniform(-0.5, 0, B, T, H)], (x, s, f, c, g) => ScalarDecay.Apply(x[0], x[1], x[2], x[3], s, null, f, c, g)),
        Matrix("channel_decay", (r, T) => [.. Qkv(r, T), r.Uniform(-0.5, 0, B, T, H, K)], (x, s, f, c, g) => ChannelDecay.Apply(x[0], x[1], x[2], x[3], s, null, f, c, g)),
        new("bonus_decay", (r, T) => [.. Qkv(r, T), r.Uniform(-0.5, 0, B, T, H, K)], r => [r.Normal(H, K)], r => [r.Normal(B, H, K, V)],
            (x, p, s, f, c, g) =>
            {
                MemoryRead read = BonusDecay.Apply(x[0], x[1], x[2], x[3], p[0], s[0], null, f, c, g);
                return (read.Output, [read.FinalState]);
            }),
        Matrix("delta_rule", (r, T) => [.. Qkv(r, T), r.Uniform(0, 1, B, T, H)], (x, s, f, c, g) => DeltaRule.Apply(x[0], x[1], x[2], x[3], s, null, f, c, g)),
        Matrix("gated_delta_rule", (r, T) => [.. Qkv(r, T), r.Uniform(0, 1, B, T, H), r.Uniform(-0.5, 0, B, T, H)],
            (x, s, f, c, g) => GatedDeltaRule.Apply(x[0], x[1], x[2], x[3], x[4], s, null, f, c, g)),
        Matrix("delta_product", (r, T) => [.. Writes(r, T), r.Uniform(-0.5, 0, B, T, H)], (x, s, f, c, g) => DeltaProduct.Apply(x[0], x[1], x[2], x[3], x[4], s, null, f, c, g)),
        Matrix("delta_product without decay", Writes, (x, s, f, c, g) => DeltaProduct.Apply(x[0], x[1], x[2], x[3], null, s, null, f, c, g)),
        Matrix("channel_delta_rule", (r, T) => [.. Qkv(r, T), r.Uniform(0, 1, B, T, H), r.Uniform(-0.5, 0, B, T, H, K)],
            (x, s, f, c, g) => ChannelDeltaRule.Apply(x[0], x[1], x[2], x[3], x[4], s, null, f, c, g)),
        Matrix("generalized_delta_rule", (r, T) => [.. Qkv(r, T), .. LowRank(r, T), r.Uniform(-0.5, 0, B, T, H, K)],
            (x, s, f, c, g) => GeneralizedDeltaRule.Apply(x[0], x[1], x[2], x[3], x[4], x[5], s, null, f, c, g)),
        new("gated_slot_attention", (r, T) => [.. Qkv(r, T), r.Uniform(-0.5, 0, B, T, H, M)], _ => [], r => [r.Normal(B, H, M, K), r.Normal(B, H, M, V)],
            (x, _, s, f, c, g) =>
            {
                SlotRead read = GatedSlotAttention.Apply(x[0], x[1], x[2], x[3], s[0], s[1], null, f, c, g);
                return (read.Output, [read.FinalKeys, read.FinalValues]);
            }),
        new("causal_conv", (r, T) => [r.Normal(B, T, C)], r => [r.Normal(C, W), r.Normal(C)], r => [r.Normal(B, W - 1, C)],
            (x, p, s, f, c, g) =>
            {
                MemoryRead read = CausalConvolution.Apply(x[0], p[0], p[1], s[0], f, g);
                return (read.Output, [read.FinalState]);
            }),
        new("linear_scan", (r, T) => [r.Uniform(0, 1, B, T, C), r.Normal(B, T, C)], _ => [], r => [r.Normal(B, C)], (x, _, s, f, c, g) =>
        {
            MemoryRead read = LinearScan.Apply(x[0], x[1], s[0], f, g);
            return (read.Output, [read.FinalState]);
        }),
        new("selective_scan", (r, T) => [r.Normal(B, T, C), r.Uniform(0, 0.5, B, T, C), r.Normal(B, T, K), r.Normal(B, T, K)],
            r => [-r.Uniform(0.1, 2, C, K), r.Normal(C)], r => [r.Normal(B, C, K)],
            (x, p, s, f, c, g) =>
            {
                MemoryRead read = SelectiveScan.Apply(x[0], x[1], p[0], x[2], x[3], p[1], s[0], f, c, g);
                return (read.Output, [read.FinalState]);
            }),
        Titans("titans_linear", 1),
        Titans("titans_linear in blocks", 6),
        TitansLayers("titans_mlp", 1, K, 7, V),
        TitansLayers("titans_mlp in blocks", 6, K, 7, V),
        TitansLayers("titans_mlp of three layers", 4, K, 7, 6, V),
        .. TitansCase.All.Select(variant => variant.Case),
    ];

    public static TheoryData<string> Names => [.. All.Select(each => each.Name)];

    public static TheoryData<string> TitansNames => [.. TitansCase.All.Select(each => each.Name)];

    /// <summary>Operators that a call may leave at any token; a block of gradients ends with its call.</summary>
    public static TheoryData<string> Continuable => [.. All.Where(each => !each.Name.Contains(' ')).Select(each => each.Name)];

    /// <summary>Attention as an operator on tokens alone: it has no state to hand on, and no kernel for segments.</summary>
    public static IReadOnlyList<OperatorCase> Attention { get; } =
    [
        Attends("segment_attention", H, 1, null),
        Attends("segment_attention of a window", 1, 1, 5),
        Attends("segment_attention with two keys a token", 1, 2, 3),
    ];

    /// <summary>Operators that take segments.</summary>
    public static TheoryData<string> Segmented =>
        [.. All.Concat(Attention).Select(each => each.Name).Where(name =>
            !name.StartsWith("titans", StringComparison.Ordinal) || name is "titans_linear in blocks" or "titans_mlp in blocks" or "titans of two layers toward a target, clipped" or "titans of two layers with residual" or "titans of everything")];

    public static OperatorCase Of(string name) => All.Concat(Attention).Single(each => each.Name == name);

    public (Tensor Output, Tensor[] States) Call(
        Tensor[] sequences, Tensor[] others, Tensor[] states, OperatorForm form, int? chunk, Segments? segments = null) =>
        Apply(sequences, others, states, form, chunk, segments);

    public override string ToString() => Name;

    private static Tensor[] Qkv(Randoms r, long T)
    {
        Tensor k = r.Normal(B, T, H, K);
        return [r.Normal(B, T, H, K), k / k.norm(-1, keepdim: true), r.Normal(B, T, H, V)];
    }

    // Keys of length one and strengths up to that of a reflection, N of them a token.
    private static Tensor[] Writes(Randoms r, long T)
    {
        Tensor k = r.Normal(B, T, N, H, K);
        return [r.Normal(B, T, H, K), k / k.norm(-1, keepdim: true), r.Normal(B, T, N, H, V), r.Uniform(0, 2, B, T, N, H)];
    }

    // Two directions that have nothing to do with the keys or with each other.
    private static Tensor[] LowRank(Randoms r, long T)
    {
        Tensor a = r.Normal(B, T, H, K);
        return [a / a.norm(-1, keepdim: true), 0.3 * r.Normal(B, T, H, K)];
    }

    private static Tensor[] Learning(Randoms r, long T) =>
        [.. Qkv(r, T), r.Uniform(0, 0.4, B, T, H), r.Uniform(0, 0.9, B, T, H), r.Uniform(0, 0.3, B, T, H)];

    // Keys are made token by token, [B, T, n, G, K], so that tests can take tokens apart.
    private static OperatorCase Attends(string name, long heads, long keysPerToken, long? window) => new(
        name, (r, T) => [r.Normal(B, T, H, K), r.Normal(B, T, keysPerToken, heads, K), r.Normal(B, T, keysPerToken, heads, V)], _ => [], _ => [],
        (x, _, _, f, c, g) =>
        {
            using var scope = NewDisposeScope();
            Tensor read = SegmentAttention.Apply(x[0], x[1].flatten(1, 2), x[2].flatten(1, 2), window, form: f, chunk: c, segments: g);
            return (read.MoveToOuterDisposeScope(), []);
        }) { HasKernels = false };

    private static OperatorCase Titans(string name, int block) => new(
        name, Learning, _ => [], r => [r.Normal(B, H, K, V), r.Normal(B, H, K, V)],
        (x, _, s, f, c, g) =>
        {
            TitansLinearRead read = TitansLinear.Apply(x[0], x[1], x[2], x[3], x[4], x[5], block, s[0], s[1], f, c, g);
            return (read.Output, [read.FinalState, read.FinalMomentum]);
        });

    private static OperatorCase TitansLayers(string name, int block, params long[] widths) => new(
        name, Learning, _ => [],
        r => [.. Enumerable.Range(0, 2 * (widths.Length - 1)).Select(i => i % (widths.Length - 1)).Select(l => r.Normal(B, H, widths[l], widths[l + 1]) * 0.4)],
        (x, _, s, f, c, g) =>
        {
            int depth = widths.Length - 1;
            TitansMlpRead read = TitansMlp.Apply(x[0], x[1], x[2], x[3], x[4], x[5], s[..depth], new TitansOptions(block), s[depth..], form: f, segments: g);
            return (read.Output, [.. read.FinalWeights, .. read.FinalMomenta]);
        });

    private static OperatorCase Matrix(string name, Func<Randoms, long, Tensor[]> sequences, Func<Tensor[], Tensor, OperatorForm, int?, Segments?, MemoryRead> call) =>
        new(name, sequences, _ => [], r => [r.Normal(B, H, K, V)], (x, _, s, f, c, g) =>
        {
            MemoryRead read = call(x, s[0], f, c, g);
            return (read.Output, [read.FinalState]);
        });
}

/// <summary>Random float64 tensors from one seed.</summary>
public sealed class Randoms(ulong seed)
{
    private readonly Generator generator = new(seed);

    public Tensor Normal(params long[] shape) => randn(shape, dtype: ScalarType.Float64, generator: generator);

    public Tensor Uniform(double from, double to, params long[] shape) =>
        (rand(shape, dtype: ScalarType.Float64, generator: generator) * (to - from)) + from;
}

/// <summary>What numeric tests compare by.</summary>
internal static class Numbers
{
    /// <summary>max|a - b| / max(1, max|b|); NaN when either has a NaN.</summary>
    public static double Error(Tensor a, Tensor b)
    {
        Assert.Equal(b.shape, a.shape);
        if (a.numel() == 0) return 0;
        using var scope = NewDisposeScope();
        Tensor x = a.detach().to(ScalarType.Float64), y = b.detach().to(ScalarType.Float64);
        return (x - y).abs().max().item<double>() / Math.Max(1, y.abs().max().item<double>());
    }

    public static void Close(Tensor expected, Tensor actual, double limit, string what)
    {
        double error = Error(actual, expected);
        Assert.True(error <= limit, $"{what}: error {error:g3}, limit {limit:g3}");
    }

    /// <summary>Runs a case with gradients flowing into every output from fixed random weights.</summary>
    public static (Tensor[] Outputs, Tensor[] Gradients) ForwardBackward(
        OperatorCase each, Tensor[] sequences, Tensor[] others, Tensor[] states, OperatorForm form, int? chunk, Segments? segments = null)
    {
        Tensor[] all = [.. sequences, .. others, .. states];
        Tensor[] leaves = [.. all.Select(x => x.detach().clone().requires_grad_())];
        (Tensor output, Tensor[] finals) = each.Call(
            leaves[..sequences.Length], leaves[sequences.Length..^states.Length], leaves[^states.Length..], form, chunk, segments);
        Tensor[] outputs = [output, .. finals];
        Objective(outputs).backward();
        return (outputs, [.. leaves.Select(x => x.grad is { } g ? g : zeros_like(x))]);
    }

    /// <summary>Compares every input's gradient along a random direction with central differences, 1e-7.</summary>
    public static void GradientsAreDerivatives(
        OperatorCase each, Tensor[] sequences, Tensor[] others, Tensor[] states, OperatorForm form, int? chunk, Segments? segments = null)
    {
        (_, Tensor[] gradients) = ForwardBackward(each, sequences, others, states, form, chunk, segments);
        var random = new Randoms(98);
        Tensor[] inputs = [.. sequences, .. others, .. states];
        for (int i = 0; i < inputs.Length; i++)
        {
            Tensor direction = random.Normal(inputs[i].shape);
            const double Step = 1e-6;
            double At(double step)
            {
                Tensor[] moved = [.. inputs];
                moved[i] = inputs[i] + (direction * step);
                (Tensor output, Tensor[] finals) = each.Call(
                    moved[..sequences.Length], moved[sequences.Length..^states.Length], moved[^states.Length..], form, chunk, segments);
                return Objective([output, .. finals]).item<double>();
            }

            double expected = (At(Step) - At(-Step)) / (2 * Step), actual = (gradients[i] * direction).sum().item<double>();
            Assert.True(Math.Abs(expected - actual) <= 1e-7 * Math.Max(1, Math.Abs(expected)), $"{each} {form} input {i}: {actual} against {expected}");
        }
    }

    /// <summary>A scalar that depends on every output element with its own weight.</summary>
    public static Tensor Objective(Tensor[] outputs)
    {
        var random = new Randoms(99);
        Tensor sum = zeros([], dtype: ScalarType.Float64);
        foreach (Tensor output in outputs) sum = sum + (output.to(ScalarType.Float64) * random.Normal(output.shape)).sum();
        return sum;
    }
}
