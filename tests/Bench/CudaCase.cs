using Memory.Gen.Runtime.Operators;
using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Bench;

/// <summary>The operators at the sizes of a large model, on the GPU: activations in bfloat16, gates in float32.</summary>
internal static class CudaCase
{
    private static readonly Device Gpu = new(DeviceType.CUDA);

    /// <summary>Made one after the other: all at once would not fit.</summary>
    public static IEnumerable<OperatorCase> All()
    {
        foreach (var (B, T, H, K, V) in new[] { (8L, 8192L, 16L, 128L, 128L), (8, 1024, 8, 64, 64), (1, 32768, 8, 128, 128) })
        {
            (string, long)[] shape = [("B", B), ("T", T), ("H", H), ("K", K), ("V", V)];
            Tensor q = Values(B, T, H, K), k = Unit(Values(B, T, H, K)), v = Values(B, T, H, V);
            Tensor beta = Gates(1, B, T, H), g = Gates(-0.1, B, T, H), channels = Gates(-0.1, B, T, H, K);
            double state = (double)B * T * H * K * V;
            yield return new("linear_attention", shape, [q, k, v], (x, f) => LinearAttention.Apply(x[0], x[1], x[2], form: f).Output, 4 * state);
            yield return new("scalar_decay", shape, [q, k, v, g], (x, f) => ScalarDecay.Apply(x[0], x[1], x[2], x[3], form: f).Output, 5 * state);
            yield return new("channel_decay", shape, [q, k, v, channels], (x, f) => ChannelDecay.Apply(x[0], x[1], x[2], x[3], form: f).Output, 5 * state);
            yield return new("delta_rule", shape, [q, k, v, beta], (x, f) => DeltaRule.Apply(x[0], x[1], x[2], x[3], form: f).Output, 6 * state);
            yield return new("gated_delta_rule", shape, [q, k, v, beta, g], (x, f) => GatedDeltaRule.Apply(x[0], x[1], x[2], x[3], x[4], form: f).Output, 7 * state);
            yield return new("delta_product", [.. shape, ("N", 2)], [q, Unit(Values(B, T, 2, H, K)), Values(B, T, 2, H, V), Gates(1, B, T, 2, H), g],
                (x, f) => DeltaProduct.Apply(x[0], x[1], x[2], x[3], x[4], form: f).Output, 14 * state);
            yield return new("channel_delta_rule", shape, [q, k, v, beta, channels], (x, f) => ChannelDeltaRule.Apply(x[0], x[1], x[2], x[3], x[4], form: f).Output, 7 * state);
            yield return new("generalized_delta_rule", shape, [q, k, v, -k, k * rand(B, T, H, K, device: Gpu).to(ScalarType.BFloat16), channels],
                (x, f) => GeneralizedDeltaRule.Apply(x[0], x[1], x[2], x[3], x[4], x[5], form: f).Output, 9 * state);
            yield return new("titans_linear", shape, [q, k, v, Gates(0.01, B, T, H), Gates(0.9, B, T, H), Gates(0.1, B, T, H)],
                (x, f) => TitansLinear.Apply(x[0], x[1], x[2], x[3], x[4], x[5], 64, form: f).Output, 6 * state);
        }

        const long Batch = 8, Length = 2048, Heads = 16, D = 64, E = 256, Block = 64;
        (string, long)[] perceptron = [("B", Batch), ("T", Length), ("H", Heads), ("D", D), ("E", E), ("block", Block)];
        Tensor[] read = [Values(Batch, Length, Heads, D), Unit(Values(Batch, Length, Heads, D)), Values(Batch, Length, Heads, D), Gates(0.01, Batch, Length, Heads), Gates(0.9, Batch, Length, Heads), Gates(0.1, Batch, Length, Heads), Layer(Batch, Heads, D, E), Layer(Batch, Heads, E, D)];
        yield return new("titans_mlp", perceptron, read,
            (x, f) => TitansMlp.Apply(x[0], x[1], x[2], x[3], x[4], x[5], x[6..], new TitansOptions((int)Block), form: f).Output, 14.0 * Batch * Length * Heads * D * E);
        // Without forgetting, as on the CPU: see OperatorCase.
        yield return new("titans_residual", perceptron, [.. read[..5], Gates(0, Batch, Length, Heads), .. read[6..], Gates(1, Heads, D)],
            (x, f) => TitansMlp.Apply(x[0], x[1], x[2], x[3], x[4], x[5], x[6..8], new TitansOptions((int)Block), residual: x[8], form: f).Output, 14.0 * Batch * Length * Heads * D * E);

        const long Rows = 8, Tokens = 8192, Channels = 2048, N = 16, Width = 4;
        yield return new("selective_scan", [("B", Rows), ("T", Tokens), ("C", Channels), ("N", N)],
            [Values(Rows, Tokens, Channels), Gates(0.1, Rows, Tokens, Channels), -randn(Channels, N, device: Gpu).exp(), Values(Rows, Tokens, N), Values(Rows, Tokens, N), Gates(1, Channels)],
            (x, f) => SelectiveScan.Apply(x[0], x[1], x[2], x[3], x[4], x[5], form: f).Output, 7.0 * Rows * Tokens * Channels * N);
        yield return new("causal_conv", [("B", Rows), ("T", Tokens), ("C", Channels), ("W", Width)], [Values(Rows, Tokens, Channels), Values(Channels, Width), Values(Channels)],
            (x, f) => CausalConvolution.Apply(x[0], x[1], x[2], form: f).Output, 2.0 * Rows * Tokens * Channels * Width);
        yield return new("linear_scan", [("B", Rows), ("T", Tokens), ("C", Channels)], [Gates(1, Rows, Tokens, Channels).to(ScalarType.BFloat16), Values(Rows, Tokens, Channels)],
            (x, f) => LinearScan.Apply(x[0], x[1], form: f).Output, 2.0 * Rows * Tokens * Channels);
        foreach (OperatorCase each in Decoding()) yield return each;
    }

    // One token for each of many texts, whose states are kept in float32 or bfloat16. What is compared is the new state, and with it both ways of the traffic are counted.
    private static IEnumerable<OperatorCase> Decoding()
    {
        const long B = 32, H = 32, K = 128, V = 128;
        Tensor q = Values(B, 1, H, K), k = Unit(Values(B, 1, H, K)), v = Values(B, 1, H, V), beta = Gates(1, B, 1, H), g = Gates(-0.1, B, 1, H);
        foreach (var (dtype, bits) in new[] { (ScalarType.Float32, 32L), (ScalarType.BFloat16, 16L) })
        {
            yield return new("gated_delta_rule", [("B", B), ("T", 1), ("H", H), ("K", K), ("V", V), ("state_bits", bits)], [q, k, v, beta, g, Values(B, H, K, V).to(dtype)],
                (x, f) => GatedDeltaRule.Apply(x[0], x[1], x[2], x[3], x[4], x[5], form: f).FinalState, 7.0 * B * H * K * V);
        }

        yield return TitansStep("titans_linear", B, H, 31, K, V);
        yield return TitansStep("titans_mlp", B, 16, 31, 64, 256, 64);
    }

    // A token in the middle of its block of 64, which writes nothing: W and S are read, and with several layers the tokens before it go through W again.
    private static OperatorCase TitansStep(string op, long B, long H, int read, params long[] widths)
    {
        const int Block = 64;
        int layers = widths.Length - 1;
        Tensor[] Tokens(long T) => [Unit(Values(B, T, H, widths[0])), Values(B, T, H, widths[^1]), Gates(0.01, B, T, H), Gates(0.9, B, T, H), Gates(0.1, B, T, H)];
        Tensor[] inputs =
        [
            Values(B, 1, H, widths[0]), .. Tokens(1), .. Tokens(Block - 1),
            .. Enumerable.Range(1, layers).Select(l => Layer(B, H, widths[l - 1], widths[l])), .. Enumerable.Range(1, layers).Select(l => Layer(B, H, widths[l - 1], widths[l])),
        ];
        var rule = new TitansOptions(Block);
        double products = Enumerable.Range(1, layers).Sum(l => (double)widths[l - 1] * widths[l]), again = layers > 1 ? (read + 1) * ((2 * products) - (widths[0] * widths[1])) : 0;
        return new(op, [("B", B), ("T", 1), ("H", H), .. widths.Select((width, l) => (l == 0 ? "K" : l == layers ? "V" : "E", width)), ("read", read)], inputs, Run, 2 * B * H * ((2 * products) + again));

        Tensor Run(Tensor[] x, OperatorForm? form)
        {
            Tensor[] token = x[1..6], past = x[6..11], weights = x[11..(11 + layers)], momenta = x[(11 + layers)..];
            if (form is null && TitansStepKernel.Run(x[0], token, past, read, weights, momenta, null, null, true, rule) is { } step) return step.Output;
            Tensor[] all = [.. token.Select((last, i) => cat([past[i].narrow(1, 0, read), last], 1))];
            return TitansMlp.Apply(x[0].expand(-1, read + 1, -1, -1), all[0], all[1], all[2], all[3], all[4], weights, rule, momenta, form: form).Output.narrow(1, read, 1);
        }
    }

    private static Tensor Values(params long[] shape) => randn(shape, dtype: ScalarType.BFloat16, device: Gpu);

    private static Tensor Layer(params long[] shape) => randn(shape, dtype: ScalarType.Float32, device: Gpu) / Math.Sqrt(shape[^2]);

    // From 0 to `most`.
    private static Tensor Gates(double most, params long[] shape) => rand(shape, dtype: ScalarType.Float32, device: Gpu) * most;

    private static Tensor Unit(Tensor x) => x / x.norm(-1, keepdim: true);
}
