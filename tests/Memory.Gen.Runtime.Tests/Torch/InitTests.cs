using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;
using static TorchSharp.torch.nn;

namespace Memory.Gen.Runtime.Tests.Torch;

public class InitTests
{
    [Fact]
    public void A_linear_layer_draws_as_PyTorch_does()
    {
        // torch.manual_seed(0); torch.nn.Linear(3, 2) in PyTorch 1.13.
        using var scope = NewDisposeScope();
        manual_seed(0);
        using var layer = Linear(3, 2);
        Numbers.AssertClose([-0.00432252, 0.30971584, -0.47518533, -0.42489460, -0.22236897, 0.15482073], Numbers.Values(layer.weight), 1e-8);
        Numbers.AssertClose([-0.01143914, 0.45777494], Numbers.Values(layer.bias), 1e-8);
    }

    [Fact]
    public void Moments_and_bounds_are_those_of_the_definitions()
    {
        using var scope = NewDisposeScope();
        manual_seed(1);
        Tensor Fresh() => empty(300, 200, dtype: float64);
        void Check(Tensor t, double deviation, double bound)
        {
            double[] values = Numbers.Values(t);
            Assert.InRange(Math.Sqrt(values.Average(v => v * v)), deviation * 0.99, deviation * 1.01);
            Assert.True(values.Max(Math.Abs) <= bound);
        }

        Check(init.xavier_uniform_(Fresh(), 2), 2 * Math.Sqrt(2.0 / 500), 2 * Math.Sqrt(6.0 / 500));
        Check(init.xavier_normal_(Fresh()), Math.Sqrt(2.0 / 500), double.PositiveInfinity);
        Check(init.kaiming_uniform_(Fresh(), Math.Sqrt(5)), Math.Sqrt(1.0 / 3 / 200), Math.Sqrt(1.0 / 200));
        Check(init.kaiming_normal_(Fresh(), mode: init.FanInOut.FanOut, nonlinearity: init.NonlinearityType.ReLU), Math.Sqrt(2.0 / 300), double.PositiveInfinity);
        Check(init.normal_(Fresh(), 0, 0.02), 0.02, 1);
        Assert.Equal((15, 20), init.CalculateFanInAndFanOut(empty(4, 3, 5)));
    }

    [Fact]
    public void Fills_return_their_tensor_without_recording_gradients()
    {
        using var scope = NewDisposeScope();
        var parameter = new Parameter(empty(2, 2));
        Assert.Same(parameter, init.constant_(parameter, 3));
        Assert.True(parameter.is_leaf && parameter.requires_grad);
        Numbers.AssertClose([3, 3, 3, 3], Numbers.Values(parameter));
        Numbers.AssertClose([1, 0, 0, 1], Numbers.Values(init.eye_(parameter)));
        Numbers.AssertClose([0, 0, 0, 0], Numbers.Values(init.zeros_(parameter)));
        Numbers.AssertLeavesNothing(() => init.trunc_normal_(parameter));
    }

    [Fact]
    public void Gradients_are_clipped_by_their_common_norm()
    {
        using var scope = NewDisposeScope();
        Parameter[] parameters = [new(zeros(2, dtype: float64)), new(zeros(1, dtype: float64)), new(zeros(3))];
        void Set()
        {
            parameters[0].grad = Numbers.Tensor([3, 4]);
            parameters[1].grad = Numbers.Tensor([-12]);
        }

        Set();
        Numbers.AssertClose([13], [nn.utils.clip_grad_norm_(parameters, 20)]);
        Numbers.AssertClose([3, 4], Numbers.Values(parameters[0].grad));
        Numbers.AssertClose([13], [nn.utils.clip_grad_norm_(parameters, 1.3)]);
        Numbers.AssertClose([0.3, 0.4, -1.2], [.. Numbers.Values(parameters[0].grad), .. Numbers.Values(parameters[1].grad)], 1e-6);
        Set();
        Numbers.AssertClose([12], [nn.utils.clip_grad_norm_(parameters, 6, double.PositiveInfinity)]);
        Numbers.AssertClose([-6], Numbers.Values(parameters[1].grad), 1e-6);
        Set();
        Numbers.AssertClose([19], [nn.utils.clip_grad_norm_(parameters, 100, 1)]);
        nn.utils.clip_grad_value_(parameters, 3.5);
        Numbers.AssertClose([3, 3.5, -3.5], [.. Numbers.Values(parameters[0].grad), .. Numbers.Values(parameters[1].grad)]);
        Numbers.AssertLeavesNothing(() => nn.utils.clip_grad_norm_(parameters, 1));
    }

    [Fact]
    public void Parameters_go_into_a_vector_and_back()
    {
        using var scope = NewDisposeScope();
        using var layer = Linear(2, 3, dtype: float64);
        Tensor vector = nn.utils.parameters_to_vector(layer.parameters());
        Assert.Equal([9], vector.shape);
        nn.utils.vector_to_parameters(vector * 2, layer.parameters());
        Numbers.AssertClose([.. Numbers.Values(vector).Select(v => v * 2)], Numbers.Values(nn.utils.parameters_to_vector(layer.parameters())));
        Assert.ThrowsAny<Exception>(() => nn.utils.vector_to_parameters(zeros(8), layer.parameters()));
    }
}
