using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>What layer <paramref name="l"/> makes of rows <paramref name="x"/>, before the nonlinearity.</summary>
internal delegate Tensor TitansProduct(int l, Tensor x);

/// <summary>
/// The function that a Titans memory learns, p(x) = W_L^T phi(... phi(W_1^T x)) or W_2^T (phi(W_1^T x) * W_3^T x), or
/// x + gamma LN(p(x)), and its gradients in formulas, so that autograd over them is the exact second order.
/// </summary>
/// <remarks>How a layer's matrix is applied is the caller's: rows are tokens, and each may see its own weights.</remarks>
/// <param name="layers">Matrices.</param>
/// <param name="options">Kind of network, nonlinearity and clipping.</param>
/// <param name="gamma">Factor on the normalised output, to be broadcast over tokens; null for the plain p(x).</param>
internal sealed class TitansPerceptron(int layers, TitansOptions options, Tensor? gamma)
{
    private const double Epsilon = 1e-6;

    /// <summary>f(x).</summary>
    public Tensor Read(Tensor x, TitansProduct product)
    {
        Tensor p = product(0, x);
        if (options.GatedLinearUnit) p = product(1, Phi(p) * product(2, x));
        else for (int l = 1; l < layers; l++) p = product(l, Phi(p));
        return gamma is null ? p : x + (gamma * Normalize(p).Normal);
    }

    /// <summary>Layer inputs A and errors D with which the gradient of 1/2 |f(k) - v|^2 at layer l is A_l^T D_l, rows being tokens.</summary>
    /// <param name="k">Keys.</param>
    /// <param name="v">Values.</param>
    /// <param name="product">Rows times a layer's matrix.</param>
    /// <param name="turned">Rows times its transpose.</param>
    public (Tensor[] Inputs, Tensor[] Errors) Gradients(Tensor k, Tensor v, TitansProduct product, TitansProduct turned)
    {
        if (options.GatedLinearUnit) return GatedGradients(k, v, product, turned);
        Tensor[] inputs = new Tensor[layers], slopes = new Tensor[layers], errors = new Tensor[layers];
        Tensor p = k;
        for (int l = 0; l < layers; l++)
        {
            if (l > 0) (p, slopes[l - 1]) = Curve(p);
            inputs[l] = p;
            p = product(l, p);
        }

        errors[^1] = OutputError(k, v, p);
        for (int l = layers - 2; l >= 0; l--) errors[l] = turned(l + 1, errors[l + 1]) * slopes[l];
        return (inputs, errors);
    }

    private (Tensor[] Inputs, Tensor[] Errors) GatedGradients(Tensor k, Tensor v, TitansProduct product, TitansProduct turned)
    {
        (Tensor open, Tensor slope) = Curve(product(0, k));
        Tensor passed = product(2, k), hidden = open * passed, error = OutputError(k, v, product(1, hidden)), back = turned(1, error);
        return ([k, hidden, k], [back * passed * slope, error, back * open]);
    }

    /// <summary>Step sizes <paramref name="theta"/> times min(1, clip / |gradient|), the gradient's norm being that of |A_l| |D_l| over the layers.</summary>
    public Tensor Steps(Tensor theta, Tensor[] inputs, Tensor[] errors)
    {
        if (options.Clip is not { } clip) return theta;
        Tensor excess = zeros([], dtype: theta.dtype, device: theta.device);
        for (int l = 0; l < layers; l++) excess = excess + (SquareOf(inputs[l] / clip) * SquareOf(errors[l]));

        // Written so that a gradient of length 0 has a derivative.
        return theta * excess.clamp_min(1).rsqrt();
    }

    private Tensor Phi(Tensor u) => options.Activation == TitansActivation.Gelu ? u.gelu() : u.silu();

    private static Tensor SquareOf(Tensor x) => (x * x).sum(-1, keepdim: true);

    private (Tensor Value, Tensor Slope) Curve(Tensor u)
    {
        if (options.Activation == TitansActivation.Gelu)
        {
            Tensor below = ((u / Math.Sqrt(2)).erf() + 1) / 2, density = (u * u / -2).exp() / Math.Sqrt(2 * Math.PI);
            return (u * below, below + (u * density));
        }

        Tensor s = u.sigmoid();
        return (u * s, s * (1 + (u * (1 - s))));
    }

    // The gradient of the loss with respect to p. The norm's Jacobian is symmetric: J g = (g - mean(g) - n mean(g n)) / sigma.
    private Tensor OutputError(Tensor k, Tensor v, Tensor p)
    {
        if (gamma is null) return p - v;
        (Tensor normal, Tensor scale) = Normalize(p);
        Tensor g = gamma * (k + (gamma * normal) - v);
        return (g - Mean(g) - (normal * Mean(g * normal))) * scale;
    }

    private static (Tensor Normal, Tensor Scale) Normalize(Tensor p)
    {
        Tensor centred = p - Mean(p), scale = (Mean(centred * centred) + Epsilon).rsqrt();
        return (centred * scale, scale);
    }

    private static Tensor Mean(Tensor x) => x.mean([-1], keepdim: true);
}
