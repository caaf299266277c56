using System.Runtime.InteropServices;
using Xunit;
using static TorchSharp.torch;
using static TorchSharp.torch.autograd;

namespace Memory.Gen.Runtime.Tests.Torch.Lite;

/// <summary>Mistakes in functions with a backward of their own are exceptions here; in TorchSharp most of them end the process.</summary>
public sealed class FunctionErrorTests
{
    private sealed class Exponential : SingleTensorFunction<Exponential>
    {
        public override string Name => nameof(Exponential);

        public override Tensor forward(AutogradContext ctx, params object[] vars)
        {
            ctx.save_for_backward([(Tensor)vars[0]]);
            return ((Tensor)vars[0]).exp();
        }

        public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output) => [grad_output * ctx.get_saved_variables()[0].exp()];
    }

    private sealed class Failing : SingleTensorFunction<Failing>
    {
        public override string Name => nameof(Failing);
        public override Tensor forward(AutogradContext ctx, params object[] vars) => ((Tensor)vars[0]).clone();
        public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output)
        {
            _ = grad_output * 2;
            throw new InvalidDataException("the third weight is missing");
        }
    }

    private sealed class WrongCount : SingleTensorFunction<WrongCount>
    {
        public override string Name => nameof(WrongCount);
        public override Tensor forward(AutogradContext ctx, params object[] vars) => (Tensor)vars[0] + (Tensor)vars[1];
        public override List<Tensor> backward(AutogradContext ctx, Tensor grad_output) => [grad_output];
    }

    [Fact]
    public void An_exception_in_backward_surfaces_from_the_call_that_ran_it()
    {
        using var scope = NewDisposeScope();
        Tensor x = ones(2, requires_grad: true);
        Tensor loss = Failing.apply(x).sum();
        var error = Assert.Throws<ExternalException>(() => loss.backward());
        Assert.Equal("Failing.backward failed with InvalidDataException: the third weight is missing", error.Message.Split('\n')[0]);
        Assert.IsType<InvalidDataException>(error.InnerException);

        // The engine is intact afterwards.
        (x * 3).sum().backward();
        Assert.Equal(3, x.grad![0].item<float>());
    }

    [Fact]
    public void The_number_of_gradients_is_checked()
    {
        using var scope = NewDisposeScope();
        Tensor x = ones(2, requires_grad: true), y = ones(2, requires_grad: true);
        var error = Assert.Throws<ExternalException>(() => WrongCount.apply(x, y).sum().backward());
        Assert.Contains("1 gradients were returned for 2 arguments", error.Message);
    }

    [Fact]
    public void A_second_derivative_is_refused()
    {
        using var scope = NewDisposeScope();
        Tensor x = Numbers.Tensor([0, 0]).requires_grad_();
        Tensor first = grad([Exponential.apply(x).sum()], [x], retain_graph: true, create_graph: true)[0];
        Numbers.AssertClose([1, 1], Numbers.Values(first));
        var error = Assert.Throws<ExternalException>(() => grad([first.sum()], [x]));
        Assert.Contains("Exponential has no second derivative", error.Message);
        Assert.Contains("OperatorForm.Reference", error.Message);
    }

    [Fact]
    public void A_second_backward_needs_the_graph_to_be_kept()
    {
        using var scope = NewDisposeScope();
        Tensor loss = Exponential.apply(Numbers.Tensor([0, 0]).requires_grad_()).sum();
        loss.backward();
        Assert.Throws<ExternalException>(() => loss.backward());
    }

    // As with TorchSharp, where it is the end of the process: a graph of the gradients does not keep the one they came from.
    [Fact]
    public void A_graph_of_gradients_needs_the_first_one_to_be_kept()
    {
        using var scope = NewDisposeScope();
        Tensor x = Numbers.Tensor([1, 2]).requires_grad_();
        Tensor first = grad([(x * x * x).sum()], [x], create_graph: true)[0];
        var error = Assert.Throws<ExternalException>(() => grad([first.sum()], [x]));
        Assert.Contains("retain_graph=True", error.Message);
    }

    [Fact]
    public void A_changed_saved_tensor_is_noticed()
    {
        using var scope = NewDisposeScope();
        Tensor x = Numbers.Tensor([0, 0]).requires_grad_(), y = x * 1;
        Tensor loss = Exponential.apply(y).sum();
        y.add_(1);
        Assert.Contains("modified by an inplace operation", Assert.Throws<ExternalException>(() => loss.backward()).Message);
    }
}
