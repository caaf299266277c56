using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>Rows of unit length: y = x / sqrt(sum(x^2) + 1e-6) along the last axis.</summary>
public static class UnitLength
{
    private const string Name = "unit_length";
    internal const double Eps = 1e-6;

    /// <param name="x"><c>[..., D]</c>, D at least 1.</param>
    /// <param name="form">Null for the fastest that serves the call; Reference and Chunked compute the same here, and the gradient of Reference has one of its own.</param>
    /// <returns>The shape and dtype of <paramref name="x"/>; the sum is taken in float32 or wider.</returns>
    /// <exception cref="ArgumentException"><paramref name="x"/> has no axes or is no floating-point tensor.</exception>
    public static Tensor Apply(Tensor x, OperatorForm? form = null)
    {
        var door = new FrontDoor(Name);
        door.Value(nameof(x), x, LastAxis.Names(Name, x));
        door.AtLeastOne('D');
        OperatorForm chosen = OperatorForms.Choose(Name, form, () => UnitLengthKernel.Refusal(door));

        using var scope = NewDisposeScope();
        if (chosen == OperatorForm.Native) return UnitLengthKernel.Run(x, Eps).MoveToOuterDisposeScope();
        Tensor y = Function.Run(chosen, Function.None, LastAxis.Rows(x).to(door.Accumulation))[0];
        return y.to(door.Dtype).view(x.shape).MoveToOuterDisposeScope();
    }

    private sealed class Function : OperatorFunction<Function, object>
    {
        public static readonly object None = new();

        protected override List<Tensor> Forward(Tensor[] inputs, object options, List<Tensor>? saved)
        {
            Tensor x = inputs[0];
            Tensor inverse = x.square().sum(1, keepdim: true).add_(Eps).rsqrt_();
            Tensor y = x * inverse;
            saved?.AddRange([y, inverse]);
            return [y];
        }

        // dx = (dy - y (y . dy)) / length
        protected override List<Tensor> Backward(Tensor?[] gradients, List<Tensor> saved, object options)
        {
            Tensor dY = gradients[0]!, y = saved[0], inverse = saved[1];
            Tensor along = (y * dY).sum(1, keepdim: true).mul_(inverse).neg_();
            return [(dY * inverse).addcmul_(y, along, 1)];
        }
    }
}
