using Memory.Gen;
using Memory.Gen.Runtime.Operators;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Conformance;

/// <summary>The kernels at random shapes, with gates that leave everything or nothing, with and without segments, against the token loop in float64 on the same rounded inputs.</summary>
/// <param name="Precision">What inputs are rounded to, and the limits.</param>
/// <param name="Device">Where the kernels run.</param>
/// <param name="Seed">Of shapes and numbers.</param>
internal sealed record StressRun(Precision Precision, Device Device, int Seed)
{
    // Exponents of a decay: from all is kept to all is forgotten.
    private static readonly double[] Extremes = [0, -1e-8, -1, -50, -1e4, double.NegativeInfinity];

    private readonly Random random = new(Seed);

    /// <summary>One operator call, as a line for every tensor.</summary>
    public IEnumerable<Comparison> Next()
    {
        using var scope = NewDisposeScope();
        manual_seed(random.Next());
        if (random.Next(0, 12) == 0) return TitansSteps();
        long B = random.Next(1, 4), T = random.Next(0, 4) == 0 ? random.Next(0, 3) : random.Next(3, 300), H = random.Next(1, 5);
        if (Device.type == DeviceType.CUDA && random.Next(0, 10) == 0) T = random.Next(1500, 2500); // kernels cut sequences that are long beside their keys
        long K = random.Next(1, 130), V = random.Next(1, 130), E = random.Next(1, 130), C = random.Next(1, 300), N = random.Next(1, 17), W = random.Next(1, 9);
        Segments? segments = random.Next(2) == 0 ? null : Cut(T);
        if (segments is not null) B = 1;
        long S = sequences ?? B;
        Drawn[] keys = [Activation(B, T, H, K), Unit(B, T, H, K), Activation(B, T, H, V)], state = [Wide(S, H, K, V)];
        Drawn unit = Unit(B, T, H, K), beta = Gate(rand(B, T, H, dtype: ScalarType.Float64)), decay = Gate(Decay(B, T, H)), channels = Gate(Decay(B, T, H, K));
        Tensor targets = randint(-1, C, [T + 1], dtype: ScalarType.Int64);
        targets = targets.masked_fill(targets.lt(0), -100);
        targets.narrow(0, 0, 1).clamp_(min: 0); // one counts, or the mean of none is no number
        int block = random.Next(1, 70), writes = random.Next(1, 5);
        Drawn[] titans = [Gate(rand(B, T, H, dtype: ScalarType.Float64) * (0.2 / block)), Gate(rand(B, T, H, dtype: ScalarType.Float64) * 0.9), beta, .. state, Wide(S, H, K, V)]; // steps that a block survives
        var rule = new TitansOptions(block) { Activation = (TitansActivation)random.Next(2), ReadsBlockStart = random.Next(3) == 0, Clip = random.Next(3) == 0 ? 2 : null };
        bool target = random.Next(3) == 0;
        (string Name, Drawn[] Inputs, Func<Tensor[], OperatorForm, MemoryRead> Call)[] calls =
        [
            ("linear_attention", [.. keys, .. state], (x, f) => LinearAttention.Apply(x[0], x[1], x[2], x[3], 1, f, segments: segments)),
            ("scalar_decay", [.. keys, decay, .. state], (x, f) => ScalarDecay.Apply(x[0], x[1], x[2], x[3], x[4], 1, f, segments: segments)),
            ("channel_decay", [.. keys, channels, .. state], (x, f) => ChannelDecay.Apply(x[0], x[1], x[2], x[3], x[4], 1, f, segments: segments)),
            ("bonus_decay", [.. keys, channels, Gate(rand(H, K, dtype: ScalarType.Float64)), .. state], (x, f) => BonusDecay.Apply(x[0], x[1], x[2], x[3], x[4], x[5], 1, f, segments: segments)),
            ("delta_rule", [.. keys, beta, .. state], (x, f) => DeltaRule.Apply(x[0], x[1], x[2], x[3], x[4], 1, f, segments: segments)),
            ("gated_delta_rule", [.. keys, beta, decay, .. state], (x, f) => GatedDeltaRule.Apply(x[0], x[1], x[2], x[3], x[4], x[5], 1, f, segments: segments)),
            ("delta_product", [keys[0], Unit(B, T, writes, H, K), Activation(B, T, writes, H, V), Gate(2 * rand(B, T, writes, H, dtype: ScalarType.Float64)), decay, .. state],
                (x, f) => DeltaProduct.Apply(x[0], x[1], x[2], x[3], x[4], x[5], 1, f, segments: segments)),
            ("channel_delta_rule", [.. keys, beta, channels, .. state], (x, f) => ChannelDeltaRule.Apply(x[0], x[1], x[2], x[3], x[4], x[5], 1, f, segments: segments)),
            ("generalized_delta_rule", [.. keys, unit with { Value = -unit.Value }, Rounded(unit.Value * rand(B, T, H, 1, dtype: ScalarType.Float64)), channels, .. state],
                (x, f) => GeneralizedDeltaRule.Apply(x[0], x[1], x[2], x[3], x[4], x[5], x[6], 1, f, segments: segments)),
            ("gated_slot_attention", [.. keys, Gate(Decay(B, T, H, E)), Wide(S, H, E, K), Wide(S, H, E, V)], (x, f) => Slots(GatedSlotAttention.Apply(x[0], x[1], x[2], x[3], x[4], x[5], 1, f, segments: segments))),
            ("titans_linear", [.. keys, .. titans], (x, f) => Memory(TitansLinear.Apply(x[0], x[1], x[2], x[3], x[4], x[5], block, x[6], x[7], f, segments: segments))),
            ("titans_mlp", [.. keys, .. titans[..3], .. Layers(S, H, K, E, V), .. target ? Layers(S, H, K, E, V) : []],
                (x, f) => Memory(TitansMlp.Apply(x[0], x[1], x[2], x[3], x[4], x[5], x[6..8], rule, target: target ? x[8..] : null, form: f, segments: segments))),
            ("linear_scan", [Rounded(Decay(B, T, C).exp()), Activation(B, T, C), Wide(S, C)], (x, f) => LinearScan.Apply(x[0], x[1], x[2], f, segments)),
            ("selective_scan",
                [Activation(B, T, C), Gate(rand(B, T, C, dtype: ScalarType.Float64)), Gate(-rand(C, N, dtype: ScalarType.Float64) * 8), Activation(B, T, N), Activation(B, T, N), Wide(C), Wide(S, C, N)],
                (x, f) => SelectiveScan.Apply(x[0], x[1], x[2], x[3], x[4], x[5], x[6], f, segments: segments)),
            ("cross_entropy", [Activation(T + 1, C)], (x, f) => Loss(CrossEntropy.Apply(x[0], targets.to(x[0].device), form: f))),
            ("causal_conv", [Activation(B, T, C), Activation(C, W), Activation(C), Activation(S, W - 1, C)], (x, f) => CausalConvolution.Apply(x[0], x[1], x[2], x[3], f, segments)),
        ];
        (string name, Drawn[] inputs, Func<Tensor[], OperatorForm, MemoryRead> call) = calls[random.Next(calls.Length)];
        string shape = $"{name} B{B} T{T} H{H} K{K} V{V} E{E} C{C} N{N} W{W}{(segments is null ? "" : $" of {S} segments")}";
        return Compare(shape, inputs, call);
    }

    // Token by token and without gradients, until a block ends.
    private List<Comparison> TitansSteps()
    {
        using var quiet = no_grad();
        long B = random.Next(1, 4), H = random.Next(1, 5);
        int block = random.Next(1, 20), T = block * random.Next(1, 4);
        long[] widths = [.. Enumerable.Range(0, random.Next(2, 6)).Select(_ => random.NextInt64(1, 130))];
        var rule = new TitansOptions(block) { Activation = (TitansActivation)random.Next(2), ReadsBlockStart = random.Next(3) == 0, Clip = random.Next(3) == 0 ? 2 : null };
        Drawn[] tokens =
        [
            Activation(B, T, H, widths[0]), Unit(B, T, H, widths[0]), Activation(B, T, H, widths[^1]),
            Gate(rand(B, T, H, dtype: ScalarType.Float64) * (0.2 / block)), Gate(rand(B, T, H, dtype: ScalarType.Float64) * 0.9), Gate(rand(B, T, H, dtype: ScalarType.Float64)),
        ];
        Drawn[] weights = Layers(B, H, widths), momenta = Layers(B, H, widths);
        Drawn[]? target = random.Next(3) == 0 ? Layers(B, H, widths) : null;
        Tensor[] x = Exact(tokens), given = Given(tokens), w = Given(weights), s = Given(momenta);
        Tensor[]? toward = target is null ? null : Given(target);
        MemoryRead expected = Memory(TitansMlp.Apply(x[0], x[1], x[2], x[3], x[4], x[5], Exact(weights), rule, Exact(momenta), target is null ? null : Exact(target), form: OperatorForm.Reference));
        using var text = new TitansText(B, H, widths, block, Device, Precision.Inputs);
        Tensor[] outputs = [.. Enumerable.Range(0, T).Select(t => text.Read([.. given.Select(each => each.narrow(1, t, 1).contiguous())], w, s, toward, rule))];
        string shape = $"titans steps B{B} T{T} H{H} widths {string.Join(' ', widths)} block {block}{(target is null ? "" : " toward a target")}";
        return
        [
            VectorRun.Measure($"{shape} out", cat(outputs, 1), expected.Output, Precision.OutputLimit),
            VectorRun.Measure($"{shape} final_state", cat([.. text.Tensors.Take(weights.Length + momenta.Length).Select(each => each.Value.flatten())]), expected.FinalState, Precision.OutputLimit),
        ];

        static Tensor[] Exact(Drawn[] drawn) => [.. drawn.Select(each => each.Value)];
        Tensor[] Given(Drawn[] drawn) => [.. drawn.Select(each => each.Value.to(each.Dtype).to(Device))];
    }

    private static MemoryRead Loss(Tensor loss) => new(loss, loss);

    private static MemoryRead Slots(SlotRead read) => new(read.Output, cat(new[] { read.FinalKeys, read.FinalValues }, -1));

    private static MemoryRead Memory(TitansLinearRead read) => new(read.Output, read.FinalState);

    private static MemoryRead Memory(TitansMlpRead read) => new(read.Output, cat(read.FinalWeights.Concat(read.FinalMomenta).Select(x => x.flatten()).ToArray()));

    private long? sequences;

    // Where documents of one row begin, some of them without tokens.
    private Segments Cut(long T)
    {
        long[] offsets = [0, .. Enumerable.Range(0, random.Next(0, 6)).Select(_ => random.NextInt64(0, T + 1)).Order(), T];
        sequences = offsets.Length - 1;
        using Tensor places = tensor(offsets);
        return Segments.Packed(places);
    }

    private List<Comparison> Compare(string shape, Drawn[] inputs, Func<Tensor[], OperatorForm, MemoryRead> call)
    {
        sequences = null;
        Tensor[] exact = [.. inputs.Select(each => each.Value.detach().requires_grad_())];
        Tensor[] given = [.. inputs.Select(each => each.Value.to(each.Dtype).to(Device).detach().requires_grad_())];
        var lines = new List<Comparison>();
        try
        {
            MemoryRead expected = call(exact, OperatorForm.Reference), actual = call(given, OperatorForm.Native);
            Tensor outputs = randn_like(expected.Output), finals = randn_like(expected.FinalState);
            ((expected.Output * outputs).sum() + (expected.FinalState * finals).sum()).backward();
            ((actual.Output.to(ScalarType.Float64) * outputs.to(Device)).sum() + (actual.FinalState.to(ScalarType.Float64) * finals.to(Device)).sum()).backward();
            lines.Add(VectorRun.Measure($"{shape} out", actual.Output, expected.Output.detach(), Precision.OutputLimit));
            lines.Add(VectorRun.Measure($"{shape} final_state", actual.FinalState, expected.FinalState.detach(), Precision.OutputLimit));
            for (int i = 0; i < inputs.Length; i++)
            {
                if (exact[i].grad is { } gradient) lines.Add(VectorRun.Measure($"{shape} gradient {i}", given[i].grad ?? zeros_like(given[i]), gradient, Precision.GradientLimit));
            }
        }
        catch (NotSupportedException refused)
        {
            lines.Add(new Comparison(shape, 0, Precision.OutputLimit, refused.Message));
        }

        return lines;
    }

    private Drawn Rounded(Tensor x) => new(x.to(Precision.Inputs).to(ScalarType.Float64), Precision.Inputs);

    private Drawn Activation(params long[] shape) => Rounded(randn(shape, dtype: ScalarType.Float64));

    private Drawn Unit(params long[] shape)
    {
        Tensor x = randn(shape, dtype: ScalarType.Float64);
        return Rounded(x / x.norm(-1, keepdim: true));
    }

    private Drawn Gate(Tensor x) => new(x.to(Precision.Accumulation).to(ScalarType.Float64), Precision.Accumulation);

    private Drawn Wide(params long[] shape) => Gate(randn(shape, dtype: ScalarType.Float64));

    // A matrix that keeps the size of what goes through it.
    private Drawn Layer(params long[] shape) => Gate(randn(shape, dtype: ScalarType.Float64) / Math.Sqrt(shape[^2]));

    private Drawn[] Layers(long B, long H, params long[] widths) => [.. Enumerable.Range(1, widths.Length - 1).Select(l => Layer(B, H, widths[l - 1], widths[l]))];

    private Tensor Decay(params long[] shape) => random.Next(3) == 0
        ? full(shape, Extremes[random.Next(Extremes.Length)], dtype: ScalarType.Float64)
        : rand(shape, dtype: ScalarType.Float64) * -random.NextDouble();

    /// <param name="Value">In float64, but a number that <paramref name="Dtype"/> holds.</param>
    /// <param name="Dtype">What the kernel gets.</param>
    private sealed record Drawn(Tensor Value, ScalarType Dtype);
}
