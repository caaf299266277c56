using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models.BMojo;

/// <summary>The recurrence of a fading memory, token by token.</summary>
/// <param name="kind">Which.</param>
/// <param name="heads">Its heads, where it has some.</param>
/// <param name="weight">A weight by its name in the memory.</param>
internal sealed class FadingOracle(FadingState kind, int heads, Func<string, Tensor?> weight)
{
    private readonly Dictionary<string, List<Tensor>> rings = [];
    private Tensor? S;

    /// <summary>Reads a token, <c>[D]</c>: what comes out, and 1 - cos of what is written with what the token's key recalled before.</summary>
    public (Tensor Output, double Residual) Step(Tensor x) => kind switch
    {
        FadingState.GatedDelta => GatedDelta(x),
        FadingState.ScalarDecay => StateSpace(x),
        _ => Scan(x),
    };

    private (Tensor, double) Scan(Tensor x)
    {
        Tensor u = Convolve("convolution", Map("input", x)), B = Map("write", u), C = Map("read", u);
        Tensor delta = Softplus(Map("step_up", Map("step_down", u)) + weight("step_bias")!);
        Tensor A = -weight("decay_rate")!.view(u.shape[0], -1).exp();
        S ??= zeros_like(A, requires_grad: false);
        double residual = Residual(delta * u, S.mv(B));
        S = (delta.unsqueeze(1) * A).exp() * S + (delta * u).unsqueeze(1) * B;
        Tensor z = Map("gate", x);
        return (Map("output", (S.mv(C) + weight("skip")! * u) * z * z.sigmoid()), residual);
    }

    // One group: all heads have the same keys and queries.
    private (Tensor, double) StateSpace(Tensor x)
    {
        Tensor mixed = Convolve("convolution", Map("input", x)), z = Map("gate", x);
        long values = z.shape[0], keys = (mixed.shape[0] - values) / 2;
        Tensor u = mixed.narrow(0, 0, values).view(heads, -1), k = mixed.narrow(0, values, keys), q = mixed.narrow(0, values + keys, keys);
        Tensor delta = Softplus(Map("step", x) + weight("step_bias")!).view(-1, 1), v = delta * u;
        S ??= zeros([heads, keys, u.shape[1]], dtype: x.dtype);
        double residual = Residual(v, (S * k.view(1, -1, 1)).sum(1));
        S = (-weight("decay_rate")!.exp().view(-1, 1) * delta).exp().unsqueeze(2) * S + k.view(1, -1, 1) * v.unsqueeze(1);
        Tensor o = ((S * q.view(1, -1, 1)).sum(1) + weight("skip")!.view(-1, 1) * u).flatten() * z * z.sigmoid();
        return (Map("output", o / (o.square().mean() + 1e-6).sqrt() * weight("norm.weight")!), residual);
    }

    private (Tensor, double) GatedDelta(Tensor x)
    {
        Tensor q = Unit(Convolve("query_convolution", Map("query", x)).view(heads, -1)), k = Unit(Convolve("key_convolution", Map("key", x)).view(heads, -1));
        Tensor v = Convolve("value_convolution", Map("value", x)).view(heads, -1);
        S ??= zeros([heads, k.shape[1], v.shape[1]], dtype: x.dtype);
        double residual = Residual(v, (S * k.unsqueeze(2)).sum(1));
        Tensor faded = S * (-weight("decay_rate")!.exp() * Softplus(Map("decay", x) + weight("decay_bias")!)).exp().view(-1, 1, 1);
        Tensor written = Map("write_strength", x).sigmoid().view(-1, 1) * (v - (faded * k.unsqueeze(2)).sum(1));
        S = faded + k.unsqueeze(2) * written.unsqueeze(1);
        Tensor read = (S * q.unsqueeze(2)).sum(1) / Math.Sqrt(k.shape[1]);
        Tensor normed = read / (read.square().mean([1], keepdim: true) + 1e-6).sqrt() * weight("norm.weight")!, opening = Map("gate", x).view(heads, -1);
        return (Map("output", (normed * opening * opening.sigmoid()).flatten()), residual);
    }

    private static double Residual(Tensor written, Tensor recalled)
    {
        double lengths = (recalled.square().sum() * written.square().sum()).sqrt().item<double>();
        return 1 - ((recalled * written).sum().item<double>() / (lengths + 1e-6));
    }

    private Tensor Map(string name, Tensor x) => weight(name + ".weight")!.mv(x);

    private static Tensor Unit(Tensor heads) => heads / (heads.square().sum(1, keepdim: true) + 1e-6).sqrt();

    private static Tensor Softplus(Tensor x) => (1 + x.exp()).log();

    // The last inputs, oldest first; the last tap multiplies the present one.
    private Tensor Convolve(string name, Tensor input)
    {
        Tensor taps = weight(name + ".weight")!;
        int width = (int)taps.shape[1];
        if (!rings.TryGetValue(name, out List<Tensor>? ring))
            rings[name] = ring = [.. Enumerable.Range(0, width - 1).Select(_ => zeros_like(input))];
        ring.Add(input);
        Tensor sum = weight(name + ".bias") ?? zeros_like(input);
        for (int w = 0; w < width; w++)
            sum = sum + taps.select(1, w) * ring[w];
        ring.RemoveAt(0);
        return sum * sum.sigmoid();
    }
}
