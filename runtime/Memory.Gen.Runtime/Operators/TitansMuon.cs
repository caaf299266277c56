using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>The end of a block whose momentum is orthogonalised before it is written.</summary>
/// <remarks>
/// Jordan et al.: Muon; in a memory: Zhang et al.: Test-Time Training Done Right (arXiv 2505.23884, "LaCT"), section 3, and Behrouz et al.:
/// ATLAS (arXiv 2505.23735). Nothing of it is linear in the momentum, so a token within a block has no weights of its own.
/// </remarks>
internal static class TitansMuon
{
    // Squares, so that a momentum of zero has a derivative: the norm's is 1e-7, as in LaCT.
    private const double NoLength = 1e-14, NoColumn = 1e-12;

    // Of the language models published with LaCT. Singular values above 1/100 of the norm come out between 0.97 and 1.04, above 1/500
    // between 0.85 and 1.15; the smallest grow by 492.
    private static readonly (double A, double B, double C)[] Iterations =
    [
        (4.0848, -6.8946, 2.9270), (3.9505, -6.3029, 2.6377), (3.7418, -5.5913, 2.3037), (2.8769, -3.1427, 1.2046), (2.8366, -3.0525, 1.2012),
    ];

    /// <summary>What <paramref name="left"/> is after the block's write.</summary>
    /// <param name="options">How long the write is, and whether columns keep their norms.</param>
    /// <param name="W">The weights that the block began with <c>[..., d, d']</c>.</param>
    /// <param name="left">What forgetting has left of them.</param>
    /// <param name="S">The momentum at the end of the block.</param>
    public static Tensor Written(TitansOptions options, Tensor W, Tensor left, Tensor S)
    {
        Tensor written = left + (options.Muon!.Value * Orthogonal(S));
        return options.WeightNorm ? written * ((SquareOf(W, -2) + NoColumn) / (SquareOf(written, -2) + NoColumn)).sqrt() : written;
    }

    /// <summary>Five Newton-Schulz iterations X -> a X + (b X X^T + c (X X^T)^2) X from S / |S|: the singular vectors of S, and singular values near 1.</summary>
    /// <param name="S">Matrices <c>[..., d, d']</c>.</param>
    public static Tensor Orthogonal(Tensor S)
    {
        bool tall = S.shape[^2] > S.shape[^1];
        Tensor X = tall ? S.transpose(-1, -2) : S; // X X^T is then the smaller of the two products
        X = X * (SquareOf(X, -2, -1) + NoLength).rsqrt();
        foreach ((double a, double b, double c) in Iterations)
        {
            Tensor A = X.matmul(X.transpose(-1, -2));
            X = (a * X) + ((b * A) + (c * A.matmul(A))).matmul(X);
        }

        return tall ? X.transpose(-1, -2) : X;
    }

    private static Tensor SquareOf(Tensor x, params long[] axes) => (x * x).sum(axes, keepdim: true);
}
