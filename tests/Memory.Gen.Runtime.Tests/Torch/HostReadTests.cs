using System.Numerics;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Torch;

public sealed class HostReadTests
{
    [Fact]
    public void Arrays_come_back_as_they_went_in()
    {
        using var scope = NewDisposeScope();
        Assert.Equal([1.5f, -2f], tensor(new[] { 1.5f, -2f }).data<float>().ToArray());
        Assert.Equal([1.5, -2], tensor(new[] { 1.5, -2 }).data<double>().ToArray());
        Assert.Equal([long.MaxValue, -1], tensor(new[] { long.MaxValue, -1 }).data<long>().ToArray());
        Assert.Equal([1, 2], tensor(new[] { 1, 2 }).data<int>().ToArray());
        Assert.Equal([(short)1], tensor(new short[] { 1 }).data<short>().ToArray());
        Assert.Equal([(byte)200], tensor(new byte[] { 200 }).data<byte>().ToArray());
        Assert.Equal([(sbyte)-3], tensor(new sbyte[] { -3 }).data<sbyte>().ToArray());
        Assert.Equal([true, false], tensor(new[] { true, false }).data<bool>().ToArray());
        Assert.Equal([(Half)0.5f], tensor(new[] { (Half)0.5f }).data<Half>().ToArray());
        Assert.Equal([(BFloat16)0.5f], tensor(new[] { (BFloat16)0.5f }).data<BFloat16>().ToArray());
        Assert.Equal([new Complex(1, 2)], tensor(new[] { new Complex(1, 2) }).data<Complex>().ToArray());
    }

    [Fact]
    public void Numbers_take_their_own_type()
    {
        using var scope = NewDisposeScope();
        Assert.Equal(ScalarType.Float32, tensor(1f).dtype);
        Assert.Equal(ScalarType.Float64, tensor(1.0).dtype);
        Assert.Equal(ScalarType.Int32, tensor(1).dtype);
        Assert.Equal(ScalarType.Int64, tensor(1L).dtype);
        Assert.Equal(ScalarType.Bool, tensor(true).dtype);
        Assert.Equal(ScalarType.Int64, arange(3).dtype);
        Assert.Equal(ScalarType.Float32, arange(3.0).dtype);
        Assert.Equal(ScalarType.Float32, ones(2).dtype);
    }

    [Fact]
    public void Shapes_follow_the_array()
    {
        using var scope = NewDisposeScope();
        Assert.Equal([2, 3], tensor(new float[,] { { 1, 2, 3 }, { 4, 5, 6 } }).shape);
        Assert.Equal([2, 1, 2], from_array(new double[2, 1, 2]).shape);
        Assert.Equal([3, 2], tensor(new List<float> { 1, 2, 3, 4, 5, 6 }, 3, 2).shape);
        Assert.Equal(6, tensor(new float[,] { { 1, 2, 3 }, { 4, 5, 6 } })[1, 2].item<float>());
        Assert.Throws<ArgumentException>(() => tensor(new List<float> { 1, 2, 3 }, 2, 2));
    }

    // TorchSharp looks for a first number where a tensor has several axes.
    [Fact]
    public void A_matrix_without_numbers_is_not_read()
    {
        using var scope = NewDisposeScope();
        Assert.Empty(zeros(0).data<float>().ToArray());
        Assert.Throws<ArgumentOutOfRangeException>(() => zeros(0, 2).data<float>().ToArray());
        Assert.Equal([0, 2], tensor(Array.Empty<float>(), [0, 2]).shape);
    }

    [Fact]
    public void Reading_respects_strides()
    {
        using var scope = NewDisposeScope();
        Tensor transposed = arange(6).reshape(2, 3).t();
        Assert.Equal([0, 3, 1, 4, 2, 5], transposed.data<long>().ToArray());
        Assert.Equal(4, transposed.data<long>()[1, 1]);
        Assert.Equal([1, 4], arange(6).reshape(2, 3)[TensorIndex.Colon, 1].data<long>().ToArray());
    }

    [Fact]
    public void Writing_through_the_accessor_reaches_the_tensor()
    {
        using var scope = NewDisposeScope();
        Tensor x = zeros(2, 2, dtype: float64);
        var elements = x.data<double>();
        elements[1, 0] = 7;
        Numbers.AssertClose([0, 0, 7, 0], Numbers.Values(x));
    }

    [Fact]
    public void Another_type_is_refused_and_named()
    {
        using var scope = NewDisposeScope();
        Tensor half = ones(1, dtype: bfloat16);
        Assert.Contains("BFloat16", Assert.Throws<ArgumentException>(() => half.data<float>()).Message);
        Assert.Throws<ArgumentException>(() => ones(1).item<double>());
        Assert.Throws<ArgumentException>(() => ones(2).item<float>());
        Assert.Equal(1f, half.to(float32).item<float>());
    }

    [Fact]
    public void Single_numbers_convert()
    {
        using var scope = NewDisposeScope();
        Tensor x = tensor(2.75);
        Assert.Equal(2.75f, (float)x);
        Assert.Equal(2.75, x.ToDouble());
        Assert.Equal(2, (int)x);
        Assert.Equal(2L, x.ToInt64());
        Assert.True((bool)x);
        Assert.Equal(2.75, x.ToScalar().ToDouble());
    }

    [Fact]
    public void Bytes_are_the_memory_itself()
    {
        using var scope = NewDisposeScope();
        Tensor x = zeros(2, dtype: int32);
        x.bytes[4] = 3;
        Assert.Equal([0, 3], x.data<int>().ToArray());
        x.bytes = new byte[] { 1, 0, 0, 0, 2, 0, 0, 0 };
        Assert.Equal([1, 2], x.data<int>().ToArray());
        Assert.Throws<InvalidOperationException>(() => arange(6).reshape(2, 3).t().bytes.Length);
        Assert.Throws<ArgumentException>(() => x.bytes = new byte[3]);
    }

    [Fact]
    public void Bfloat16_rounds_to_nearest_even_as_libtorch_does()
    {
        using var scope = NewDisposeScope();
        float[] values = [1.00390625f, 1.01171875f, 3.14159274f, -1e-40f, float.PositiveInfinity, float.NaN, 65536.5f, 3.4e38f];
        BFloat16[] theirs = tensor(values).to(bfloat16).data<BFloat16>().ToArray();
        Assert.Equal(theirs.Select(each => each.ToSingle()), values.Select(each => new BFloat16(each).ToSingle()));
    }

    [Fact]
    public void The_meta_device_has_shapes_and_no_memory()
    {
        using var scope = NewDisposeScope();
        Tensor x = zeros(1L << 40, 1L << 10, device: META) * 2;
        Assert.Equal([1L << 40, 1L << 10], x.shape);
        Assert.True(x.is_meta);
        Assert.Contains("meta", x.ToString());
    }

    [Fact]
    public void A_given_away_handle_leaves_an_invalid_tensor()
    {
        using var scope = NewDisposeScope();
        Tensor x = ones(2);
        IntPtr handle = x.DecoupleFromNativeHandle();
        Assert.True(x.IsInvalid);
        Tensor y = Tensor.UnsafeCreateTensor(handle);
        Assert.Equal(1, y[1].item<float>());
    }
}
