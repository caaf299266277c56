using TorchSharp;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>An operator whose gradient is written by hand: one node in the graph, whatever happens inside.</summary>
/// <typeparam name="TSelf">The operator itself.</typeparam>
/// <typeparam name="TOptions">What it needs besides tensors.</typeparam>
/// <remarks>
/// All hazards of custom functions are met here. Gradients are matched by position, so every tensor argument is a real
/// tensor and the options come last. Missing upstream gradients stay missing, because materialised ones are made from
/// tensors that may be disposed by then. Results of backward are kept until the engine has copied them, because nothing else
/// keeps them from the finalizer (<see cref="GradientHandles"/>). A second derivative is an error, not the derivative of a constant.
/// </remarks>
internal abstract class OperatorFunction<TSelf, TOptions> : MultiTensorFunction<TSelf>
    where TSelf : OperatorFunction<TSelf, TOptions>, new()
    where TOptions : class
{
    private const string OptionsKey = "options";

    /// <summary>The one that runs where nothing is saved.</summary>
    protected static readonly TSelf Shared = new();

    public override string Name => typeof(TSelf).Name;

    /// <summary>Runs the operator: with a node in the graph when a gradient is wanted, else without saving anything.</summary>
    public static List<Tensor> Run(TOptions options, params Tensor[] inputs)
    {
        if (IsRecorded(inputs)) return apply([.. inputs, options]);

        using var scope = NewDisposeScope();
        List<Tensor> outputs = Shared.Forward(inputs, options, null);
        foreach (Tensor output in outputs) output.MoveToOuterDisposeScope();
        return outputs;
    }

    /// <summary>Runs the operator in a form of tensor operations: Reference leaves the gradient to torch, which differentiates it again where it is asked to.</summary>
    public static List<Tensor> Run(OperatorForm form, TOptions options, params Tensor[] inputs) =>
        form == OperatorForm.Reference ? Shared.Forward(inputs, options, null) : Run(options, inputs);

    /// <summary>Both passes at once and no node in the graph, for an operator that is made of them: the outputs, and what gradients of them become.</summary>
    public static (List<Tensor> Outputs, List<Tensor> Gradients) Both(TOptions options, Tensor[] inputs, Tensor?[] gradients)
    {
        var saved = new List<Tensor>();
        List<Tensor> outputs = Shared.Forward(inputs, options, saved);
        return (outputs, Shared.Backward(gradients, saved, options));
    }

    /// <summary>Whether a gradient is wanted: the call then becomes a node of the graph.</summary>
    protected static bool IsRecorded(Tensor?[] inputs)
    {
        if (!is_grad_enabled()) return false;
        foreach (Tensor? input in inputs)
        {
            if (input is { requires_grad: true }) return true;
        }

        return false;
    }

    /// <summary>Computes fresh outputs; adds to <paramref name="saved"/>, unless it is null, what backward needs.</summary>
    protected abstract List<Tensor> Forward(Tensor[] inputs, TOptions options, List<Tensor>? saved);

    /// <summary>One gradient for every input, in order, each of its input's shape and dtype; null where none is wanted.</summary>
    /// <param name="gradients">For every output its gradient, null when nothing depends on that output.</param>
    /// <param name="saved">What forward saved, in order.</param>
    /// <param name="options">What forward was given.</param>
    protected abstract List<Tensor> Backward(Tensor?[] gradients, List<Tensor> saved, TOptions options);

    public sealed override List<Tensor> forward(AutogradContext ctx, params object[] vars)
    {
        ctx.set_materialize_grads(false);
        var inputs = new Tensor[vars.Length - 1];
        for (int i = 0; i < inputs.Length; i++) inputs[i] = (Tensor)vars[i];
        var options = (TOptions)vars[^1];
        var saved = new List<Tensor>();

        using var scope = NewDisposeScope();
        List<Tensor> outputs = Forward(inputs, options, saved);
        foreach (Tensor tensor in outputs.Concat(saved))
        {
            // Inputs belong to the caller's scope and stay there.
            if (scope.Contains(tensor)) tensor.MoveToOuterDisposeScope();
        }

        ctx.save_for_backward(saved);
        ctx.save_data(OptionsKey, options);
        return outputs;
    }

    public sealed override List<Tensor> backward(AutogradContext ctx, List<Tensor> grad_outputs)
    {
        GradientHandles.Release();
        bool differentiated = is_grad_enabled();
        using var scope = NewDisposeScope();
        using var once = no_grad();
        var gradients = new Tensor?[grad_outputs.Count];
        for (int i = 0; i < gradients.Length; i++)
        {
            gradients[i] = grad_outputs[i] is { IsInvalid: false } gradient ? gradient : null;
        }

        List<Tensor> results = Backward(gradients, ctx.get_saved_variables(), (TOptions)ctx.get_data(OptionsKey));
        if (differentiated) results = results.ConvertAll(result => result is null ? null! : OnceDifferentiable.Mark(result, Name));
        List<Tensor> own = results.FindAll(result => result is not null && scope.Contains(result));
        foreach (Tensor result in own) result.MoveToOuterDisposeScope();
        GradientHandles.HandOver(own);
        foreach (Tensor gradient in grad_outputs)
        {
            if (!results.Exists(result => ReferenceEquals(result, gradient))) gradient?.Dispose();
        }

        return [.. results, null!];
    }
}
