using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models.Titans;

/// <summary>
/// The neural memory of a Titans layer for one text (Behrouz, Zhong, Mirrokni, arXiv 2501.00663, sections 3.1 and 3.2), one token
/// and one head after the other: weights and momenta as they stand after every token, and nothing of the runtime.
/// </summary>
/// <param name="rule">What the layer was declared with.</param>
/// <param name="weight">A weight by its name in the memory; null where there is none.</param>
internal sealed class NeuralMemoryOracle(TitansRule rule, Func<string, Tensor?> weight)
{
    private readonly Dictionary<string, List<Tensor>> past = [];
    private readonly Tensor[][] initial = Initial(rule, weight);
    private Tensor[][] weights = Initial(rule, weight), blockStart = [], momenta = [];
    private int place;

    /// <summary>The weights of every head and layer as they are now.</summary>
    public Tensor[][] Now => weights;

    /// <summary>The next token begins a block, as the first one of a text does after the persistent tokens.</summary>
    public void BeginBlock() => place = 0;

    /// <summary>What <paramref name="held"/> answers to a token that does not write: features <c>[D]</c> to <c>[H, K]</c>.</summary>
    public Tensor Recall(Tensor x, Tensor[][] held)
    {
        Tensor q = Unit(Projected("recall", x));
        return stack([.. held.Select((W, h) => Layers(q[h], W)[^1])], 0);
    }

    /// <summary>A token writes, then recalls: features <c>[D]</c> to <c>[H, K]</c>.</summary>
    public Tensor Read(Tensor x)
    {
        Tensor q = Unit(Projected("query", x)), k = Unit(Projected("key", x)), v = Projected("value", x);
        Tensor? eta = Gate("momentum", x) is { } e ? 0.95 * e : null, alpha = Gate("forgetting", x);
        Tensor theta = rule.MaxStep * (1 - (eta ?? zeros(rule.Heads, dtype: ScalarType.Float64))) * Gate("step", x)!;
        if (place++ % rule.Block == 0)
            blockStart = [.. weights.Select(each => each.ToArray())];
        var outputs = new List<Tensor>();
        for (int h = 0; h < rule.Heads; h++)
        {
            Tensor[] G = Gradient(k[h], v[h], blockStart[h]);
            Tensor length = G.Select(g => g.square().sum()).Aggregate((a, b) => a + b).sqrt();
            Tensor factor = length.item<double>() > 1 ? theta[h] / length : theta[h];
            Tensor[] S = [.. G.Select((g, l) => (momenta.Length > h && eta is not null ? eta[h] * momenta[h][l] : zeros_like(g)) - (factor * g))];
            Tensor[] W = [.. weights[h].Select((w, l) => Faded(w, rule.DecaysToInitial ? initial[h][l] : zeros_like(w), alpha?[h]) + S[l])];
            momenta = momenta.Length > h ? [.. momenta[..h], S, .. momenta[(h + 1)..]] : [.. momenta, S];
            weights = [.. weights[..h], W, .. weights[(h + 1)..]];
            outputs.Add(Layers(q[h], W)[^1]);
        }
        return stack(outputs, 0);
    }

    private static Tensor[][] Initial(TitansRule rule, Func<string, Tensor?> weight)
    {
        Tensor[] matrices = weight("weights") is { } only ? [only] : [weight("weights_1")!, weight("weights_2")!];
        return [.. Enumerable.Range(0, rule.Heads).Select(h => matrices.Select(matrix => matrix[h]).ToArray())];
    }

    private static Tensor Faded(Tensor w, Tensor toward, Tensor? alpha) => alpha is null ? w : toward + ((1 - alpha) * (w - toward));

    // U_1 ... U_L for an input [K].
    private static Tensor[] Layers(Tensor x, Tensor[] W)
    {
        var outputs = new List<Tensor>();
        foreach (Tensor w in W)
            outputs.Add(w.t().mv(outputs.Count == 0 ? x : SiLU(outputs[^1])));
        return [.. outputs];
    }

    // Of 1/2 |f(k) - v|^2 by the chain rule.
    private static Tensor[] Gradient(Tensor k, Tensor v, Tensor[] W)
    {
        Tensor[] U = Layers(k, W);
        var gradients = new Tensor[W.Length];
        Tensor error = U[^1] - v;
        for (int l = W.Length - 1; l >= 0; l--)
        {
            gradients[l] = (l == 0 ? k : SiLU(U[l - 1])).unsqueeze(1) * error.unsqueeze(0);
            if (l == 0)
                break;
            Tensor s = 1 / (1 + (-U[l - 1]).exp());
            error = W[l].mv(error) * s * (1 + (U[l - 1] * (1 - s)));
        }
        return gradients;
    }

    private Tensor Projected(string name, Tensor x)
    {
        if (!past.TryGetValue(name, out List<Tensor>? rows))
            past[name] = rows = [];
        rows.Add(weight(name + ".weight")!.mv(x));
        Tensor filter = weight(name + "_convolution.weight")!;
        filter = filter.view(filter.shape[0], -1);
        long width = filter.shape[1];
        Tensor sum = zeros_like(rows[^1]);
        for (int back = 0; back < width && back < rows.Count; back++)
            sum = sum + (filter.select(1, width - 1 - back) * rows[^(back + 1)]);
        return SiLU(sum).view(rule.Heads, -1);
    }

    private Tensor? Gate(string name, Tensor x) => weight(name + ".weight") is { } row ? 1 / (1 + (-(row.mv(x) + weight(name + ".bias")!)).exp()) : null;

    private static Tensor SiLU(Tensor x) => x / (1 + (-x).exp());

    private static Tensor Unit(Tensor x) => x / (x.square().sum(1, keepdim: true) + 1e-6).sqrt();
}
