using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace Memory.Gen.Runtime.Tests.Torch;

public sealed class AutogradFunctionTests
{
    // scale x e^y, with y saved as it came and the output saved too.
    private sealed class ScaledExponential : SingleTensorFunction<ScaledExponential>
    {
        public override string Name => nameof(ScaledExponential);

        public override Tensor forward(AutogradContext ctx, params object[] vars)
        {
            var (x, y, scale) = ((Tensor)vars[0], (Tensor)vars[1], (double)vars[2]);
            Tensor output = x * y.exp() * scale;
            ctx.save_for_backward([y, output]);
            ctx.save_data("scale", scale);
            return output;
        }

        public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
        {
            List<Tensor> saved = ctx.get_saved_variables();
            return [grad_output * saved[0].exp() * (double)ctx.get_data("scale"), grad_output * saved[1], null!];
        }
    }

    private sealed class Twins : MultiTensorFunction<Twins>
    {
        public override string Name => nameof(Twins);

        public override List<Tensor> forward(AutogradContext ctx, params object[] vars)
        {
            if (vars.Length > 1)
                ctx.set_materialize_grads((bool)vars[1]);
            return [(Tensor)vars[0] * 2, (Tensor)vars[0] * 3];
        }

        public override List<Tensor> backward(AutogradContext ctx, List<Tensor> grad_outputs)
        {
            Tensor gradient = grad_outputs[1].IsInvalid ? grad_outputs[0] * 100 : grad_outputs[0] * 2 + grad_outputs[1] * 3;
            return ctx.MaterializeGrads ? [gradient] : [gradient, null!];
        }
    }

    private sealed class Passing : SingleTensorFunction<Passing>
    {
        public override string Name => nameof(Passing);
        public override Tensor forward(AutogradContext ctx, params object[] vars) => (Tensor)vars[0];
        public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output) => [grad_output * 5];
    }

    private sealed class Watched : SingleTensorFunction<Watched>
    {
        internal static WeakReference? Last;

        public override string Name => nameof(Watched);
        public override Tensor forward(AutogradContext ctx, params object[] vars)
        {
            var token = new object();
            Last = new WeakReference(token);
            ctx.save_data("token", token);
            Tensor output = ((Tensor)vars[0]).exp();
            ctx.save_for_backward([output]);
            return output;
        }
        public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output) => [grad_output * ctx.get_saved_variables()[0]];
    }

    [Fact]
    public void Gradients_agree_with_central_differences()
    {
        using var scope = NewDisposeScope();
        double[] x0 = Numbers.Sequence(6, 1), y0 = Numbers.Sequence(6, 2);
        Tensor x = Numbers.Tensor(x0, 2, 3).requires_grad_(), y = Numbers.Tensor(y0, 2, 3).requires_grad_();
        Tensor weight = Numbers.Tensor(Numbers.Sequence(6, 3), 2, 3);
        double Loss(double[] a, double[] b) => (ScaledExponential.apply(Numbers.Tensor(a, 2, 3), Numbers.Tensor(b, 2, 3), 1.5) * weight).sum().item<double>();

        (ScaledExponential.apply(x, y, 1.5) * weight).sum().backward();

        Numbers.AssertClose(Central(x0, a => Loss(a, y0)), Numbers.Values(x.grad), 1e-8);
        Numbers.AssertClose(Central(y0, b => Loss(x0, b)), Numbers.Values(y.grad), 1e-8);
    }

    private static double[] Central(double[] at, Func<double[], double> f)
    {
        const double Step = 1e-5;
        double[] Moved(int k, double by)
        {
            double[] moved = [.. at];
            moved[k] += by;
            return moved;
        }
        return [.. at.Select((_, k) => (f(Moved(k, Step)) - f(Moved(k, -Step))) / (2 * Step))];
    }

    [Fact]
    public void Only_tensors_that_ask_for_gradients_are_recorded()
    {
        using var scope = NewDisposeScope();
        Tensor x = ones(3, dtype: float64), y = ones(3, dtype: float64);
        Assert.False(ScaledExponential.apply(x, y, 1.0).requires_grad);
        x.requires_grad_();
        Assert.True(ScaledExponential.apply(x, y, 1.0).requires_grad);
        using (no_grad())
            Assert.False(ScaledExponential.apply(x, y, 1.0).requires_grad);
    }

    [Fact]
    public void Every_output_carries_its_gradient_and_missing_ones_are_zero()
    {
        using var scope = NewDisposeScope();
        Tensor x = Numbers.Tensor([1, 2]).requires_grad_();
        List<Tensor> both = Twins.apply(x);
        (both[0] * 10 + both[1]).sum().backward();
        Numbers.AssertClose([23, 23], Numbers.Values(x.grad));

        x.grad = null;
        Twins.apply(x)[0].sum().backward();
        Numbers.AssertClose([2, 2], Numbers.Values(x.grad));
    }

    [Fact]
    public void Missing_gradients_are_invalid_when_zeros_are_not_wanted()
    {
        using var scope = NewDisposeScope();
        Tensor x = Numbers.Tensor([1, 2]).requires_grad_();
        Twins.apply(x, false)[0].sum().backward();
        Numbers.AssertClose([100, 100], Numbers.Values(x.grad));
    }

    [Fact]
    public void An_input_may_be_returned_as_it_is()
    {
        using var scope = NewDisposeScope();
        Tensor x = Numbers.Tensor([1, 2]).requires_grad_();
        Tensor y = Passing.apply(x);
        Assert.True(x.is_leaf);
        y.sum().backward();
        Numbers.AssertClose([5, 5], Numbers.Values(x.grad));
    }

    [Fact]
    public void A_graph_that_is_kept_serves_twice()
    {
        using var scope = NewDisposeScope();
        Tensor x = Numbers.Tensor([1, 2]).requires_grad_(), y = Numbers.Tensor([0, 0]).requires_grad_();
        Tensor loss = ScaledExponential.apply(x, y, 1.0).sum();
        autograd.backward([loss], retain_graph: true);
        loss.backward();
        Numbers.AssertClose([2, 2], Numbers.Values(x.grad));
    }

    [Fact]
    public void A_step_leaves_no_tensors_behind()
    {
        using var outer = NewDisposeScope();
        Tensor x = Numbers.Tensor([1, 2]).requires_grad_(), y = Numbers.Tensor([3, 4]).requires_grad_();
        Numbers.AssertLeavesNothing(() =>
        {
            using var scope = NewDisposeScope();
            ScaledExponential.apply(x, y, 2.0).sum().backward();
        });
    }

    [Fact]
    public void The_context_goes_with_the_graph()
    {
        RunWatched();
        GC.Collect();
        GC.WaitForPendingFinalizers();
        GC.Collect();
        Assert.False(Watched.Last!.IsAlive);
    }

    [System.Runtime.CompilerServices.MethodImpl(System.Runtime.CompilerServices.MethodImplOptions.NoInlining)]
    private static void RunWatched()
    {
        using var scope = NewDisposeScope();
        Tensor x = ones(2, requires_grad: true);
        Tensor y = Watched.apply(x);
        GC.Collect();
        Assert.True(Watched.Last!.IsAlive);
        y.sum().backward();
    }
}
