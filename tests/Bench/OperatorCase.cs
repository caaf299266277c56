using Memory.Gen.Runtime.Operators;
using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Bench;

/// <summary>One operator at one shape: its inputs, how it is called, and the least work that any implementation must do.</summary>
/// <param name="Op">Name of the operator, as in the vector files.</param>
/// <param name="Shape">Sizes by axis letter, in the order in which they are printed.</param>
/// <param name="Inputs">Float32 or bfloat16 tensors in call order.</param>
/// <param name="Run">Calls the operator in a form and returns its output.</param>
/// <param name="ForwardFlops">Arithmetic of the token recurrence, two operations a multiply-add; of the Titans memories the products alone, which blocks do not save.</param>
internal sealed record OperatorCase(
    string Op, (string Axis, long Size)[] Shape, Tensor[] Inputs, Func<Tensor[], OperatorForm?, Tensor> Run, double ForwardFlops)
{
    public string Key => $"{Op} {string.Join(' ', Shape.Select(s => $"{s.Axis}={s.Size}"))}";

    // Backward visits the recurrence once more and once in reverse with two products a step.
    public double BothFlops => 3 * ForwardFlops;

    public double ForwardBytes(Tensor output) => Inputs.Sum(Bytes) + Bytes(output);

    // Inputs are read twice (forward, backward), their gradients written once; the output is written, its gradient read.
    public double BothBytes(Tensor output) => (3 * Inputs.Sum(Bytes)) + (2 * Bytes(output));

    private static double Bytes(Tensor x) => (double)x.numel() * (x.dtype == ScalarType.BFloat16 ? sizeof(short) : sizeof(float));

    /// <summary>The shapes of python/torch_ops.py, so that a ratio can be taken row by row.</summary>
    public static IEnumerable<OperatorCase> All()
    {
        foreach (var (B, T, H, K, V) in new[] { (2L, 2048L, 4L, 64L, 64L), (1, 8192, 4, 128, 128), (8, 256, 4, 64, 64) })
        {
            (string, long)[] shape = [("B", B), ("T", T), ("H", H), ("K", K), ("V", V)];
            Tensor q = randn(B, T, H, K), k = Unit(randn(B, T, H, K)), v = randn(B, T, H, V);
            Tensor beta = rand(B, T, H), g = -0.1 * rand(B, T, H), channels = -0.1 * rand(B, T, H, K);
            double state = (double)B * T * H * K * V;
            yield return new("linear_attention", shape, [q, k, v], (x, f) => LinearAttention.Apply(x[0], x[1], x[2], form: f).Output, 4 * state);
            yield return new("linear_attention_normalized", shape, [q.abs(), k.abs(), v], (x, f) => LinearAttention.Normalized(x[0], x[1], x[2], form: f).Output, 4 * state);
            yield return new("scalar_decay", shape, [q, k, v, g], (x, f) => ScalarDecay.Apply(x[0], x[1], x[2], x[3], form: f).Output, 5 * state);
            yield return new("channel_decay", shape, [q, k, v, channels], (x, f) => ChannelDecay.Apply(x[0], x[1], x[2], x[3], form: f).Output, 5 * state);
            yield return new("delta_rule", shape, [q, k, v, beta], (x, f) => DeltaRule.Apply(x[0], x[1], x[2], x[3], form: f).Output, 6 * state);
            yield return new("gated_delta_rule", shape, [q, k, v, beta, g], (x, f) => GatedDeltaRule.Apply(x[0], x[1], x[2], x[3], x[4], form: f).Output, 7 * state);
            yield return new("delta_product", [.. shape, ("N", 2)], [q, Unit(randn([B, T, 2, H, K])), randn([B, T, 2, H, V]), rand(B, T, 2, H), g], (x, f) => DeltaProduct.Apply(x[0], x[1], x[2], x[3], x[4], form: f).Output, 14 * state);
            yield return new("channel_delta_rule", shape, [q, k, v, beta, channels], (x, f) => ChannelDeltaRule.Apply(x[0], x[1], x[2], x[3], x[4], form: f).Output, 7 * state);
            yield return new("generalized_delta_rule", shape, [q, k, v, -k, k * rand(B, T, H, K), channels], (x, f) => GeneralizedDeltaRule.Apply(x[0], x[1], x[2], x[3], x[4], x[5], form: f).Output, 9 * state);
            yield return new("titans_linear", shape, [q, k, v, 0.01 * rand(B, T, H), 0.9 * rand(B, T, H), 0.1 * rand(B, T, H)],
                (x, f) => TitansLinear.Apply(x[0], x[1], x[2], x[3], x[4], x[5], 64, form: f).Output, 6 * state);
        }

        foreach (OperatorCase each in LearnedAndScanned()) yield return each;

        const long Batch = 4, Tokens = 2048, Channels = 512, Width = 4;
        yield return new("causal_conv", [("B", Batch), ("T", Tokens), ("C", Channels), ("W", Width)],
            [randn(Batch, Tokens, Channels), randn(Channels, Width), randn(Channels)],
            (x, f) => CausalConvolution.Apply(x[0], x[1], x[2], form: f).Output, 2.0 * Batch * Tokens * Channels * Width);

        const long Rows = 2, Length = 2048, Heads = 4, Features = 64, Window = 128;
        yield return new("sliding_attention", [("B", Rows), ("T", Length), ("H", Heads), ("K", Features), ("window", Window)],
            [randn(Rows, Length, Heads, Features), randn(Rows, Length, Heads, Features), randn(Rows, Length, Heads, Features)],
            (x, f) => SegmentAttention.Apply(x[0], x[1], x[2], Window, form: f), 4.0 * Rows * Length * Heads * Features * Window);
        foreach (OperatorCase each in Attention()) yield return each;
    }

    // A long window, then the same beside the slots and fading tokens of B'MOJO.
    private static IEnumerable<OperatorCase> Attention()
    {
        const long B = 1, H = 8, K = 64, Window = 256, Slots = 64, Long = 4096, T = 2048;
        static Tensor[] Sequences(long tokens, int count) => [.. Enumerable.Range(0, count).Select(_ => randn(B, tokens, H, K))];

        yield return new("segment_attention", [("B", B), ("T", Long), ("H", H), ("K", K), ("window", Window)], Sequences(Long, 3),
            (x, f) => SegmentAttention.Apply(x[0], x[1], x[2], Window, form: f), 4.0 * B * Long * H * K * Window);
        Tensor present = ones([B, T / Window, Slots], dtype: ScalarType.Bool);
        yield return new(
            "segment_attention", [("B", B), ("T", T), ("H", H), ("K", K), ("window", Window), ("eidetic", Slots), ("fading", Window)],
            [.. Sequences(T, 5), randn([B, T / Window, Slots, H, K]), randn([B, T / Window, Slots, H, K])],
            (x, f) => SegmentAttention.Apply(
                x[0], x[1], x[2], Window, form: f, chunks: new(Window), slots: new(x[5], x[6], present), fading: new(x[3], x[4], Window)),
            4.0 * B * T * H * K * (Window + Slots + Window));
    }

    private static IEnumerable<OperatorCase> LearnedAndScanned()
    {
        const long B = 2, T = 1024, H = 4, D = 64, E = 128, Block = 16;
        (string, long)[] perceptron = [("B", B), ("T", T), ("H", H), ("D", D), ("E", E), ("block", Block)];
        Tensor[] read = [randn(B, T, H, D), Unit(randn(B, T, H, D)), randn(B, T, H, D), 0.01 * rand(B, T, H), 0.9 * rand(B, T, H), 0.1 * rand(B, T, H),
            randn(B, H, D, E) / Math.Sqrt(D), randn(B, H, E, D) / Math.Sqrt(E)];
        yield return new("titans_mlp", perceptron, read,
            (x, f) => TitansMlp.Apply(x[0], x[1], x[2], x[3], x[4], x[5], x[6..], new TitansOptions((int)Block), form: f).Output, 14.0 * B * T * H * D * E);
        // Forgetting leads to p = 0, where its norm is steepest: without a clip no digit would be the same in float32.
        yield return new("titans_residual", perceptron, [.. read[..5], zeros(B, T, H), .. read[6..], rand(H, D)],
            (x, f) => TitansMlp.Apply(x[0], x[1], x[2], x[3], x[4], x[5], x[6..8], new TitansOptions((int)Block), residual: x[8], form: f).Output, 14.0 * B * T * H * D * E);

        const long Rows = 4, Tokens = 2048, Channels = 512;
        yield return new("linear_scan", [("B", Rows), ("T", Tokens), ("C", Channels)], [rand(Rows, Tokens, Channels), randn(Rows, Tokens, Channels)],
            (x, f) => LinearScan.Apply(x[0], x[1], form: f).Output, 2.0 * Rows * Tokens * Channels);

        const long Short = 512, K = 64;
        yield return new("gated_delta_rule", [("B", B), ("T", Short), ("H", H), ("K", K), ("V", K)],
            [randn(B, Short, H, K), Unit(randn(B, Short, H, K)), randn(B, Short, H, K), rand(B, Short, H), -0.1 * rand(B, Short, H)],
            (x, f) => GatedDeltaRule.Apply(x[0], x[1], x[2], x[3], x[4], form: f).Output, 7.0 * B * Short * H * K * K);

        const long N = 16;
        yield return new("selective_scan", [("B", B), ("T", T), ("C", Channels), ("N", N)],
            [randn(B, T, Channels), 0.1 * rand(B, T, Channels), -randn(Channels, N).exp(), randn(B, T, N), randn(B, T, N), randn(Channels)],
            (x, f) => SelectiveScan.Apply(x[0], x[1], x[2], x[3], x[4], x[5], form: f).Output, 7.0 * B * T * Channels * N);
    }

    private static Tensor Unit(Tensor x) => x / x.norm(-1, keepdim: true);
}
