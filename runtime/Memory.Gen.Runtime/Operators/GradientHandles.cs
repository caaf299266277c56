using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>The tensor objects around the gradients that a node hands over to the engine, until it has copied them: it has when it calls again on the same thread.</summary>
/// <remarks>
/// TorchSharp's package gives none of them back, nor those around what goes into a node. The scope around a whole training step does,
/// and until then the gradients of all activations are in memory beside one another, in pages that are new at every step.
/// </remarks>
internal static class GradientHandles
{
    [ThreadStatic]
    private static List<Tensor>? handed;

    /// <summary>Keeps what a node hands over.</summary>
    public static void HandOver(List<Tensor> gradients)
    {
        Release();
        handed = gradients;
    }

    /// <summary>Gives back what the node before handed over.</summary>
    public static void Release()
    {
        if (handed is null) return;
        foreach (Tensor gradient in handed) gradient.Dispose();
        handed = null;
    }
}
