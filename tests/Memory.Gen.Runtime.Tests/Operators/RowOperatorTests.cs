using Memory.Gen.Runtime.Operators;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>Norm, unit length, the gated unit and softplus against their formulas and the gradients of those.</summary>
public sealed class RowOperatorTests
{
    public static TheoryData<string> Names => ["rms_norm", "gated_rms_norm", "unit_length", "swiglu", "softplus", "elu_plus_one", "relu"];

    public static TheoryData<string> KernelNames => ["rms_norm", "gated_rms_norm", "unit_length", "swiglu", "softplus"];

    [Theory]
    [MemberData(nameof(Names))]
    public void Equals_its_formula_with_gradients(string name)
    {
        using var scope = NewDisposeScope();
        var r = new Randoms(31);
        Tensor[] inputs = [r.Normal(3, 4, 6), name == "swiglu" ? r.Normal(3, 4, 6) : r.Normal(6), r.Normal(3, 4, 6)];
        Tensor[] expected = Differentiate(inputs, x => Formula(name, x[0], x[1], x[2])), actual = Differentiate(inputs, x => Operator(name, x[0], x[1], x[2]));
        foreach ((Tensor e, Tensor a) in expected.Zip(actual)) Numbers.Close(e, a, 1e-12, name);
    }

    [Theory]
    [MemberData(nameof(KernelNames))]
    public void Kernels_equal_the_formula_with_gradients(string name)
    {
        foreach (long width in new long[] { 1, 6, 15, 16, 17, 64, 100, 257 })
        {
            foreach (long rows in new long[] { 0, 1, 37 })
            {
                using var scope = NewDisposeScope();
                var r = new Randoms(32);
                Tensor[] inputs = [r.Normal(rows, 2, width), name == "swiglu" ? r.Normal(rows, 2, width) : r.Normal(width), r.Normal(rows, 2, width)];
                Tensor[] expected = Differentiate(inputs, x => Formula(name, x[0], x[1], x[2]));
                Tensor[] single = [.. inputs.Select(x => x.to(ScalarType.Float32))];
                Tensor[] actual = Differentiate(single, x => Operator(name, x[0], x[1], x[2], OperatorForm.Native));
                Assert.Equal(OperatorForm.Native, OperatorForms.LastUsed!.Value.Form);
                Numbers.Close(expected[0], actual[0], 2e-5, $"{name} of width {width}");
                foreach ((Tensor e, Tensor a) in expected.Zip(actual)) Numbers.Close(e, a, 1e-4, $"gradient of {name} of width {width}");

                // The same from rows that do not lie together.
                Tensor[] spread = [.. single.Select(x => cat(new[] { x, x }, -1).narrow(-1, 0, x.shape[^1]))];
                Tensor[] same = Differentiate(spread, x => Operator(name, x[0], x[1], x[2], OperatorForm.Native));
                foreach ((Tensor a, Tensor b) in actual.Zip(same)) Assert.Equal(0, Numbers.Error(b, a));
            }
        }
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
                Tensor y = Operator(name, x, second, x);
                Assert.Equal(shape, y.shape);
                Assert.Equal(name == "softplus" && dtype == ScalarType.BFloat16 ? ScalarType.Float32 : dtype, y.dtype);
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

    private static Tensor Operator(string name, Tensor a, Tensor b, Tensor c, OperatorForm? form = null) => name switch
    {
        "rms_norm" => RootMeanSquareNorm.Apply(a, b, 1e-5, form),
        "gated_rms_norm" => RootMeanSquareNorm.Gated(a, b, c, 1e-5, form),
        "unit_length" => UnitLength.Apply(a, form),
        "swiglu" => SwiGlu.Apply(a, b, form),
        "softplus" => Softplus.Apply(a, b, form),
        "elu_plus_one" => FeatureMaps.EluPlusOne(a),
        _ => FeatureMaps.Relu(a),
    };

    private static Tensor Formula(string name, Tensor a, Tensor b, Tensor c) => name switch
    {
        "gated_rms_norm" => Formula("rms_norm", a, b, c) * c * c.sigmoid(),
        "rms_norm" => a / (a.square().mean(new long[] { -1 }, keepdim: true) + 1e-5).sqrt() * b,
        "unit_length" => a / (a.square().sum(-1, keepdim: true) + 1e-6).sqrt(),
        "swiglu" => a * a.sigmoid() * b,
        "softplus" => (1 + (a + b).exp()).log(),
        "elu_plus_one" => where(a.gt(0), a + 1, a.exp()),
        _ => a.clamp_min(0),
    };

    private static Tensor[] Differentiate(Tensor[] inputs, Func<Tensor[], Tensor> call)
    {
        Tensor[] leaves = [.. inputs.Select(x => x.detach().requires_grad_())];
        Tensor output = call(leaves);
        Numbers.Objective([output]).backward();
        return [output, .. leaves.Select(x => x.grad is { } g ? g : zeros_like(x))];
    }
}
