using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>y = log(1 + e^(x + b)), above 0 and about e^(x + b) where that is small: the step sizes of a state space.</summary>
/// <remarks>Gu, Dao: Mamba (arXiv 2312.00752), section 3.5.</remarks>
public static class Softplus
{
    private const string Name = "softplus";

    /// <param name="x"><c>[..., D]</c>, one axis to nine.</param>
    /// <param name="bias">b, <c>[D]</c>; in the dtype of <paramref name="x"/>, or float32 or wider.</param>
    /// <param name="form">Null for the fastest that serves the call; Reference and Chunked are the same here.</param>
    /// <returns>The shape of <paramref name="x"/>, float32 or wider: what is made of it multiplies every later token.</returns>
    /// <exception cref="ArgumentException">An argument has the wrong rank, shape, dtype or device.</exception>
    public static Tensor Apply(Tensor x, Tensor bias, OperatorForm? form = null)
    {
        var door = new FrontDoor(Name);
        door.Value(nameof(x), x, LastAxis.Names(Name, x));
        door.Gate(nameof(bias), bias, "D");
        bool native = OperatorForms.Choose(Name, form, () => SoftplusKernel.Refusal(door)) == OperatorForm.Native;

        using var scope = NewDisposeScope();
        Tensor wide = x.to(door.Accumulation), b = bias.to(door.Accumulation);
        return (native ? SoftplusKernel.Run(wide, b) : nn.functional.softplus(wide + b)).MoveToOuterDisposeScope();
    }
}
