using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>The gated unit of feed-forward layers: silu(gate) * up.</summary>
/// <remarks>Shazeer: GLU Variants Improve Transformer (arXiv 2002.05202). Two operations whose own gradients are fused already.</remarks>
public static class SwiGlu
{
    /// <param name="gate">Any shape.</param>
    /// <param name="up">The shape of <paramref name="gate"/>.</param>
    /// <exception cref="ArgumentException">Shapes, dtypes or devices differ.</exception>
    public static Tensor Apply(Tensor gate, Tensor up)
    {
        using var scope = NewDisposeScope();
        var door = new FrontDoor("swiglu");
        string axes = "ABCDEFGH"[..(int)Math.Min(8, gate?.dim() ?? 0)];
        door.Value(nameof(gate), gate, axes);
        door.Value(nameof(up), up, axes);
        return (gate!.silu() * up).MoveToOuterDisposeScope();
    }
}
