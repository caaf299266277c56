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
    private Tensor[][] weights = Initial(rule, weight), blockStart = [], anchors = [], momenta = [];
    private readonly List<Tensor> etas = [];
    private Tensor[][] sums = [];
    private int place;

    /// <summary>The weights of every head and layer as they are now.</summary>
    public Tensor[][] Now => weights;

    /// <summary>The next token begins a block, as the first one of a text does after the persistent tokens.</summary>
    public void BeginBlock()
    {
        if (rule.Muon && place % rule.Block > 0)
            EndBlock();
        place = 0;
    }

    /// <summary>Gradients end here: later tokens have the numbers of those before, and no more. At the end of a block.</summary>
    public void Cut()
    {
        static Tensor[][] Values(Tensor[][] heads) => [.. heads.Select(layers => layers.Select(each => each.detach()).ToArray())];
        (weights, momenta) = (Values(weights), Values(momenta));
        foreach (string name in past.Keys.ToArray())
            past[name] = [.. past[name].Select(row => row.detach())];
    }

    /// <summary>What <paramref name="held"/> answers to a token that does not write: features <c>[D]</c> to <c>[H, K]</c>.</summary>
    public Tensor Recall(Tensor x, Tensor[][] held)
    {
        Tensor q = Unit(Projected("recall", x));
        return stack([.. held.Select((W, h) => Answer(h, q[h], W))], 0);
    }

    /// <summary>A token writes, then recalls: features <c>[D]</c> to <c>[H, K]</c>.</summary>
    public Tensor Read(Tensor x)
    {
        Tensor q = Unit(Projected("query", x)), k = Unit(Projected("key", x)), v = Projected("value", x);
        Tensor? eta = Gate("momentum", x) is { } e ? rule.MaxMomentum * e : null, alpha = Gate("forgetting", x);
        Tensor theta = Gate("step", x) ?? Sigmoid(weight("step")!);
        if (!rule.Muon)
            theta = rule.MaxStep * (1 - (eta ?? zeros(rule.Heads, dtype: ScalarType.Float64))) * theta;
        if (place++ % rule.Block == 0)
        {
            (blockStart, anchors) = ([.. weights.Select(each => each.ToArray())], [.. weights.Select(each => each.ToArray())]);
            sums = [.. weights.Select(each => each.Select(w => zeros_like(w)).ToArray())];
            etas.Clear();
        }
        if (eta is not null)
            etas.Add(eta);
        var outputs = new List<Tensor>();
        for (int h = 0; h < rule.Heads; h++)
        {
            Tensor Kept(Tensor w, int l) => Faded(w, rule.DecaysToInitial ? initial[h][l] : zeros_like(w), alpha?[h]);
            if (rule.DecaysFirst)
                anchors[h] = [.. anchors[h].Select(Kept)];
            Tensor[] G = Gradient(h, k[h], v[h], anchors[h]);
            Tensor length = G.Select(g => g.square().sum()).Aggregate((a, b) => a + b).sqrt();
            Tensor factor = length.item<double>() > rule.Clip ? rule.Clip * theta[h] / length : theta[h];
            if (rule.Muon)
            {
                for (int l = 0; l < G.Length; l++)
                    sums[h][l] = sums[h][l] - (factor * G[l]);
                weights = [.. weights[..h], [.. weights[h].Select(Kept)], .. weights[(h + 1)..]];
                outputs.Add(Answer(h, q[h], blockStart[h]));
                continue;
            }
            Tensor[] S = [.. G.Select((g, l) => (momenta.Length > h && eta is not null ? eta[h] * momenta[h][l] : zeros_like(g)) - (factor * g))];
            Tensor[] W = [.. weights[h].Select((w, l) => Kept(w, l) + S[l])];
            momenta = momenta.Length > h ? [.. momenta[..h], S, .. momenta[(h + 1)..]] : [.. momenta, S];
            weights = [.. weights[..h], W, .. weights[(h + 1)..]];
            outputs.Add(Answer(h, q[h], rule.ReadsBlockStart ? blockStart[h] : W));
        }
        if (rule.Muon && place % rule.Block == 0)
            EndBlock();
        return stack(outputs, 0);
    }

    // LaCT (arXiv 2505.23884, section 3): S = mean(eta) S + sum of the block's writes, W = (what is left of W) + MaxStep NS(S), each
    // column then at the norm of the first weights.
    private void EndBlock()
    {
        Tensor[][] S = sums;
        if (etas.Count > 0 && momenta.Length > 0)
        {
            Tensor eta = etas.Aggregate((a, b) => a + b) / etas.Count;
            S = [.. sums.Select((each, h) => each.Select((sum, l) => (eta[h] * momenta[h][l]) + sum).ToArray())];
        }
        weights = [.. weights.Select((each, h) => each.Select((w, l) =>
        {
            Tensor written = w + (rule.MaxStep * NewtonSchulz(S[h][l]));
            return rule.WeightNorm ? written / written.norm(0) * initial[h][l].norm(0) : written;
        }).ToArray())];
        momenta = S;
    }

    // Muon's quintic iterations with the coefficients of LaCT's language models, for a matrix of any shape.
    private static Tensor NewtonSchulz(Tensor S)
    {
        Tensor X = S / (S.square().sum() + 1e-14).sqrt();
        foreach ((double a, double b, double c) in new[] { (4.0848, -6.8946, 2.9270), (3.9505, -6.3029, 2.6377), (3.7418, -5.5913, 2.3037), (2.8769, -3.1427, 1.2046), (2.8366, -3.0525, 1.2012) })
        {
            Tensor cube = X.mm(X.t()).mm(X);
            X = (a * X) + (b * cube) + (c * X.mm(X.t()).mm(cube));
        }
        return X;
    }

    private static Tensor[][] Initial(TitansRule rule, Func<string, Tensor?> weight)
    {
        Tensor[] matrices = weight("weights") is { } only ? [only] : [.. Enumerable.Range(1, 4).Select(l => weight("weights_" + l)).OfType<Tensor>()];
        return [.. Enumerable.Range(0, rule.Heads).Select(h => matrices.Select(matrix => matrix[h]).ToArray())];
    }

    private static Tensor Faded(Tensor w, Tensor toward, Tensor? alpha) => alpha is null ? w : toward + ((1 - alpha) * (w - toward));

    // f(x) of head h.
    private Tensor Answer(int h, Tensor x, Tensor[] W)
    {
        Tensor p = Layers(x, W)[^1];
        return Gamma(h) is { } gamma ? x + (gamma * (p - p.mean()) / Deviation(p)) : p;
    }

    private Tensor? Gamma(int h) => weight("gamma")?.view(rule.Heads, -1)[h];

    private static Tensor Deviation(Tensor p) => ((p - p.mean()).square().mean() + 1e-6).sqrt();

    // U_1 ... U_L for an input [K], U_L alone of a gated linear unit.
    private Tensor[] Layers(Tensor x, Tensor[] W)
    {
        if (rule.GatedLinearUnit)
            return [W[1].t().mv(Phi(W[0].t().mv(x)) * W[2].t().mv(x))];
        var outputs = new List<Tensor>();
        foreach (Tensor w in W)
            outputs.Add(w.t().mv(outputs.Count == 0 ? x : Phi(outputs[^1])));
        return [.. outputs];
    }

    // Of 1/2 |f(k) - v|^2 by the chain rule.
    private Tensor[] Gradient(int h, Tensor k, Tensor v, Tensor[] W)
    {
        Tensor[] U = Layers(k, W);
        var gradients = new Tensor[W.Length];
        Tensor error = Answer(h, k, W) - v;
        if (Gamma(h) is { } gamma)
        {
            // Through the norm by its Jacobian in full, which is symmetric: (I - 1/K - n n^T / K) / deviation.
            Tensor n = (U[^1] - U[^1].mean()) / Deviation(U[^1]);
            long K = n.shape[0];
            error = ((eye(K, dtype: ScalarType.Float64) - (1.0 / K) - (n.unsqueeze(1) * n / K)) / Deviation(U[^1])).mv(gamma * error);
        }
        if (rule.GatedLinearUnit)
            return GatedGradient(k, error, W);
        for (int l = W.Length - 1; l >= 0; l--)
        {
            gradients[l] = (l == 0 ? k : Phi(U[l - 1])).unsqueeze(1) * error.unsqueeze(0);
            if (l > 0)
                error = W[l].mv(error) * Slope(U[l - 1]);
        }
        return gradients;
    }

    // The same of a gated linear unit, W_2^T (phi(W_1^T k) * W_3^T k).
    private Tensor[] GatedGradient(Tensor k, Tensor error, Tensor[] W)
    {
        Tensor u = W[0].t().mv(k), passed = W[2].t().mv(k), back = W[1].mv(error);
        return [k.unsqueeze(1) * (back * passed * Slope(u)), (Phi(u) * passed).unsqueeze(1) * error, k.unsqueeze(1) * (back * Phi(u))];
    }

    private Tensor Phi(Tensor u) => rule.Activation == TitansActivation.Gelu ? u * Cumulative(u) : SiLU(u);

    private Tensor Slope(Tensor u) => rule.Activation == TitansActivation.Gelu
        ? Cumulative(u) + (u * (-u.square() / 2).exp() / Math.Sqrt(2 * Math.PI))
        : Sigmoid(u) * (1 + (u * (1 - Sigmoid(u))));

    // Of the standard normal distribution.
    private static Tensor Cumulative(Tensor u) => (1 + (u / Math.Sqrt(2)).erf()) / 2;

    private Tensor Projected(string name, Tensor x)
    {
        if (weight(name + "_convolution.weight") is not { } filter)
            return weight(name + ".weight")!.mv(x).view(rule.Heads, -1);
        if (!past.TryGetValue(name, out List<Tensor>? rows))
            past[name] = rows = [];
        rows.Add(weight(name + ".weight")!.mv(x));
        long width = filter.shape[1];
        Tensor sum = zeros_like(rows[^1]);
        for (int back = 0; back < width && back < rows.Count; back++)
            sum = sum + (filter.select(1, width - 1 - back) * rows[^(back + 1)]);
        return SiLU(sum).view(rule.Heads, -1);
    }

    private Tensor? Gate(string name, Tensor x) => weight(name + ".weight") is { } row ? Sigmoid(row.mv(x) + weight(name + ".bias")!) : null;

    private static Tensor Sigmoid(Tensor x) => 1 / (1 + (-x).exp());

    private static Tensor SiLU(Tensor x) => x / (1 + (-x).exp());

    private Tensor Unit(Tensor x) => !rule.UnitLength ? x : x / (x.square().sum(1, keepdim: true) + 1e-6).sqrt();
}
