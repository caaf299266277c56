using Memory.Gen.Runtime.Operators;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

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

    /// <summary>Calls of which each differs in one thing from the one before: its angles are kept for a call that has the same.</summary>
    [Theory]
    [InlineData(OperatorForm.Chunked)]
    [InlineData(OperatorForm.Native)]
    public void FormsEqualTheFormulaWithGradients(OperatorForm form)
    {
        var r = new Randoms(61);
        foreach ((long B, long T, long H, long D, double theta, bool own) in new[]
        {
            (2L, 5L, 3L, 8L, 10_000.0, false), (2, 5, 3, 8, 500, false), (2, 5, 3, 66, 500, false), (2, 5, 3, 66, 500, true), (1, 5, 3, 8, 500, true), (3, 1, 5, 34, 10_000, true), (2, 300, 2, 64, 10_000, false),
            (0, 4, 2, 6, 10_000, false), (2, 0, 2, 6, 10_000, false), (2, 3, 0, 6, 10_000, true), (2, 3, 2, 0, 10_000, false),
        })
        {
            Tensor positions = own ? r.Uniform(-20, 1e6, B, T).to(ScalarType.Int64) : arange(999_900, 999_900 + T, dtype: ScalarType.Int64);
            Tensor exact = r.Normal(B, T, H, D).requires_grad_(), upstream = r.Normal(B, T, H, D);
            Tensor frequencies = tensor([.. Enumerable.Range(0, (int)D / 2).Select(i => Math.Pow(theta, -2.0 * i / D))], [D / 2], dtype: ScalarType.Float64);
            Tensor angles = (positions.to(ScalarType.Float64).unsqueeze(-1) * frequencies).unsqueeze(-2), u = exact.narrow(-1, 0, D / 2), v = exact.narrow(-1, D / 2, D / 2);
            Tensor expected = cat(new[] { u * angles.cos() - v * angles.sin(), u * angles.sin() + v * angles.cos() }, -1);
            Tensor single = exact.detach().to(ScalarType.Float32), turned = single.transpose(1, 2).contiguous().transpose(1, 2);
            foreach (Tensor x in new[] { single, turned })
            {
                x.requires_grad_();
                Tensor y = Rotary.Apply(x, positions, theta, form);
                Assert.Equal(new OperatorUse("rotary", form), OperatorForms.LastUsed);
                Numbers.Close(expected, y, 1e-6, "output");
                Tensor gradient = autograd.grad([y], [x], [upstream.to(ScalarType.Float32).transpose(1, 2).contiguous().transpose(1, 2)])[0];
                Numbers.Close(autograd.grad([expected], [exact], [upstream], retain_graph: true)[0], gradient, 1e-6, "gradient");
            }
        }
    }

    [Fact]
    public void HalfTypesAreTurnedInFloat32()
    {
        Tensor x = new Randoms(62).Normal(1, 3, 2, 8).to(ScalarType.BFloat16), positions = arange(7, 10, dtype: ScalarType.Int64), y = Rotary.Apply(x, positions);
        Assert.Equal(ScalarType.BFloat16, y.dtype);
        Tensor expected = Rotary.Apply(x.to(ScalarType.Float32), positions).to(ScalarType.BFloat16);
        Assert.Equal(0, Numbers.Error(y.to(ScalarType.Float64), expected.to(ScalarType.Float64)));
    }

    [Fact]
    public void OtherPositionsAreNamed()
    {
        Tensor x = zeros(2, 3, 1, 4);
        string Message(Tensor positions) => Assert.ThrowsAny<ArgumentException>(() => Rotary.Apply(x, positions)).Message;
        foreach (bool quietly in new[] { false, true })
        {
            using var mode = quietly ? no_grad() : enable_grad();
            Assert.Contains("rotary: positions has shape [1, 3]; expected [B, T] = [2, 3], as given by x", Message(zeros([1, 3], dtype: ScalarType.Int64)));
            Assert.Contains("rotary: positions has shape [2]; expected [T] = [3], as given by x", Message(zeros([2], dtype: ScalarType.Int64)));
            Assert.Contains("rotary: positions is Float32; expected Int64", Message(zeros(3)));
            Assert.Contains("rotary: positions is null", Message(null!));
        }
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
