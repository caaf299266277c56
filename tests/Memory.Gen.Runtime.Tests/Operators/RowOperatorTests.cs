using Memory.Gen.Runtime.Operators;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>Norm, unit length and the gated unit against their formulas and the gradients of those.</summary>
public sealed class RowOperatorTests
{
    public static TheoryData<string> Names => ["rms_norm", "unit_length", "swiglu", "elu_plus_one", "relu"];

    [Theory]
    [MemberData(nameof(Names))]
    public void Equals_its_formula_with_gradients(string name)
    {
        using var scope = NewDisposeScope();
        var r = new Randoms(31);
        Tensor[] inputs = [r.Normal(3, 4, 6), name == "swiglu" ? r.Normal(3, 4, 6) : r.Normal(6)];
        Tensor[] expected = Differentiate(inputs, x => Formula(name, x[0], x[1])), actual = Differentiate(inputs, x => Operator(name, x[0], x[1]));
        foreach ((Tensor e, Tensor a) in expected.Zip(actual)) Numbers.Close(e, a, 1e-12, name);
    }

    [Theory]
    [MemberData(nameof(Names))]
    public void Keeps_shape_and_dtype(string name)
    {
        using var scope = NewDisposeScope();
        foreach (ScalarType dtype in new[] { ScalarType.Float32, ScalarType.BFloat16 })
        {
            foreach (long[] shape in new long[][] { [6], [0, 6], [2, 3, 6] })
            {
                Tensor x = ones(shape, dtype: dtype), second = name == "swiglu" ? x : ones(6, dtype: dtype);
                Tensor y = Operator(name, x, second);
                Assert.Equal(shape, y.shape);
                Assert.Equal(dtype, y.dtype);
            }
        }
    }

    [Fact]
    public void A_zero_row_has_length_zero_and_a_finite_gradient()
    {
        using var scope = NewDisposeScope();
        Tensor x = zeros(2, 4, dtype: ScalarType.Float64).requires_grad_();
        Tensor y = UnitLength.Apply(x);
        y.sum().backward();
        Assert.Equal(0, y.abs().max().item<double>());
        Assert.Equal(1000, x.grad!.max().item<double>(), 6);
    }

    private static Tensor Operator(string name, Tensor a, Tensor b) => name switch
    {
        "rms_norm" => RootMeanSquareNorm.Apply(a, b, 1e-5),
        "unit_length" => UnitLength.Apply(a),
        "swiglu" => SwiGlu.Apply(a, b),
        "elu_plus_one" => FeatureMaps.EluPlusOne(a),
        _ => FeatureMaps.Relu(a),
    };

    private static Tensor Formula(string name, Tensor a, Tensor b) => name switch
    {
        "rms_norm" => a / (a.square().mean(new long[] { -1 }, keepdim: true) + 1e-5).sqrt() * b,
        "unit_length" => a / (a.square().sum(-1, keepdim: true) + 1e-6).sqrt(),
        "swiglu" => a * a.sigmoid() * b,
        "elu_plus_one" => where(a.gt(0), a + 1, a.exp()),
        _ => a.clamp_min(0),
    };

    private static Tensor[] Differentiate(Tensor[] inputs, Func<Tensor[], Tensor> call)
    {
        Tensor[] leaves = [.. inputs.Select(x => x.detach().clone().requires_grad_())];
        Tensor output = call(leaves);
        Numbers.Objective([output]).backward();
        return [output, .. leaves.Select(x => x.grad is { } g ? g : zeros_like(x))];
    }
}
