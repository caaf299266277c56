using Memory.Gen.Runtime.Kernels;
using Memory.Gen.Runtime.Modules;
using Memory.Gen.Runtime.Operators;
using Memory.Gen.Runtime.Tests.Models;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>Linear maps multiply as precisely as they are told to. They are told for the whole process, so nothing runs beside these.</summary>
[Collection(AloneCollection.Name)]
public sealed class MatmulPrecisionTests : IDisposable
{
    public void Dispose() => Projection.MatmulPrecision = MatmulPrecision.Float32;

    [Theory]
    [InlineData(MatmulPrecision.Float32)]
    [InlineData(MatmulPrecision.BFloat16)]
    public void Operands_are_rounded_where_the_processor_multiplies_such_numbers(MatmulPrecision precision)
    {
        using var scope = NewDisposeScope();
        var r = new Randoms(47);
        Tensor[] inputs = [.. new[] { r.Normal(3, 40, 17), r.Normal(33, 17), r.Normal(70, 17) }.Select(x => x.to(ScalarType.Float32))];
        Tensor[] upstream = [.. new[] { r.Normal(3, 40, 33), r.Normal(3, 40, 70) }.Select(x => x.to(ScalarType.Float32))];
        Tensor[] expected = ProjectionTests.Differentiate([.. inputs.Select(x => Exact(x, precision))], x => [.. x[1..].Select(w => nn.functional.linear(x[0], w))], _ => [.. upstream.Select(x => Exact(x, precision))]);

        Projection.MatmulPrecision = precision;
        Tensor[] actual = ProjectionTests.Differentiate(inputs, x => Projection.Apply(x[0], x[1..], OperatorForm.Native), _ => upstream);
        foreach ((Tensor e, Tensor a) in expected.Zip(actual)) Numbers.Close(e, a, 2e-5, "with gradients");

        using var quiet = no_grad();
        var layer = nn.Linear(17, 33, hasBias: false);
        layer.weight!.copy_(inputs[1]);
        Numbers.Close(expected[0], Projection.Apply(inputs[0], layer), 2e-5, "without gradients");
    }

    [Theory]
    [InlineData(MatmulPrecision.Float32)]
    [InlineData(MatmulPrecision.BFloat16)]
    public void Those_of_token_copies_too(MatmulPrecision precision)
    {
        using var scope = NewDisposeScope();
        var r = new Randoms(49);
        Routing route = Routing.TopK(r.Normal(1, 64, 2), 1);
        Tensor rows = route.Gather(r.Normal(1, 64, 32)).to(ScalarType.Float32), weight = r.Normal(2, 16, 32).to(ScalarType.Float32);
        Tensor expected = RoutedProjection.Apply(Exact(rows, precision), route, [Exact(weight, precision)])[0];
        Projection.MatmulPrecision = precision;
        Numbers.Close(expected, RoutedProjection.Apply(rows, route, [weight])[0], 2e-5, "token copies");
    }

    [Fact]
    public void A_single_row_is_never_rounded()
    {
        using var scope = NewDisposeScope();
        Projection.MatmulPrecision = MatmulPrecision.BFloat16;
        using var quiet = no_grad();
        Linear layer = nn.Linear(40, 33);
        Tensor x = new Randoms(48).Normal(1, 1, 40).to(ScalarType.Float32);
        Numbers.Close(layer.call(x), Projection.Apply(x, layer), 1e-6, "one row");
    }

    // As a product sees it.
    private static Tensor Exact(Tensor x, MatmulPrecision precision) =>
        (precision == MatmulPrecision.BFloat16 && KernelLibrary.MultipliesBFloat16 ? x.to(ScalarType.BFloat16) : x).to(ScalarType.Float64);
}
