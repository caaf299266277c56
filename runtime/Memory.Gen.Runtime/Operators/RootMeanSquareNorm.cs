using System.Diagnostics.CodeAnalysis;
using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>RMSNorm over the last axis: y = weight x / sqrt(mean(x^2) + eps).</summary>
/// <remarks>Zhang, Sennrich: Root Mean Square Layer Normalization (arXiv 1910.07467).</remarks>
public static class RootMeanSquareNorm
{
    private const string Name = "rms_norm";

    /// <param name="x"><c>[..., D]</c>, D at least 1.</param>
    /// <param name="weight"><c>[D]</c>.</param>
    /// <param name="eps">Added to the mean square.</param>
    /// <param name="form">Null for the fastest that serves the call; Reference and Chunked compute the same here, and the gradient of Reference has one of its own.</param>
    /// <returns>The shape and dtype of <paramref name="x"/>; the mean is taken in float32 or wider.</returns>
    /// <exception cref="ArgumentException">An argument has the wrong rank, shape, dtype or device.</exception>
    public static Tensor Apply(Tensor x, Tensor weight, double eps = 1e-6, OperatorForm? form = null) => Run(x, weight, null, eps, form);

    /// <summary>The same, times silu(gate).</summary>
    /// <param name="x"><c>[..., D]</c>, D at least 1.</param>
    /// <param name="weight"><c>[D]</c>.</param>
    /// <param name="gate">The shape of <paramref name="x"/>.</param>
    /// <param name="eps">Added to the mean square.</param>
    /// <param name="form">Null for the fastest that serves the call; Reference and Chunked compute the same here, and the gradient of Reference has one of its own.</param>
    /// <returns>The shape and dtype of <paramref name="x"/>; the mean is taken in float32 or wider.</returns>
    /// <exception cref="ArgumentException">An argument has the wrong rank, shape, dtype or device.</exception>
    public static Tensor Gated(Tensor x, Tensor weight, Tensor gate, double eps = 1e-6, OperatorForm? form = null)
    {
        FrontDoor.Required(Name, nameof(gate), gate);
        return Run(x, weight, gate, eps, form);
    }

    /// <summary>The gated norm of every head, and the heads side by side.</summary>
    /// <param name="x"><c>[..., H, D]</c>, D at least 1.</param>
    /// <param name="weight"><c>[D]</c>.</param>
    /// <param name="gate"><c>[..., H D]</c>.</param>
    /// <param name="eps">Added to the mean square.</param>
    /// <param name="form">Null for the fastest that serves the call; Reference and Chunked compute the same here, and the gradient of Reference has one of its own.</param>
    /// <returns>The shape of <paramref name="gate"/>, the dtype of <paramref name="x"/>.</returns>
    /// <exception cref="ArgumentException">An argument has the wrong rank, shape, dtype or device.</exception>
    public static Tensor GatedHeads(Tensor x, Tensor weight, Tensor gate, double eps = 1e-6, OperatorForm? form = null)
    {
        if (form is null && NormKernel.RunDirectly(x, weight, gate, eps, joined: true) is { } direct) return direct;
        var door = new FrontDoor(Name);
        string axes = LastAxis.Names(Name, x);
        if (axes.Length < 2) throw new ArgumentException($"{Name}: x has 1 axis; expected [..., H, D], at least 2.", nameof(x));
        door.Value(nameof(x), x, axes);
        long[] shape = x.shape;
        door.Bind('J', shape[^2] * shape[^1], "x (H D)");
        door.Value(nameof(gate), gate, axes[..^2] + 'J');
        using var scope = NewDisposeScope();
        return Run(x, weight, gate.reshape(shape), eps, form).view(gate.shape).MoveToOuterDisposeScope();
    }

    private static Tensor Run(Tensor x, Tensor weight, Tensor? gate, double eps, OperatorForm? form)
    {
        if (form is null && NormKernel.RunDirectly(x, weight, gate, eps) is { } direct) return direct;
        var door = new FrontDoor(Name);
        string axes = LastAxis.Names(Name, x);
        door.Value(nameof(x), x, axes);
        door.Value(nameof(weight), weight, "D");
        if (gate is not null) door.Factor(nameof(gate), gate, axes);
        door.AtLeastOne('D');
        door.Finite(nameof(eps), eps);
        OperatorForm chosen = OperatorForms.Choose(Name, form, () => NormKernel.Refusal(door));

        using var scope = NewDisposeScope();
        if (chosen == OperatorForm.Native) return NormKernel.Run(x, weight, gate, eps).MoveToOuterDisposeScope();
        Tensor y = Function.Run(chosen, new Options(eps), LastAxis.Rows(x).to(door.Accumulation), weight.to(door.Accumulation))[0].view(x.shape);
        if (gate is not null) y = y * gate.silu();
        return y.to(door.Dtype).MoveToOuterDisposeScope();
    }

    private sealed record Options(double Eps);

    private sealed class Function : OperatorFunction<Function, Options>
    {
        protected override List<Tensor> Forward(Tensor[] inputs, Options options, List<Tensor>? saved)
        {
            Tensor x = inputs[0], weight = inputs[1];
            Tensor inverse = x.square().mean(new long[] { 1 }, keepdim: true).add_(options.Eps).rsqrt_();
            saved?.AddRange([x, weight, inverse]);
            return [(x * inverse).mul_(weight)];
        }

        // With r the inverse root mean square: dx = r (w dy - x r^2 mean(w dy x));  dw = sum over rows of r x dy.
        protected override List<Tensor> Backward(Tensor?[] gradients, List<Tensor> saved, Options options)
        {
            Tensor dY = gradients[0]!, x = saved[0], weight = saved[1], inverse = saved[2];
            Tensor products = dY * x;
            Tensor dWeight = inverse.t().mm(products).view(weight.shape);
            Tensor along = products.mv(weight).unsqueeze_(1).mul_(inverse.pow(3)).mul_(-1.0 / x.shape[1]);
            Tensor dX = (dY * weight).mul_(inverse).addcmul_(x, along, 1);
            return [dX, dWeight];
        }
    }
}

/// <summary>Operators that work row by row along the last axis.</summary>
internal static class LastAxis
{
    /// <summary>Axes that rows may have.</summary>
    public const int MostAxes = 9;

    private const string Leading = "STUVWXYZ";

    /// <summary>Letters for the axes of <c>[..., last]</c>, for the front door.</summary>
    public static string Names(string name, [NotNull] Tensor? x, char last = 'D')
    {
        FrontDoor.Required(name, nameof(x), x);
        if (x.IsInvalid) throw new ArgumentException($"{name}: x was disposed.", nameof(x));
        long axes = x.dim();
        if (axes is < 1 or > MostAxes) throw new ArgumentException($"{name}: x has {axes} axes; expected [..., {last}], 1 to {MostAxes}.", nameof(x));
        return Leading[..(int)(axes - 1)] + last;
    }

    /// <summary><c>[..., D]</c> as rows <c>[N, D]</c>.</summary>
    public static Tensor Rows(Tensor x) => x.reshape(Count(x), x.shape[^1]);

    /// <summary>N of the rows <c>[N, D]</c>.</summary>
    public static long Count(Tensor x) => x.shape[^1] is > 0 and var last ? x.numel() / last : 0;

    /// <summary>Where the rows lie one behind the other: <paramref name="x"/> itself, or a copy.</summary>
    public static Tensor Contiguous(Tensor x) => x.is_contiguous() ? x : x.contiguous();
}
