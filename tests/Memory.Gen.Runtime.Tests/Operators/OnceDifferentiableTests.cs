using Memory.Gen.Runtime.Operators;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

public sealed class OnceDifferentiableTests
{
    // Whoever differentiates it meets an error: with TorchSharp the last thing the process says, so it is not asked for here.
    [Fact]
    public void A_gradient_with_a_graph_is_no_constant()
    {
        using var scope = NewDisposeScope();
        Tensor x = new Randoms(4).Normal(3, 5).requires_grad_();
        Tensor Gradient(bool create_graph) => autograd.grad([UnitLength.Apply(x, OperatorForm.Chunked).square().sum()], [x], create_graph: create_graph)[0];

        Tensor recorded = Gradient(true);

        Assert.True(recorded.requires_grad);
        Assert.True(recorded.allclose(Gradient(false)));
    }
}
