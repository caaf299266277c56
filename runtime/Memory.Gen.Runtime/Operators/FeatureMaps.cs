using TorchSharp;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>Feature maps that make what queries and keys of linear attention meet as not negative.</summary>
public static class FeatureMaps
{
    /// <summary>elu(x) + 1: positive, x + 1 for x above 0, e^x below.</summary>
    /// <param name="x">Any shape.</param>
    /// <returns>The shape and dtype of <paramref name="x"/>.</returns>
    public static Tensor EluPlusOne(Tensor x)
    {
        using Tensor elu = torch.nn.functional.elu(x, 1.0);
        return elu + 1;
    }

    /// <summary>max(x, 0).</summary>
    /// <param name="x">Any shape.</param>
    /// <returns>The shape and dtype of <paramref name="x"/>.</returns>
    public static Tensor Relu(Tensor x) => x.relu();

    /// <summary>
    /// The second order of e^s: features whose products are 1 + s + s^2/2 = ((1 + s)^2 + 1) / 2 with s = q^T k / sqrt(K), each pair of features
    /// once: 1, x / K^(1/4), then x_i^2 / sqrt(2K), then x_i x_j / sqrt(K) with j = i + 1, i + 2, ... around the K features.
    /// </summary>
    /// <remarks>Arora, Eyuboglu, Zhang, Timalsina, Alberti, Zinsley, Zou, Rudra, Ré: Based (arXiv 2402.18668), section 4.</remarks>
    /// <param name="x"><c>[..., K]</c>, one axis to nine.</param>
    /// <returns><c>[..., 1 + K + K(K+1)/2]</c>, in the dtype of <paramref name="x"/>.</returns>
    /// <exception cref="ArgumentException">It has no last axis, or one of no features.</exception>
    public static Tensor Taylor(Tensor x)
    {
        const string Name = "taylor_map";
        var door = new FrontDoor(Name);
        door.Value(nameof(x), x, LastAxis.Names(Name, x, 'K'));
        door.AtLeastOne('K');
        using var scope = torch.NewDisposeScope();
        long K = door['K'];
        // Row n is x_i x_{i+n}; with an even K the second half of the last row repeats the first.
        Tensor around = torch.cat(new[] { x, x }, -1).unfold(-1, K, 1).narrow(-2, 0, (K / 2) + 1);  // [..., K/2 + 1, K]
        Tensor pairs = (x.unsqueeze(-2) * around).flatten(-2).narrow(-1, 0, K * (K + 1) / 2);
        Tensor squares = pairs.narrow(-1, 0, K) * Math.Pow(2 * K, -0.5), products = pairs.narrow(-1, K, K * (K - 1) / 2) * Math.Pow(K, -0.5);
        return torch.cat(new[] { torch.ones_like(x.narrow(-1, 0, 1)), x * Math.Pow(K, -0.25), squares, products }, -1).MoveToOuterDisposeScope();
    }

    /// <summary>softmax([2 M x; -2 M x]) with a matrix M for each head: above zero, and one in sum.</summary>
    /// <remarks>Zhang, Bhatia, Kumbong, Ré: The Hedgehog and the Porcupine (arXiv 2402.04347), section 4.</remarks>
    /// <param name="x"><c>[B, T, H, K]</c>.</param>
    /// <param name="matrices">M, <c>[H, K, K]</c>: outputs by inputs, in the dtype of <paramref name="x"/>.</param>
    /// <returns><c>[B, T, H, 2K]</c>.</returns>
    /// <exception cref="ArgumentException">An argument has the wrong rank, shape, dtype or device.</exception>
    public static Tensor Hedgehog(Tensor x, Tensor matrices)
    {
        var door = new FrontDoor("hedgehog_map");
        door.Value(nameof(x), x, "BTHK");
        door.Value(nameof(matrices), matrices, "HKK");
        using var scope = torch.NewDisposeScope();
        long B = door['B'], T = door['T'], H = door['H'], K = door['K'];
        Tensor y = x.permute(2, 0, 1, 3).reshape(H, B * T, K).bmm(matrices.transpose(1, 2));     // [H, B*T, K]
        Tensor mapped = torch.cat(new[] { 2 * y, -2 * y }, -1).softmax(-1);                     // [H, B*T, 2K]
        return mapped.view(H, B, T, 2 * K).permute(1, 2, 0, 3).contiguous().MoveToOuterDisposeScope();
    }
}
