using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models.LinearMemories;

/// <summary>What the oracle of a linear memory must know of its declaration.</summary>
/// <param name="Rule">How the memory changes.</param>
/// <param name="Heads">Memories side by side.</param>
internal sealed record LinearMemoryRule(MemoryRule Rule, int Heads)
{
    /// <summary>Heads of queries and keys.</summary>
    public int KeyHeads { get; init; } = Heads;

    public FeatureMap Map { get; init; } = FeatureMap.Identity;

    /// <summary>Whether a read is divided by what the keys alone would read.</summary>
    public bool IsNormalized { get; init; }

    public bool UnitLength { get; init; } = Rule is MemoryRule.Delta or MemoryRule.GatedDelta or MemoryRule.ChannelDelta;

    /// <summary>What sets the decay of each head.</summary>
    public DecaySchedule Decay { get; init; } = DecaySchedule.Learned;

    /// <summary>l / L, where a decay depends on the layer.</summary>
    public double Depth { get; init; }

    /// <summary>Base of the rotary positions; 0 for none.</summary>
    public double RotaryBase { get; init; }

    /// <summary>Writes of a token.</summary>
    public int Writes { get; init; } = 1;

    /// <summary>The largest write strength.</summary>
    public double Strongest { get; init; } = 1;
}

/// <summary>A linear memory for one text, token by token from its equations: nothing of the runtime.</summary>
/// <param name="rule">What the layer was declared with.</param>
/// <param name="weight">A weight by its name in the mixer; null where there is none.</param>
internal sealed class LinearMemoryOracle(LinearMemoryRule rule, Func<string, Tensor?> weight)
{
    private readonly Dictionary<string, List<Tensor>> past = [];
    private int position;

    /// <summary>S after the tokens read so far, <c>[H, K, V]</c>, K after the map.</summary>
    public Tensor? S { get; private set; }

    /// <summary>z, the sum of the keys, <c>[H, K]</c>.</summary>
    public Tensor? Z { get; private set; }

    /// <summary>Of slots the values, <c>[H, M, V]</c>; S has their keys, <c>[H, M, K]</c>.</summary>
    public Tensor? U { get; private set; }

    /// <summary>Reads a token: features <c>[D]</c> in and out.</summary>
    public Tensor Read(Tensor x)
    {
        Tensor q = ForHeads(Turned(Mapped(Query(x), "query_map"))), k = ForHeads(Turned(Mapped(Key(x), "key_map"))), v = Value(x);
        position++;
        if (rule.Rule == MemoryRule.GatedSlots)
            return Out(x, SiLU(Slots(x, q, k, v)), null);
        S ??= zeros([rule.Heads, k.shape[1], v.shape[1]], dtype: ScalarType.Float64);
        Tensor kept = Decay(x, k.shape[1]) is { } decay ? S * decay : S;
        Tensor written = v, before = S;
        if (rule.Rule == MemoryRule.GeneralizedDelta)
        {
            Tensor a = Sigmoid(Product("rate_up", Product("rate_down", x)) + weight("rate_bias")!).view(k.shape), removed = k * weight("removal")!.view(k.shape);
            removed = removed / (removed.square().sum(1, keepdim: true) + 1e-6).sqrt();
            k = (k * (1 - weight("replacement")!.view(k.shape))) + (k * a * weight("replacement")!.view(k.shape));
            kept = kept - ((a * removed).unsqueeze(2) * (S * removed.unsqueeze(2)).sum(1).unsqueeze(1));
        }

        if (rule.Rule is MemoryRule.Delta or MemoryRule.GatedDelta or MemoryRule.ChannelDelta)
        {
            Tensor[] strengths = (rule.Strongest * Sigmoid(Product("write_strength", x))).view(rule.Writes, rule.Heads, 1).unbind(0);
            Tensor[] keys = k.view(rule.Writes, rule.Heads, -1).unbind(0), values = v.view(rule.Writes, rule.Heads, -1).unbind(0);
            Tensor Change(int j) => strengths[j] * (values[j] - (kept * keys[j].unsqueeze(2)).sum(1));
            for (int j = 0; j < rule.Writes - 1; j++)
                kept = kept + (keys[j].unsqueeze(2) * Change(j).unsqueeze(1));
            (k, written) = (keys[^1], Change(rule.Writes - 1));
        }

        S = kept + (k.unsqueeze(2) * written.unsqueeze(1));
        Z = Z is null ? k : Z + k;
        double scale = rule.Map is FeatureMap.Taylor or FeatureMap.Hedgehog ? 1 : 1 / Math.Sqrt(k.shape[1]);
        Tensor o = scale * ((rule.Rule == MemoryRule.BonusDecay ? before + ((weight("bonus")!.view(k.shape) * k).unsqueeze(2) * v.unsqueeze(1)) : S) * q.unsqueeze(2)).sum(1);
        if (rule.IsNormalized)
            o = o / ((scale * (Z * q).sum([1], keepdim: true)) + 1e-6);
        return Out(x, o, rule.Rule == MemoryRule.GeneralizedDelta && weight("bonus") is { } bonus ? (q * bonus.view(k.shape) * k).sum(1, keepdim: true) * v : null);
    }

    // What the layer makes of reads [H, V], with what stands beside them behind the norm.
    private Tensor Out(Tensor x, Tensor o, Tensor? beside)
    {
        Tensor y = o / (o.square().mean([1], keepdim: true) + 1e-6).sqrt() * weight("norm.weight")!;
        if (beside is not null)
            y = y + beside;
        if (weight("gate.weight") is not null)
            y = y * SiLU(Product("gate", x)).view(y.shape);
        return Product("output", y.flatten());
    }

    // Heads h, h + 1, ... that share a key head stand side by side; those of the writes follow one another.
    private Tensor ForHeads(Tensor keys) =>
        stack([.. Enumerable.Range(0, (int)keys.shape[0] / rule.KeyHeads * rule.Heads).Select(h => keys[h / (rule.Heads / rule.KeyHeads)])], 0);

    // A slot is a mean of the tokens, of which each is weighed with what it left of those before.
    private Tensor Slots(Tensor x, Tensor q, Tensor k, Tensor v)
    {
        Tensor alpha = Sigmoid(Product("forget", x)).pow(1.0 / 8).view(rule.Heads, -1, 1);
        S = (alpha * (S ?? zeros([rule.Heads, alpha.shape[1], k.shape[1]], dtype: ScalarType.Float64))) + ((1 - alpha) * k.unsqueeze(1));
        U = (alpha * (U ?? zeros([rule.Heads, alpha.shape[1], v.shape[1]], dtype: ScalarType.Float64))) + ((1 - alpha) * v.unsqueeze(1));
        Tensor met = (S * q.unsqueeze(1)).sum(2, keepdim: true).exp();
        return (met / met.sum(1, keepdim: true) * U).sum(1);
    }

    private Tensor Query(Tensor x) => rule.Rule is MemoryRule.TiedDecay or MemoryRule.GatedSlots ? Activated("query", x) : Convolved("query", x);

    private Tensor Key(Tensor x) => rule.Rule switch
    {
        MemoryRule.TiedDecay => 1 - Tied(x),
        MemoryRule.GatedSlots => Activated("key", x),
        _ => Convolved("key", x),
    };

    private Tensor Value(Tensor x) => rule.Rule == MemoryRule.GatedSlots ? Activated("value", x) : Convolved("value", x);

    // With or without convolution a SiLU.
    private Tensor Activated(string name, Tensor x) =>
        weight(name + "_convolution.weight") is null ? SiLU(Product(name, x)).view(rule.Heads, -1) : Convolved(name, x);

    // alpha of every key feature.
    private Tensor Tied(Tensor x) => rule.Depth + ((1 - rule.Depth) * Sigmoid(Product("forget", x)).view(rule.Heads, -1));

    // What is left of every entry, to be broadcast over [H, K, V].
    private Tensor? Decay(Tensor x, long features) => rule.Rule switch
    {
        MemoryRule.ScalarDecay when rule.Decay == DecaySchedule.RetNet =>
            tensor([.. Enumerable.Range(0, rule.Heads).Select(h => 1 - Math.Pow(2, -5 - h))]).view(rule.Heads, 1, 1),
        MemoryRule.ScalarDecay when rule.Decay == DecaySchedule.Lightning =>
            tensor([.. Enumerable.Range(0, rule.Heads).Select(h => Math.Exp(-8.0 * h / rule.Heads * (1 - rule.Depth)))]).view(rule.Heads, 1, 1),
        MemoryRule.ScalarDecay or MemoryRule.GatedDelta =>
            (-weight("decay_rate")!.exp() * (1 + (Product("decay", x) + weight("decay_bias")!).exp()).log()).exp().view(rule.Heads, 1, 1),
        MemoryRule.ChannelDelta =>
            (-weight("decay_rate")!.exp().view(rule.Heads, 1, 1)
                * (1 + (Product("decay_up", Product("decay_down", x)) + weight("decay_bias")!).exp()).log().view(rule.Heads, features, 1)).exp(),
        MemoryRule.BonusDecay =>
            (-(Product("decay_up", Tanh(Product("decay_down", x))) + weight("decay_bias")!).view(rule.Heads, features, 1).exp()).exp(),
        MemoryRule.GeneralizedDelta =>
            (-Math.Exp(-0.5) * Sigmoid(Product("decay_up", Tanh(Product("decay_down", x))) + weight("decay_bias")!).view(rule.Heads, features, 1)).exp(),
        MemoryRule.TiedDecay => Tied(x).unsqueeze(2),
        MemoryRule.ChannelDecay =>
            Sigmoid(Product("decay_up", Product("decay_down", x)) + weight("decay_up.bias")!).pow(1.0 / 16).view(rule.Heads, features, 1),
        _ => null,
    };

    // Features i and i + K/2 turn by position base^(-2i/K).
    private Tensor Turned(Tensor heads)
    {
        if (rule.RotaryBase == 0)
            return heads;
        int half = (int)heads.shape[1] / 2;
        double[] angles = [.. Enumerable.Range(0, half).Select(i => position * Math.Pow(rule.RotaryBase, -(double)i / half))];
        Tensor cos = tensor([.. angles.Select(Math.Cos)]), sin = tensor([.. angles.Select(Math.Sin)]);
        Tensor a = heads.narrow(1, 0, half), b = heads.narrow(1, half, half);
        return cat([(a * cos) - (b * sin), (b * cos) + (a * sin)], 1);
    }

    private Tensor Mapped(Tensor heads, string map) => rule.UnitLength ? heads / (heads.square().sum(1, keepdim: true) + 1e-6).sqrt() : rule.Map switch
    {
        FeatureMap.EluPlusOne => where(heads.gt(0), heads + 1, heads.clamp_max(0).exp()),
        FeatureMap.Relu => heads.clamp_min(0),
        FeatureMap.Taylor => Taylor([.. heads.unbind(1)]),
        FeatureMap.Hedgehog => Hedgehog((weight(map)!.view(heads.shape[0], heads.shape[1], heads.shape[1]) * heads.unsqueeze(1)).sum(2)),
        _ => heads,
    };

    // 1, every x_i, every x_i^2, and the other pairs by the distance between their features around the head.
    private static Tensor Taylor(Tensor[] x)
    {
        int count = x.Length;
        List<Tensor> mapped = [ones_like(x[0]), .. x.Select(each => each / Math.Pow(count, 0.25))];
        for (int distance = 0; distance <= count / 2; distance++)
            for (int i = 0; i < (distance > 0 && 2 * distance == count ? distance : count); i++)
                mapped.Add(x[i] * x[(i + distance) % count] / Math.Sqrt(distance == 0 ? 2 * count : count));
        return stack(mapped, 1);
    }

    private static Tensor Hedgehog(Tensor x)
    {
        Tensor weights = cat([(2 * x).exp(), (-2 * x).exp()], 1);
        return weights / weights.sum([1], keepdim: true);
    }

    // The last taps multiply the newest tokens; zeros stand before the first.
    private Tensor Convolved(string name, Tensor x)
    {
        Tensor projected = Product(name, x);
        int heads = (name == "query" ? 1 : rule.Writes) * (name == "value" ? rule.Heads : rule.KeyHeads);
        if (weight(name + "_convolution.weight") is not { } taps)
            return projected.view(heads, -1);
        if (!past.TryGetValue(name, out List<Tensor>? rows))
            past[name] = rows = [];
        rows.Add(projected);
        Tensor sum = zeros_like(projected);
        for (int back = 0; back < taps.shape[1] && back < rows.Count; back++)
            sum = sum + (taps.select(1, taps.shape[1] - 1 - back) * rows[^(back + 1)]);
        return SiLU(sum).view(heads, -1);
    }

    private Tensor Product(string name, Tensor x) => weight(name + ".weight")!.mv(x);

    private static Tensor Sigmoid(Tensor x) => 1 / (1 + (-x).exp());

    private static Tensor Tanh(Tensor x) => (2 * Sigmoid(2 * x)) - 1;

    private static Tensor SiLU(Tensor x) => x * Sigmoid(x);
}
