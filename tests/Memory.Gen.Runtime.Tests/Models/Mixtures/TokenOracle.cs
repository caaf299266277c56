using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models.Mixtures;

/// <summary>A mixture of memories, token by token as it is defined: one row, plain tensors, nothing of the runtime.</summary>
internal sealed class TokenOracle(MixtureCase layer)
{
    private readonly Dictionary<int, Kept> memories = [];

    /// <summary>What memory m holds after the tokens read so far; null if it got none. Memory M is the shared one.</summary>
    public Kept? this[int memory] => memories.GetValueOrDefault(memory);

    /// <summary>Reads on: features <c>[T, D]</c> in and out.</summary>
    public Tensor Read(Tensor x) => stack([.. x.unbind(0).Select(Token)], 0);

    private Tensor Token(Tensor x)
    {
        Tensor logits = layer.Weight("router.weight")!.mv(x);
        double[] values = logits.detach().data<double>().ToArray();
        int[] chosen = [.. Enumerable.Range(0, layer.Memories).OrderByDescending(m => values[m]).ThenBy(m => m).Take(layer.TopK)];
        Tensor exponentials = stack([.. chosen.Select(m => logits[m])], 0).exp();
        Tensor weights = exponentials / exponentials.sum();
        (Tensor read, Tensor own) = layer.HasShared ? Step(layer.Memories, x) : (0.0, 0.0);
        for (int r = 0; r < chosen.Length; r++)
        {
            (Tensor o, Tensor u) = Step(chosen[r], x);
            (read, own) = (read + weights[r] * o, own + weights[r] * u);
        }

        if (layer.Rule == MemoryRule.GatedSlots)
            read = read * read.sigmoid();
        Tensor normed = read / (read.pow(2).mean([1], keepdim: true) + 1e-6).sqrt() * layer.Weight("norm.weight")! + own;
        if (layer.Weight("gate.weight") is { } gate)
        {
            Tensor opening = gate.mv(x).view(normed.shape);
            normed = normed * opening * opening.sigmoid();
        }
        return layer.Weight("output.weight")!.mv(normed.flatten());
    }

    // What the token reads when the memory takes it in, and what is added behind the norm, [H, V].
    private (Tensor Read, Tensor Own) Step(int memory, Tensor x)
    {
        if (!memories.TryGetValue(memory, out Kept? kept))
            memories[memory] = kept = new Kept();
        Tensor q = ForHeads(Unit(Convolve(kept, "query", layer.Weight("query.weight")!.mv(x)).view(layer.KeyHeads, -1)));
        Tensor Gate(string name) => layer.Weight(name, memory).mv(x);
        // Tied keys are what the decays leave room for; a layer by itself has the lowest place, where none is kept from fading.
        Tensor[] keys = layer.Rule == MemoryRule.TiedDecay ? [1 - Gate("forget").sigmoid().view(layer.Heads, -1)] : [.. Convolve(kept, "key", layer.Weight("key", memory).mv(x)).view(layer.Writes, layer.KeyHeads, -1).unbind(0).Select(Unit).Select(ForHeads)];
        Tensor[] values = Convolve(kept, "value", layer.Weight("value", memory).mv(x)).view(layer.Writes, layer.Heads, -1).unbind(0);
        Tensor k = keys[0], v = values[0];
        if (layer.Rule == MemoryRule.GatedSlots)
            return (Slots(kept, q, k, v, Gate("forget")), 0.0);
        Tensor S = kept.S ?? zeros([layer.Heads, k.shape[1], v.shape[1]], dtype: ScalarType.Float64), before = S;
        Tensor Erased(Tensor from) => v - (from * k.unsqueeze(2)).sum(1);
        Tensor Outer(Tensor u) => k.unsqueeze(2) * u.unsqueeze(1);
        double scale = layer.Rule == MemoryRule.Titans ? 1 : 1 / Math.Sqrt(k.shape[1]);
        if (layer.Rule is MemoryRule.ScalarDecay or MemoryRule.GatedDelta)
            S = S * (-layer.Weight("decay_rate")!.exp() * (1 + (Gate("decay") + layer.Weight("decay_bias")!).exp()).log()).exp().view(-1, 1, 1);
        Tensor own = 0.0;
        if (layer.Rule == MemoryRule.GeneralizedDelta)
        {
            Tensor Channels(string name) => layer.Weight(name)!.view(layer.Heads, -1);
            Tensor slowed = layer.Weight("decay_up", memory).mv(Gate("decay_down").tanh()).view(layer.Heads, -1) + Channels("decay_bias");
            Tensor a = (layer.Weight("rate_up", memory).mv(Gate("rate_down")).view(layer.Heads, -1) + Channels("rate_bias")).sigmoid();
            Tensor kappa = k * Channels("removal");
            kappa = kappa / (kappa.pow(2).sum(1, keepdim: true) + 1e-6).sqrt();
            S = S * (-Math.Exp(-0.5) * slowed.sigmoid()).exp().unsqueeze(2) - (a * kappa).unsqueeze(2) * (S * kappa.unsqueeze(2)).sum(1, keepdim: true);
            k = k * (1 + (a - 1) * Channels("replacement"));
            own = (q * Channels("bonus") * k).sum(1, keepdim: true) * v;
        }

        if (layer.Rule == MemoryRule.TiedDecay)
            S = S * (1 - k).unsqueeze(2);
        if (layer.Rule == MemoryRule.ChannelDecay)
            S = S * (layer.Weight("decay_up", memory).mv(Gate("decay_down")) + layer.Weight("decay_bias")!).sigmoid().log().div(16).exp().view(layer.Heads, -1, 1);
        if (layer.Rule == MemoryRule.BonusDecay)
            S = S * (-(layer.Weight("decay_up", memory).mv(Gate("decay_down").tanh()) + layer.Weight("decay_bias")!).exp()).exp().view(layer.Heads, -1, 1);
        if (layer.Rule == MemoryRule.ChannelDelta)
            S = S * (-layer.Weight("decay_rate")!.exp().unsqueeze(1) * (1 + (layer.Weight("decay_up", memory).mv(Gate("decay_down")) + layer.Weight("decay_bias")!).exp()).log().view(layer.Heads, -1)).exp().unsqueeze(2);
        if (layer.Rule == MemoryRule.Titans)
        {
            Tensor eta = Gate("momentum").sigmoid(), theta = (1 - eta) * Gate("step_size").sigmoid();
            Tensor alpha = (Gate("forgetting") + layer.Weight("forgetting_bias")!).sigmoid();
            kept.P = eta.view(-1, 1, 1) * (kept.P ?? zeros_like(S)) + theta.view(-1, 1, 1) * Outer(Erased(S));
            S = (1 - alpha).view(-1, 1, 1) * S + kept.P;
        }
        else if (layer.Rule is MemoryRule.Delta or MemoryRule.GatedDelta or MemoryRule.ChannelDelta)
        {
            Tensor[] strengths = (layer.Strongest * Gate("write_strength").sigmoid()).view(layer.Writes, layer.Heads, 1).unbind(0);
            for (int j = 0; j < layer.Writes; j++)
            {
                (k, v) = (keys[j], values[j]);
                S = S + Outer(strengths[j] * Erased(S));
            }
        }
        else
            S = S + Outer(v);
        kept.S = S;
        Tensor read = layer.Rule == MemoryRule.BonusDecay ? before + layer.Weight("bonus")!.view(layer.Heads, -1, 1) * Outer(v) : S;
        return (scale * (read * q.unsqueeze(2)).sum(1), own);
    }

    // Of slots S has the keys and P the values, each a mean of the tokens; a softmax over the slots reads them.
    private Tensor Slots(Kept kept, Tensor q, Tensor k, Tensor v, Tensor forget)
    {
        Tensor alpha = forget.sigmoid().pow(1.0 / 8).view(layer.Heads, -1, 1);
        kept.S = alpha * (kept.S ?? 0.0) + (1 - alpha) * k.unsqueeze(1);
        kept.P = alpha * (kept.P ?? 0.0) + (1 - alpha) * v.unsqueeze(1);
        Tensor met = (kept.S * q.unsqueeze(1)).sum(2, keepdim: true).exp();
        return (met / met.sum(1, keepdim: true) * kept.P).sum(1);
    }

    // Neighbouring heads have the same.
    private Tensor ForHeads(Tensor keys) => stack([.. Enumerable.Range(0, layer.Heads).Select(h => keys[h * layer.KeyHeads / layer.Heads])], 0);

    // The memory's own last inputs, oldest first; the last tap multiplies the present one.
    private Tensor Convolve(Kept kept, string name, Tensor input)
    {
        if (layer.Weight(name + "_convolution.weight") is not { } taps)
            return layer.Rule == MemoryRule.GatedSlots || (layer.Rule == MemoryRule.TiedDecay && name == "query") ? input * input.sigmoid() : input;
        int width = (int)taps.shape[1];
        List<Tensor> ring = kept.Ring(name, width - 1, input);
        ring.Add(input);
        Tensor sum = 0.0;
        for (int w = 0; w < width; w++)
            sum = sum + taps.select(1, w) * ring[w];
        ring.RemoveAt(0);
        return sum * sum.sigmoid();
    }

    private Tensor Unit(Tensor heads)
    {
        bool unit = layer.Rule is MemoryRule.Delta or MemoryRule.GatedDelta or MemoryRule.ChannelDelta or MemoryRule.Titans || layer.Layer is DenseMixture;
        return unit ? heads / (heads.pow(2).sum(1, keepdim: true) + 1e-6).sqrt() : heads;
    }

    /// <summary>One memory's state.</summary>
    public sealed class Kept
    {
        private readonly Dictionary<string, List<Tensor>> rings = [];

        public Tensor? S { get; set; }

        public Tensor? P { get; set; }

        /// <summary>The last inputs of a convolution, zeros before the first.</summary>
        public List<Tensor> Ring(string name, int length, Tensor like)
        {
            if (!rings.TryGetValue(name, out List<Tensor>? ring))
                rings[name] = ring = [.. Enumerable.Range(0, length).Select(_ => zeros_like(like))];
            return ring;
        }
    }
}
