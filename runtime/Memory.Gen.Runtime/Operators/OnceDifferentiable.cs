using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>A gradient that is what it is, and refuses to be differentiated.</summary>
/// <remarks>TorchSharp cannot pass the refusal on to the call that asked: its message is the last that the process says.</remarks>
internal sealed class OnceDifferentiable : SingleTensorFunction<OnceDifferentiable>
{
    private const string NameKey = "name";

    public override string Name => nameof(OnceDifferentiable);

    /// <param name="gradient">What an operator's backward returns when its own graph is wanted.</param>
    /// <param name="name">The operator.</param>
    public static Tensor Mark(Tensor gradient, string name)
    {
        using var recorded = enable_grad();
        using Tensor anchor = zeros(1, requires_grad: true);
        return apply(gradient, anchor, name);
    }

    public override Tensor forward(AutogradContext ctx, params object[] vars)
    {
        ctx.save_data(NameKey, vars[2]);
        return ((Tensor)vars[0]).alias();
    }

    public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output) =>
        throw new NotSupportedException(
            $"{ctx.get_data(NameKey)} has no second derivative. The operator has one in the form Reference: ask for OperatorForm.Reference, or set MEMORY_GEN_FORM=reference.");
}
