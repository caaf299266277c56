using Memory.Gen.Runtime.Operators;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>Linear maps of one input against torch's own, in float64.</summary>
public sealed class ProjectionTests
{
    public static TheoryData<long[]> Shapes => [[16], [0, 16], [1, 16], [5, 16], [2, 3, 16], [3, 40, 16], [2, 2, 77, 16]];

    [Theory]
    [MemberData(nameof(Shapes))]
    public void Equals_linear_with_gradients(long[] shape)
    {
        using var scope = NewDisposeScope();
        var r = new Randoms(41);
        Tensor[] exact = [r.Normal(shape), r.Normal(33, 16), r.Normal(1, 16), r.Normal(70, 16)];
        Tensor[] single = [.. exact.Select(x => x.to(ScalarType.Float32))];
        Tensor[] expected = Differentiate(exact, x => [.. x[1..].Select(w => nn.functional.linear(x[0], w))]);
        Tensor[] actual = Differentiate(single, x => Projection.Apply(x[0], x[1..], OperatorForm.Native));
        Assert.Equal(new OperatorUse("linear", OperatorForm.Native), OperatorForms.LastUsed);
        foreach ((Tensor e, Tensor a) in expected.Zip(actual)) Numbers.Close(e, a, 2e-5, "projection");

        // The same from rows that do not lie together.
        Tensor[] spread = [.. single.Select(x => cat(new[] { x, x }, -1).narrow(-1, 0, x.shape[^1]))];
        Tensor[] same = Differentiate(spread, x => Projection.Apply(x[0], x[1..], OperatorForm.Native));
        foreach ((Tensor a, Tensor b) in actual.Zip(same)) Assert.Equal(0, Numbers.Error(b, a));
    }

    [Fact]
    public void Layers_with_and_without_bias()
    {
        using var scope = NewDisposeScope();
        Linear plain = nn.Linear(6, 4, hasBias: false), shifted = nn.Linear(6, 5);
        Tensor x = new Randoms(42).Normal(2, 3, 6).to(ScalarType.Float32);
        var (first, second) = Projection.Apply(x, plain, shifted);
        Numbers.Close(plain.call(x), first, 2e-5, "without bias");
        Numbers.Close(shifted.call(x), second, 2e-5, "with bias");
        Numbers.Close(shifted.call(x), Projection.Apply(x, shifted), 2e-5, "alone");
    }

    [Fact]
    public void A_gate_of_16_bits_is_summed_in_float32()
    {
        using var scope = NewDisposeScope();
        Linear gate = nn.Linear(6, 5, dtype: ScalarType.BFloat16);
        Tensor x = new Randoms(43).Normal(2, 3, 6).to(ScalarType.BFloat16), actual = Projection.Gate(x, gate);
        Assert.Equal(ScalarType.Float32, actual.dtype);
        Numbers.Close(nn.functional.linear(x.to(ScalarType.Float64), gate.weight!.to(ScalarType.Float64), gate.bias!.to(ScalarType.Float64)), actual, 1e-6, "gate");
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(2, 3)]
    [InlineData(0, 3)]
    public void Without_gradients_too(long batch, long tokens)
    {
        using var scope = NewDisposeScope();
        Linear plain = nn.Linear(6, 4, hasBias: false), shifted = nn.Linear(6, 5);
        Tensor x = new Randoms(43).Normal(batch, tokens, 6).to(ScalarType.Float32);
        Tensor[] expected = [plain.call(x), shifted.call(x)];
        using var quiet = no_grad();
        Tensor[] actual = Projection.Apply(x, [plain, shifted]);
        for (int i = 0; i < 2; i++) Numbers.Close(expected[i], actual[i], 2e-5, i == 0 ? "without bias" : "with bias");
        Assert.All(actual, y => Assert.False(y.requires_grad));
    }

    [Fact]
    public void A_wrong_width_is_named()
    {
        using var scope = NewDisposeScope();
        var problem = Assert.Throws<ArgumentException>(() => Projection.Apply(zeros(2, 6), nn.Linear(6, 4), nn.Linear(5, 4)));
        Assert.Contains("weights[1] has shape [4, 5]; expected [K, I] = [K, 6]", problem.Message);
    }

    private static Tensor[] Differentiate(Tensor[] inputs, Func<Tensor[], Tensor[]> function)
    {
        // Upstream gradients that differ from place to place.
        return Differentiate(inputs, function, outputs => [.. outputs.Select(y => linspace(-1, 1, y.numel(), dtype: y.dtype).view(y.shape))]);
    }

    /// <summary>The outputs, and the gradients of the inputs from those of the outputs.</summary>
    internal static Tensor[] Differentiate(Tensor[] inputs, Func<Tensor[], Tensor[]> function, Func<Tensor[], Tensor[]> upstream)
    {
        Tensor[] leaves = [.. inputs.Select(x => x.detach().requires_grad_(true))];
        Tensor[] outputs = function(leaves);
        return [.. outputs, .. autograd.grad(outputs, leaves, upstream(outputs))];
    }
}
