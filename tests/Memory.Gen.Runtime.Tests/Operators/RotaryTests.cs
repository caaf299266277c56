using Memory.Gen.Runtime.Operators;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Operators;

public sealed class RotaryTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    [Fact]
    public void TurnsEachPairByPositionTimesItsFrequency()
    {
        double[] x = [1, 2, 3, 4];
        double[] y = Rotary.Apply(tensor(x).view(1, 1, 1, 4), tensor(new[] { 5L }), theta: 100).data<double>().ToArray();
        for (int pair = 0; pair < 2; pair++)
        {
            double angle = 5 * Math.Pow(100, -pair / 2.0), cos = Math.Cos(angle), sin = Math.Sin(angle);
            Assert.Equal(x[pair] * cos - x[pair + 2] * sin, y[pair], 12);
            Assert.Equal(x[pair] * sin + x[pair + 2] * cos, y[pair + 2], 12);
        }
    }

    [Fact]
    public void ProductsDependOnTheDistanceAlone()
    {
        Tensor q = randn([1, 1, 1, 8], dtype: ScalarType.Float64), k = randn([1, 1, 1, 8], dtype: ScalarType.Float64);
        double Product(long query, long key) =>
            (Rotary.Apply(q, tensor(new[] { query })) * Rotary.Apply(k, tensor(new[] { key }))).sum().item<double>();
        Assert.Equal(Product(7, 3), Product(1007, 1003), 9);
        Assert.NotEqual(Product(7, 3), Product(7, 4), 3);
    }

    [Fact]
    public void StaysExactFarIntoTheTextInFloat32()
    {
        Tensor x = randn([1, 4, 2, 16], dtype: ScalarType.Float64);
        Tensor positions = tensor(new[] { 0L, 1_000, 1_000_000, 100_000_000 });
        Tensor wide = Rotary.Apply(x, positions), narrow = Rotary.Apply(x.to(ScalarType.Float32), positions).to(ScalarType.Float64);
        Assert.True((wide - narrow).abs().max().item<double>() < 2e-6);
    }

    // With the bits of the parallel form where torch fuses a product and a sum; otherwise a model amplifies a last bit.
    [Theory, InlineData(1, 1, 4, 64, 100_003), InlineData(3, 1, 2, 6, 5), InlineData(2, 5, 1, 34, 0)]
    public void FewNumbersTurnAsManyDo(long B, long T, long H, long D, long first)
    {
        using var quiet = no_grad();
        Tensor x = randn([B, T, H, D], dtype: ScalarType.Float32), positions = arange(first, first + T, dtype: ScalarType.Int64);
        Tensor few = Rotary.Apply(x, positions), many = Rotary.Apply(x.repeat(1, 1, 5000, 1), positions).narrow(2, 0, H);
        Assert.True((few - many).abs().max().item<float>() < 5e-7);
    }

    [Fact]
    public void EveryRowHasItsOwnPositions()
    {
        Tensor x = randn([2, 3, 1, 4], dtype: ScalarType.Float64);
        Tensor both = Rotary.Apply(x, tensor(new[] { 0L, 1, 2, 10, 11, 12 }).view(2, 3));
        Tensor second = Rotary.Apply(x.narrow(0, 1, 1), tensor(new[] { 10L, 11, 12 }));
        Assert.True((both.narrow(0, 1, 1) - second).abs().max().item<double>() == 0);
    }

    [Fact]
    public void PositionsOfOtherRowsAreRefusedWithoutGradientsToo()
    {
        using var quiet = no_grad();
        Assert.ThrowsAny<Exception>(() => Rotary.Apply(zeros(4, 1, 1, 4), zeros([2, 1], dtype: ScalarType.Int64)));
    }

    [Fact]
    public void AnOddHeadIsRefused() =>
        Assert.Contains("5", Assert.Throws<ArgumentException>(() => Rotary.Apply(zeros(1, 1, 1, 5), tensor(new[] { 0L }))).Message);
}
