using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models;

/// <summary>Weights for comparing numbers: fresh models are nearly linear, larger weights make every term of every equation count.</summary>
internal static class RandomWeights
{
    /// <summary>Every parameter is drawn anew, the gains of norms around 1 and all others around 0.</summary>
    /// <param name="module">Whose parameters.</param>
    /// <param name="deviation">Of the numbers.</param>
    /// <param name="normal">Standard normal numbers of a shape.</param>
    public static void Fill(nn.Module module, double deviation, Func<long[], Tensor> normal)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        foreach (var (name, parameter) in module.named_parameters())
            parameter.copy_((normal(parameter.shape) * deviation) + (name.EndsWith("norm.weight", StringComparison.Ordinal) ? 1.0 : 0.0));
    }
}
