using Memory.Gen.Runtime.Operators;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>Decays that depend on the head alone.</summary>
public sealed class FixedDecayTests
{
    [Theory]
    [InlineData(ScalarType.Float64, ScalarType.Float64, 1e-15)]
    [InlineData(ScalarType.Float32, ScalarType.Float32, 1e-7)]
    [InlineData(ScalarType.BFloat16, ScalarType.Float32, 1e-7)]
    public void They_are_those_of_the_papers_in_float32_or_wider(ScalarType of, ScalarType wide, double limit)
    {
        using var scope = NewDisposeScope();
        Tensor q = zeros([2, 3, 4, 5], dtype: of);
        Check(FixedDecay.RetNet(q), 1 - (1.0 / 32), 1 - (1.0 / 64), 1 - (1.0 / 128), 1 - (1.0 / 256));
        Check(FixedDecay.Lightning(q, 0), 1, Math.Exp(-2), Math.Exp(-4), Math.Exp(-6));
        Check(FixedDecay.Lightning(q, 0.75), 1, Math.Exp(-0.5), Math.Exp(-1), Math.Exp(-1.5));

        void Check(Tensor decays, params double[] kept)
        {
            Assert.Equal(wide, decays.dtype);
            Assert.Equal([2, 3, 4], decays.shape);
            Assert.Equal([0, 0, 1], decays.stride()); // the same numbers for every token
            Tensor expected = tensor(kept).log(), actual = decays[1, 2].to(ScalarType.Float64);
            Assert.True((expected - actual).abs().max().item<double>() <= limit * 6);
        }
    }

    [Fact]
    public void A_device_computes_the_same_numbers()
    {
        using var scope = NewDisposeScope();
        Tensor heads = arange(70, dtype: ScalarType.Float64), device = FixedDecay.Retention(heads);
        double[] host = [.. Enumerable.Range(0, 70).Select(FixedDecay.Retention)];
        Numbers.Close(tensor(host), device, 1e-15, "retention");
        Assert.Equal(0, host[^1]); // 1 - 2^-74 is 1
        Tensor q = zeros([2, 3, 4, 5], device: META);
        Assert.Equal([2, 3, 4], FixedDecay.RetNet(q).shape);
        Assert.Equal(DeviceType.META, FixedDecay.Lightning(q, 0.5).device_type);
    }

    [Fact]
    public void One_token_of_each_row_lies_in_one_piece()
    {
        using var scope = NewDisposeScope();
        Tensor decays = FixedDecay.RetNet(zeros(3, 1, 2, 4));
        Assert.True(decays.is_contiguous());
        Assert.Equal([3, 1, 2], decays.shape);
    }

    [Fact]
    public void What_is_no_query_or_no_depth_says_so()
    {
        using var scope = NewDisposeScope();
        Assert.Contains("q has shape [2, 3]; expected [B, T, H, K]", Assert.Throws<ArgumentException>(() => FixedDecay.RetNet(zeros(2, 3))).Message);
        Assert.Contains("depth is NaN; expected 0 to 1", Assert.Throws<ArgumentOutOfRangeException>(() => FixedDecay.Lightning(zeros(1, 1, 2, 3), double.NaN)).Message);
        Assert.Throws<ArgumentNullException>(() => FixedDecay.RetNet(null!));
    }
}
