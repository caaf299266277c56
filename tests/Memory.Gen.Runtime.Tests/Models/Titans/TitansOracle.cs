using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models.Titans;

/// <summary>What a Titans layer was declared with, as far as its oracle asks.</summary>
/// <param name="Variant">How memory and attention are put together.</param>
/// <param name="Block">Tokens whose gradients are taken at the same weights.</param>
/// <param name="Window">Tokens of the attention's window, or of a segment.</param>
internal sealed record TitansRule(TitansVariant Variant, int Block, int Window = 0)
{
    public int Heads { get; init; } = 2;

    public double MaxStep { get; init; } = 1;

    public double MaxMomentum { get; init; } = 0.95;

    /// <summary>Longest gradient of a token.</summary>
    public double Clip { get; init; } = 1;

    public TitansActivation Activation { get; init; } = TitansActivation.Silu;

    public bool GatedLinearUnit { get; init; }

    public bool DecaysToInitial { get; init; }

    /// <summary>Whether a gradient is taken after the forgetting.</summary>
    public bool DecaysFirst { get; init; }

    /// <summary>Whether tokens read what their block began with.</summary>
    public bool ReadsBlockStart { get; init; }

    /// <summary>Whether a block's momentum is orthogonalised before it is written; the write then is MaxStep long.</summary>
    public bool Muon { get; init; }

    /// <summary>Whether every column of the weights keeps its norm.</summary>
    public bool WeightNorm { get; init; }

    public bool UnitLength { get; init; } = true;

    /// <summary>Tokens of a text between places that no gradient passes; 0 where there are none.</summary>
    public int Stretch { get; init; }

    /// <summary>Base of the attention's rotary positions; 0 for none.</summary>
    public double RotaryBase { get; init; } = 10_000;

    /// <summary>Whether the attention sees the tokens of its own segment only.</summary>
    public bool IsSegmented { get; init; }

    /// <summary>Whether the gate squashes the memory and not the attention.</summary>
    public bool SquashesMemory { get; init; }
}

/// <summary>
/// A Titans layer for one text, token by token (arXiv 2501.00663, sections 3.3 and 4): persistent tokens stand before the text
/// and are read by the memory like any others, an attention is a sum over what a token may see.
/// </summary>
/// <param name="rule">What the layer was declared with.</param>
/// <param name="weight">A weight by its name in the mixer; null where there is none.</param>
internal sealed class TitansOracle(TitansRule rule, Func<string, Tensor?> weight)
{
    /// <summary>Reads a whole text: features <c>[T, D]</c> in and out.</summary>
    public Tensor Read(Tensor x)
    {
        Tensor[] P = weight("persistent") is { } persistent ? [.. persistent.unbind(0)] : [], text = [.. x.unbind(0)];
        var memory = new NeuralMemoryOracle(rule, name => weight("memory." + name));
        Tensor[] o = rule.Variant == TitansVariant.Context ? Context(P, text, memory) : AfterMemory(P, text, memory);
        return stack([.. o.Select(weight("output.weight")!.mv)], 0);
    }

    private Tensor[] AfterMemory(Tensor[] P, Tensor[] x, NeuralMemoryOracle memory)
    {
        Tensor[] before = [.. P.Select(memory.Read)];
        memory.BeginBlock();
        Tensor[] m = [.. x.Select(memory.Read)];
        if (rule.Variant == TitansVariant.MemoryOnly)
            return [.. x.Zip(m, (each, recalled) => Normed(recalled, "norm").flatten() * SiLU(weight("gate.weight")!.mv(each)))];
        if (rule.Variant == TitansVariant.Gate)
            return [.. Attention(P, x, x.Select(each => new[] { each })).Zip(m, Gated)];
        Tensor[] z = [.. x.Zip(m, Shown)];
        return [.. Attention([.. P.Zip(before, Shown)], z, z.Select(each => new[] { each })).Select(y => y.flatten())];
    }

    private Tensor[] Context(Tensor[] P, Tensor[] x, NeuralMemoryOracle memory)
    {
        // Attention looks back within a segment only, so that of a longer text can be asked again for the part read so far.
        var seen = new List<Tensor[]>();
        var outputs = new List<Tensor>();
        Tensor[][] segmentStart = memory.Now;
        for (int t = 0; t < x.Length; t++)
        {
            if (t > 0 && rule.Stretch > 0 && t % rule.Stretch == 0)
                memory.Cut();
            if (t % rule.Window == 0)
                segmentStart = memory.Now;
            seen.Add([Normed(memory.Recall(x[t], segmentStart), "recall_norm").flatten(), x[t]]);
            Tensor y = Attention(P, x[..(t + 1)], seen)[^1];
            outputs.Add(Gated(y, memory.Read(y.flatten())));
        }
        return [.. outputs];
    }

    private Tensor Gated(Tensor y, Tensor m)
    {
        Tensor attention = Normed(y, "attention_norm"), recalled = Normed(m, "memory_norm");
        return (rule.SquashesMemory ? attention * Sigmoid(recalled) : Sigmoid(attention) * recalled).flatten();
    }

    private Tensor Shown(Tensor x, Tensor m)
    {
        Tensor gated = Normed(m, "memory_norm").flatten() * SiLU(weight("memory_gate.weight")!.mv(x));
        return Normed(weight("memory_output.weight")!.mv(gated), "attention_norm");
    }

    // What each of the queries' tokens attends to is what stands at its own and earlier places; [H, K] a token.
    private Tensor[] Attention(Tensor[] P, Tensor[] queries, IEnumerable<Tensor[]> rows)
    {
        Tensor[][] places = [.. rows];
        (Tensor Key, Tensor Value)[] prefix = weight("attention.persistent_keys") is { } keys
            ? [.. keys.unbind(0).Zip(weight("attention.persistent_values")!.unbind(0))]
            : [.. P.Select(p => (Head("key", p), Head("value", p)))];
        return [.. queries.Select((x, t) => Attended(Head("query", x), t, prefix, places))];
    }

    private Tensor Attended(Tensor q, int t, (Tensor Key, Tensor Value)[] prefix, Tensor[][] places)
    {
        int first = rule.IsSegmented || rule.Variant == TitansVariant.Context ? t / rule.Window * rule.Window : Math.Max(0, t - rule.Window + 1);
        List<(Tensor Score, Tensor Value)> seen = [.. prefix.Select(p => ((q * p.Key).sum([1]), p.Value))];
        for (int j = first; j <= t; j++)
            foreach (Tensor row in places[j])
                seen.Add(((Turned(q, t) * Turned(Head("key", row), j)).sum([1]), Head("value", row)));
        Tensor[] weights = [.. seen.Select(each => (each.Score / Math.Sqrt(q.shape[1])).exp())];
        Tensor total = weights.Aggregate((a, b) => a + b);
        return seen.Zip(weights, (each, w) => (w / total).unsqueeze(1) * each.Value).Aggregate((a, b) => a + b);
    }

    private Tensor Head(string name, Tensor x) => weight($"attention.{name}.weight")!.mv(x).view(rule.Heads, -1);

    private Tensor Normed(Tensor x, string name) => x / (x.square().mean([-1], true) + 1e-6).sqrt() * weight(name + ".weight")!;

    private Tensor Turned(Tensor x, int position)
    {
        if (rule.RotaryBase == 0)
            return x;
        int half = (int)x.shape[1] / 2;
        double[] angles = [.. Enumerable.Range(0, half).Select(i => position * Math.Pow(rule.RotaryBase, -(double)i / half))];
        Tensor cos = tensor([.. angles.Select(Math.Cos)]), sin = tensor([.. angles.Select(Math.Sin)]);
        Tensor a = x.narrow(1, 0, half), b = x.narrow(1, half, half);
        return cat([(a * cos) - (b * sin), (b * cos) + (a * sin)], 1);
    }

    private static Tensor Sigmoid(Tensor x) => 1 / (1 + (-x).exp());

    private static Tensor SiLU(Tensor x) => x * Sigmoid(x);
}
