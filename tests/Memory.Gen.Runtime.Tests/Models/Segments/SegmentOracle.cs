using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models.Segments;

/// <summary>
/// Hierarchical and recurrent memories for one text, straight from the equations: every window is read whole, by an attention stack
/// that is written out as sums over rows, or by layers that have oracles of their own.
/// </summary>
internal sealed class SegmentOracle(nn.Module model, long heads)
{
    private const double Epsilon = 1e-6, Theta = 10_000;

    /// <summary>New tokens of a segment.</summary>
    public required long NewTokens { get; init; }

    public long Sensory { get; init; }

    /// <summary>Memories that are recalled from; 0: the last one is passed on.</summary>
    public long Slots { get; init; }

    /// <summary>Tokens of a summary, the last of the segment before, or the first of the segment itself.</summary>
    public long Summary { get; init; }

    /// <summary>Whether the learned row stands behind a summary's tokens only.</summary>
    public bool IsOneEnded { get; init; }

    /// <summary>Factor on the scores of the recall; null: 1 / sqrt(R).</summary>
    public double? Scale { get; init; }

    public bool Causal { get; init; } = true;

    /// <summary>False: the rows of the memory are not there.</summary>
    public bool HasMemory { get; init; } = true;

    /// <summary>Segments of a stretch, at whose start memories are cut; 0: never.</summary>
    public long Stretch { get; init; }

    /// <summary>Whether the backbone is made of the model's layers, which begin anew with every window, and not of attention.</summary>
    public bool HasOtherLayers { get; init; }

    /// <summary>Mem_0, Mem_1, ... of the text read last, each <c>[m, D]</c>.</summary>
    public List<Tensor> Memories { get; } = [];

    /// <summary>P_0, P_1, ...</summary>
    public List<Tensor> Prompts { get; } = [];

    /// <summary>Logits <c>[T, V]</c> of a text <c>[T]</c>.</summary>
    public Tensor Read(Tensor tokens)
    {
        Memories.Clear();
        Prompts.Clear();
        var known = new List<Tensor>();
        var logits = new List<Tensor>();
        for (long start = 0; start < tokens.shape[0]; start += NewTokens)
        {
            long n = start / NewTokens, length = Math.Min(NewTokens, tokens.shape[0] - start);
            if (Stretch > 0 && n % Stretch == 0)
                known = [.. known.Select(memory => memory.detach())];
            Tensor x = tokens.narrow(0, start, length), P = Prompt(tokens, start, length, known);
            Prompts.Add(P);
            Tensor write = Weight("write_memory") ?? P;
            Tensor[] before = n == 0 || Sensory == 0 ? [] : [Embedded(tokens.narrow(0, start - Sensory, Sensory))];
            Tensor[] window = HasMemory ? [P, .. before, Embedded(x), write] : [.. before, Embedded(x)];
            Tensor h = Backbone(cat(window, 0));
            long front = (HasMemory ? P.shape[0] : 0) + (before.Length == 0 ? 0 : Sensory);
            logits.Add(h.narrow(0, front, length).matmul(Weight("head.weight")!.t()));
            if (length < NewTokens || !HasMemory)
                continue;
            Memories.Add(h.narrow(0, h.shape[0] - P.shape[0], P.shape[0]));
            known.Add(Memories[^1]);
        }

        return cat(logits, 0);
    }

    /// <summary>Hidden rows of a window <c>[S, D]</c>, after the last norm.</summary>
    public Tensor Backbone(Tensor x)
    {
        for (int i = 0; Weight($"layers.{i}.mixer_norm.weight") is { } norm; i++)
        {
            if (HasOtherLayers)
            {
                var layer = (nn.Module<Tensor, LayerState?, Tensor>)model.named_modules().First(each => each.name == $"layers.{i}").module;
                x = layer.call(x.unsqueeze(0), null).squeeze(0);
                continue;
            }

            Tensor Of(string name) => Weight($"layers.{i}.{name}.weight")!.t();
            x = x + Attention(Normed(x, norm), Of("mixer.query"), Of("mixer.key"), Of("mixer.value")).matmul(Of("mixer.output"));
            Tensor y = Normed(x, Weight($"layers.{i}.feed_forward_norm.weight")!), gate = y.matmul(Of("feed_forward.gate"));
            x = x + (gate / (1 + (-gate).exp()) * y.matmul(Of("feed_forward.up"))).matmul(Of("feed_forward.down"));
        }

        return Normed(x, Weight("norm.weight")!);
    }

    private Tensor Prompt(Tensor tokens, long start, long length, List<Tensor> known)
    {
        if (known.Count == 0 || !HasMemory)
            return Weight("initial_memory")!;
        if (Slots == 0)
            return known[^1];
        Tensor[] memories = [.. known.TakeLast((int)Slots)];
        Tensor of = Causal ? tokens.narrow(0, start - Summary, Summary) : tokens.narrow(0, start, Math.Min(Summary, length));
        Tensor T = Weight("summary_prompt")!, S = Backbone(cat(IsOneEnded ? [Embedded(of), T] : [T, Embedded(of), T], 0))[^1..];
        Tensor q = S.matmul(Weight("recall_query.weight")!.t());
        double scale = Scale ?? 1 / Math.Sqrt(q.shape[1]);
        Tensor[] weights = [.. memories.Select(memory => ((q * memory.matmul(Weight("recall_key.weight")!.t())).sum() * scale).exp())];
        Tensor total = weights.Aggregate((a, b) => a + b);
        return memories.Zip(weights, (memory, weight) => memory * (weight / total)).Aggregate((a, b) => a + b);
    }

    private Tensor Attention(Tensor x, Tensor query, Tensor key, Tensor value)
    {
        Tensor q = x.matmul(query), k = x.matmul(key), v = x.matmul(value);
        long K = q.shape[1] / heads;
        var rows = new List<Tensor>();
        for (long t = 0; t < x.shape[0]; t++)
        {
            var outputs = new List<Tensor>();
            for (long h = 0; h < heads; h++)
            {
                Tensor[] weights = [.. Enumerable.Range(0, (int)t + 1).Select(j =>
                    ((Turned(Head(q, t, h, K), t) * Turned(Head(k, j, h, K), j)).sum() / Math.Sqrt(K)).exp())];
                Tensor total = weights.Aggregate((a, b) => a + b);
                outputs.Add(weights.Select((weight, j) => Head(v, j, h, K) * (weight / total)).Aggregate((a, b) => a + b));
            }

            rows.Add(cat(outputs, 0));
        }

        return stack(rows, 0);
    }

    private static Tensor Head(Tensor x, long row, long head, long K) => x.select(0, row).narrow(0, head * K, K);

    private static Tensor Turned(Tensor x, long position)
    {
        long half = x.shape[0] / 2;
        double[] angles = [.. Enumerable.Range(0, (int)half).Select(i => position * Math.Pow(Theta, -2.0 * i / x.shape[0]))];
        Tensor cos = tensor(angles.Select(Math.Cos).ToArray()), sin = tensor(angles.Select(Math.Sin).ToArray());
        Tensor a = x.narrow(0, 0, half), b = x.narrow(0, half, half);
        return cat([a * cos - b * sin, b * cos + a * sin], 0);
    }

    private static Tensor Normed(Tensor x, Tensor weight) => x / (x.square().mean([-1], true) + Epsilon).sqrt() * weight;

    private Tensor Embedded(Tensor tokens) => Weight("embedding.weight")!.index_select(0, tokens);

    private Tensor? Weight(string name) => model.get_parameter(name);
}
