using Memory.Gen.Runtime.Kernels;
using Memory.Gen.Runtime.Operators;
using Memory.Gen.Runtime.Tests.Models;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>Linear maps follow what torch is told about the precision of products. It is told for the whole process, so nothing runs beside these.</summary>
[Collection(AloneCollection.Name)]
public sealed class MatmulPrecisionTests
{
    [Theory]
    [InlineData(Float32MatmulPrecision.highest, false)]
    [InlineData(Float32MatmulPrecision.high, false)]
    [InlineData(Float32MatmulPrecision.medium, true)]
    public void Medium_rounds_what_is_multiplied(Float32MatmulPrecision precision, bool rounds)
    {
        using var scope = NewDisposeScope();
        var r = new Randoms(47);
        Tensor[] inputs = [.. new[] { r.Normal(3, 40, 17), r.Normal(33, 17), r.Normal(70, 17) }.Select(x => x.to(ScalarType.Float32))];
        Tensor[] upstream = [.. new[] { r.Normal(3, 40, 33), r.Normal(3, 40, 70) }.Select(x => x.to(ScalarType.Float32))];
        Tensor[] expected = Differentiate([.. inputs.Select(Exact)], [.. upstream.Select(Exact)], x => [.. x[1..].Select(w => nn.functional.linear(x[0], w))]);

        using var set = set_float32_matmul_precision(precision);
        Tensor[] actual = Differentiate(inputs, upstream, x => Projection.Apply(x[0], x[1..], OperatorForm.Native));
        foreach ((Tensor e, Tensor a) in expected.Zip(actual)) Numbers.Close(e, a, 2e-5, "with gradients");

        using var quiet = no_grad();
        var layer = nn.Linear(17, 33, hasBias: false);
        layer.weight!.copy_(inputs[1]);
        Numbers.Close(expected[0], Projection.Apply(inputs[0], layer), 2e-5, "without gradients");

        Tensor Exact(Tensor x) => (rounds && KernelLibrary.MultipliesBFloat16 ? x.to(ScalarType.BFloat16) : x).to(ScalarType.Float64);
    }

    [Fact]
    public void A_single_row_is_never_rounded()
    {
        using var scope = NewDisposeScope();
        using var set = set_float32_matmul_precision(Float32MatmulPrecision.medium);
        using var quiet = no_grad();
        Linear layer = nn.Linear(40, 33);
        Tensor x = new Randoms(48).Normal(1, 1, 40).to(ScalarType.Float32);
        Numbers.Close(layer.call(x), Projection.Apply(x, layer), 1e-6, "one row");
    }

    [Fact]
    public void The_precision_before_comes_back()
    {
        var before = get_float32_matmul_precision();
        using (set_float32_matmul_precision(Float32MatmulPrecision.medium)) Assert.Equal(Float32MatmulPrecision.medium, get_float32_matmul_precision());
        Assert.Equal(before, get_float32_matmul_precision());
    }

    private static Tensor[] Differentiate(Tensor[] inputs, Tensor[] upstream, Func<Tensor[], Tensor[]> function)
    {
        Tensor[] leaves = [.. inputs.Select(x => x.detach().requires_grad_(true))];
        Tensor[] outputs = function(leaves);
        return [.. outputs, .. autograd.grad(outputs, leaves, upstream)];
    }
}
