using TorchSharp;
using TorchSharp.Modules;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>The gated unit of feed-forward layers: silu(gate) * up.</summary>
/// <remarks>Shazeer: GLU Variants Improve Transformer (arXiv 2002.05202). As tensor operations two whose own gradients are fused already.</remarks>
public static class SwiGlu
{
    private const string Name = "swiglu";

    /// <param name="gate">Any shape of up to nine axes.</param>
    /// <param name="up">The shape of <paramref name="gate"/>.</param>
    /// <param name="form">Null for the fastest that serves the call; Reference and Chunked are the same here.</param>
    /// <returns>The shape and dtype of <paramref name="gate"/>.</returns>
    /// <exception cref="ArgumentException">Shapes, dtypes or devices differ.</exception>
    public static Tensor Apply(Tensor gate, Tensor up, OperatorForm? form = null)
    {
        using var scope = NewDisposeScope();
        var door = new FrontDoor(Name);
        string axes = "ABCDEFGHI"[..(gate is { IsInvalid: false } ? (int)Math.Min(LastAxis.MostAxes, gate.dim()) : 0)];
        door.Factor(nameof(gate), gate, axes);
        door.Value(nameof(up), up, axes);
        OperatorForm chosen = OperatorForms.Choose(Name, form, () => gate!.dim() == 0 ? "a number has no rows" : SwiGluKernel.Refusal(door));
        Tensor y = chosen == OperatorForm.Native
            ? SwiGluKernel.Run(gate!, up)
            : gate!.silu() * up;
        return y.MoveToOuterDisposeScope();
    }

    /// <summary>A whole feed-forward network: W_down (silu(W_gate x) * W_up x).</summary>
    /// <param name="x"><c>[..., in]</c>, one axis to nine.</param>
    /// <param name="gate">A layer from in to a hidden width.</param>
    /// <param name="up">Another one.</param>
    /// <param name="down">A layer from the hidden width to any number of features.</param>
    /// <returns><c>[..., out]</c>.</returns>
    /// <remarks>The layers are only read: forward hooks on them do not run.</remarks>
    /// <exception cref="ArgumentException">Shapes, dtypes or devices differ.</exception>
    public static Tensor Network(Tensor x, Linear gate, Linear up, Linear down)
    {
        if (NetworkKernel.Run(x, gate, up, down) is { } y) return y;
        using var scope = NewDisposeScope();
        var (gates, values) = Projection.Apply(x, gate, up);
        return Projection.Apply(Apply(gates, values), down).MoveToOuterDisposeScope();
    }
}
