using Memory.Gen.Runtime.Modules;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Modules;

public sealed class RmsNormTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    [Fact]
    public void DividesByTheRootOfTheMeanSquare()
    {
        using var norm = new RmsNorm(3, eps: 0.5, dtype: ScalarType.Float64);
        using (no_grad())
            norm.get_parameter("weight")!.copy_(tensor(new[] { 1.0, 2.0, -1.0 }));
        double[] x = [3, -4, 5];
        double root = Math.Sqrt((9 + 16 + 25) / 3.0 + 0.5);

        double[] y = norm.call(tensor(x).view(1, 1, 3)).detach().data<double>().ToArray();

        Assert.Equal(3 / root, y[0], 12);
        Assert.Equal(-8 / root, y[1], 12);
        Assert.Equal(-5 / root, y[2], 12);
    }

    [Fact]
    public void EachGroupHasItsOwnMeanSquare()
    {
        using var norm = new RmsNorm(4, eps: 0.5, dtype: ScalarType.Float64, groups: 2);
        using (no_grad())
            norm.get_parameter("weight")!.copy_(tensor(new[] { 1.0, 2.0, -1.0, 3.0 }));
        double first = Math.Sqrt((9 + 16) / 2.0 + 0.5), second = Math.Sqrt((25 + 4) / 2.0 + 0.5);

        double[] y = norm.call(tensor(new[] { 3.0, -4, 5, 2 }).view(1, 1, 4)).detach().data<double>().ToArray();

        Assert.Equal([3 / first, -8 / first, -5 / second, 6 / second], y, (a, b) => Math.Abs(a - b) < 1e-12);
        Assert.Throws<ArgumentException>(() => new RmsNorm(4, groups: 3));
    }

    [Fact]
    public void GatedHeadsAreThoseOfGatedSideBySide()
    {
        using var norm = new RmsNorm(6);
        Tensor x = randn(2, 3, 4, 6).requires_grad_(true), gate = randn(2, 3, 24).requires_grad_(true), upstream = randn(2, 3, 24);
        Tensor heads = norm.GatedHeads(x, gate), apart = norm.Gated(x, gate.view(2, 3, 4, 6)).flatten(2);
        Assert.Equal([2, 3, 24], heads.shape);
        Assert.Equal(apart.data<float>().ToArray(), heads.data<float>().ToArray());
        foreach ((Tensor a, Tensor b) in autograd.grad([heads], [x, gate], [upstream]).Zip(autograd.grad([apart], [x, gate], [upstream])))
            Assert.Equal(b.data<float>().ToArray(), a.data<float>().ToArray());
        Assert.Throws<ArgumentException>(() => norm.GatedHeads(x, gate.view(2, 3, 4, 6)));
        using var grouped = new RmsNorm(6, groups: 2);
        Assert.Throws<InvalidOperationException>(() => grouped.GatedHeads(x, gate));
        Assert.Equal(heads.data<float>().ToArray(), norm.GatedHeads(x, stack([gate, gate], -1).select(-1, 0)).data<float>().ToArray());
        gate.Dispose();
        Assert.Contains("gate was disposed", Assert.Throws<ArgumentException>(() => norm.GatedHeads(x, gate)).Message);
    }

    [Fact]
    public void HalfTypesAreNormalizedInFloat32()
    {
        using var norm = new RmsNorm(512, dtype: ScalarType.BFloat16);
        Tensor x = randn([8, 512], dtype: ScalarType.Float64).to(ScalarType.BFloat16), wide = x.to(ScalarType.Float64);
        Tensor expected = wide * (wide.square().mean([-1], keepdim: true) + 1e-6).rsqrt();
        Tensor y = norm.call(x);
        Assert.Equal(ScalarType.BFloat16, y.dtype);
        // One rounding to bfloat16's 8 bits is all that may differ.
        Assert.True(((y.to(ScalarType.Float64) - expected).abs() <= expected.abs() / 256 + 1e-6).all().item<bool>());
    }

    [Fact]
    public void WorksOnTheMetaDeviceAndIsNamedAsItsField()
    {
        using var norm = new RmsNorm(8, device: META);
        Assert.Equal([2, 8], norm.call(empty([2, 8], device: META)).shape);
        Assert.Equal(["weight"], norm.state_dict().Keys);
    }

    [Fact]
    public void SurvivesTheScopeItWasMadeInAndTheWayToAnotherType()
    {
        RmsNorm norm;
        using (NewDisposeScope())
            norm = new RmsNorm(4);
        norm.to(ScalarType.Float64);
        Assert.Equal(ScalarType.Float64, norm.call(ones([1, 4], dtype: ScalarType.Float64)).dtype);
        norm.Dispose();
    }
}
