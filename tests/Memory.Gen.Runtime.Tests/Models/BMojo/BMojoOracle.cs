using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models.BMojo;

/// <summary>A B'MOJO layer as it is defined, one row, token by token in plain tensors and numbers: nothing of the runtime.</summary>
/// <param name="options">The declaration.</param>
/// <param name="weight">A weight by its name in the layer; null where there is none.</param>
internal sealed class BMojoOracle(BMojoOptions options, Func<string, Tensor?> weight)
{
    /// <summary>The scores of the tokens read.</summary>
    public double[] Scores { get; private set; } = [];

    /// <summary>The positions in the slots of every chunk, in order.</summary>
    public List<long[]> Slots { get; } = [];

    /// <summary>Reads a whole text: features <c>[T, D]</c> in and out.</summary>
    public Tensor Read(Tensor x)
    {
        int T = (int)x.shape[0];
        Tensor[] inputs = [.. x.unbind(0)];
        var recurrence = options.Memory == FadingState.None ? null : new FadingOracle(options.Memory, options.Heads, name => weight("fading." + name));
        (Tensor Output, double Residual)[] steps = recurrence is null ? [] : [.. inputs.Select(recurrence.Step)];
        Tensor[] y = [.. steps.Select(step => step.Output)];
        Scores = [.. Enumerable.Range(0, T).Select(t => options.Eidetic == 0 ? 0 : ScoreOf(t, inputs, y, steps))];
        for (int c = 0; c <= (T - 1) / options.Refresh && options.Eidetic > 0; c++)
            Slots.Add(Choose(c));
        Key[] window = [.. inputs.Select(input => new Key(Head(weight("key.weight")!, input, "key_norm"), Head(weight("value.weight")!, input, null)))];
        string own = options.Tied ? "" : "fading_";
        Key[] fading = options.Fading == 0 ? [] : [.. y.Select(output => new Key(Head(weight(own + "key.weight")!, output, "key_norm"), Head(weight(own + "value.weight")!, output, null)))];
        return stack([.. Enumerable.Range(0, T).Select(t => Token(t, inputs[t], window, fading))], 0);
    }

    /// <summary>The M largest of all tokens that are eligible at a chunk, from nothing: what refreshing amounts to where scores keep their value.</summary>
    public long[] Largest(int chunk) =>
    [
        .. Enumerable.Range(0, Scores.Length).Where(s => IsEligible(s, chunk) && Scores[s] >= options.Threshold)
            .OrderByDescending(s => options.Newest ? s : Scores[s]).ThenBy(s => s).Take(options.Eidetic).Order().Select(s => (long)s),
    ];

    private bool IsEligible(int s, int chunk) => options.Blocked ? s < (chunk - 1) * options.Refresh : s <= (chunk * options.Refresh) - options.Window;

    private long[] Choose(int chunk)
    {
        List<(double Score, int Position)> kept = [];
        for (int c = 0; c <= chunk; c++)
        {
            var fresh = Enumerable.Range(0, Scores.Length).Where(s => IsEligible(s, c) && !IsEligible(s, c - 1)).Select(s => (Scores[s], s));
            kept = [.. kept.Select(slot => (slot.Score * options.Decay, slot.Position)).Concat(fresh).Where(slot => slot.Item1 >= options.Threshold)
                .OrderByDescending(slot => options.Newest ? slot.Item2 : slot.Item1).ThenBy(slot => slot.Item2).Take(options.Eidetic)];
        }
        return [.. kept.Select(slot => (long)slot.Position).Order()];
    }

    private double ScoreOf(int t, Tensor[] x, Tensor[] y, (Tensor Output, double Residual)[] steps)
    {
        double size = x[t].square().mean().item<double>();
        switch (options.Score)
        {
            case BMojoScore.ReadoutLinear:
                return t == 0 ? double.PositiveInfinity : (x[t] - weight("predictor.weight")!.mv(y[t - 1]) - weight("predictor.bias")!).square().mean().item<double>() / (size + 1e-6);
            case BMojoScore.DeltaResidual:
                return steps[t].Residual;
            case BMojoScore.Norm:
                return size;
            case BMojoScore.Random:
                ulong number = (ulong)t;
                foreach ((ulong factor, ulong summand) in new[] { (48_271UL, 1_013UL), (69_621UL, 90_001UL), (39_373UL, 7_919UL) })
                {
                    number = ((number * factor) + summand) % int.MaxValue;
                    number = number * number % int.MaxValue;
                }
                return (double)number / int.MaxValue;
            default:
                return t;
        }
    }

    private Tensor Token(int t, Tensor x, Key[] window, Key[] fading)
    {
        int R = options.Refresh, c = t / R, start = options.Blocked ? (c - 1) * R : t - options.Window + 1;
        var seen = new List<(Key Key, long Position)>();
        for (int s = Math.Max(0, start); s <= t; s++)
            seen.Add((window[s], s));
        for (int r = 0; options.Eidetic > 0 && r < Slots[c].Length; r++)
        {
            long position = Slots[c][r], begin = options.Blocked ? (c - 1) * R : (c * R) - options.Window + 1;
            seen.Add((window[position], options.Absolute ? position : begin - options.Eidetic + r));
        }
        for (int i = 0, s = options.Offset is { } offset ? t - offset : start - 1; i < options.Fading && s >= 0; i++, s -= options.Stride)
            seen.Add((fading[s], s));

        Tensor q = Head(weight("query.weight")!, x, "query_norm");
        var heads = new List<Tensor>();
        for (int h = 0; h < options.Heads; h++)
        {
            int g = h * options.KeyValueHeads / options.Heads;
            Tensor query = Turn(q[h], t);
            Tensor scores = stack([.. seen.Select(k => (query * Turn(k.Key.Keys[g], k.Position)).sum() / Math.Sqrt(query.shape[0]))], 0);
            Tensor exponentials = (scores - scores.max().detach()).exp();
            heads.Add((exponentials.unsqueeze(1) * stack([.. seen.Select(k => k.Key.Values[g])], 0)).sum([0]) / exponentials.sum());
        }
        return weight("output.weight")!.mv(cat(heads, 0));
    }

    // [heads, K], behind a norm where there is one of that name.
    private Tensor Head(Tensor projection, Tensor input, string? norm)
    {
        Tensor features = projection.mv(input).view(-1, weight("output.weight")!.shape[1] / options.Heads);
        return norm is not null && weight(norm + ".weight") is { } scale
            ? features / (features.square().mean([1], keepdim: true) + 1e-6).sqrt() * scale
            : features;
    }

    private Tensor Turn(Tensor features, long position)
    {
        if (options.RotaryBase == 0)
            return features;
        int half = (int)features.shape[0] / 2;
        double[] angles = [.. Enumerable.Range(0, half).Select(i => position * Math.Pow(options.RotaryBase, -(double)i / half))];
        Tensor cos = tensor([.. angles.Select(Math.Cos)]), sin = tensor([.. angles.Select(Math.Sin)]);
        Tensor a = features.narrow(0, 0, half), b = features.narrow(0, half, half);
        return cat([a * cos - b * sin, b * cos + a * sin], 0);
    }

    private sealed record Key(Tensor Keys, Tensor Values);
}
