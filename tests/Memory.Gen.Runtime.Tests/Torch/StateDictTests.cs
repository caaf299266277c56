using System.Buffers.Binary;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Torch;

public class StateDictTests
{
    [Fact]
    public void A_file_is_what_TorchSharp_writes_byte_for_byte()
    {
        using var scope = NewDisposeScope();
        using var layer = nn.Linear(new Parameter(tensor([1f, 2f, 3f, 4f]).reshape(2, 2).t()), new Parameter(tensor([-1f, 0.5f])));
        using var stream = new MemoryStream();
        layer.save(stream);

        List<byte> expected = [2];
        expected.AddRange([6, .. "weight"u8, 6, 2, 2, 2]);
        foreach (float value in (float[])[1, 3, 2, 4]) expected.AddRange(Little(value));
        expected.AddRange([4, .. "bias"u8, 6, 1, 2]);
        foreach (float value in (float[])[-1, 0.5f]) expected.AddRange(Little(value));
        Assert.Equal(expected, stream.ToArray());
    }

    [Fact]
    public void Sizes_above_127_take_several_bytes()
    {
        using var scope = NewDisposeScope();
        using var layer = nn.Linear(new Parameter(zeros(1, 300)));
        using var stream = new MemoryStream();
        layer.save(stream);
        Assert.Equal([1, 6, .. "weight"u8, 6, 2, 1, 0xAC, 0x02], stream.ToArray()[..13]);
        Assert.Equal(13 + 1200, stream.Length);
    }

    [Theory]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float64)]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Float16)]
    public void A_round_trip_keeps_every_bit(ScalarType type)
    {
        using var scope = NewDisposeScope();
        using var model = nn.Sequential(nn.Linear(3, 5), nn.LayerNorm(5)).to(type);
        using var other = nn.Sequential(nn.Linear(3, 5), nn.LayerNorm(5)).to(type);
        using var stream = new MemoryStream();
        model.save(stream);
        stream.Position = 0;
        Dictionary<string, bool> loaded = [];
        other.load(stream, loadedParameters: loaded);
        Assert.All(loaded, l => Assert.True(l.Value));
        Assert.Equal(model.state_dict().Keys, loaded.Keys);
        foreach (var (key, value) in model.state_dict()) Assert.True(value.eq(other.state_dict()[key]).all().item<bool>(), key);
    }

    [Fact]
    public void What_does_not_fit_is_named()
    {
        using var scope = NewDisposeScope();
        using var model = nn.Linear(3, 5);
        using var stream = new MemoryStream();
        model.save(stream);

        stream.Position = 0;
        using var wider = nn.Linear(4, 5);
        Assert.Contains("weight", Assert.Throws<ArgumentException>(() => wider.load(stream)).Message);
        stream.Position = 0;
        using var half = nn.Linear(3, 5, dtype: float64);
        Assert.Contains("Float32", Assert.Throws<ArgumentException>(() => half.load(stream)).Message);
        stream.Position = 0;
        using var bare = nn.Linear(3, 5, hasBias: false);
        Assert.Throws<ArgumentException>(() => bare.load(stream));
        stream.Position = 0;
        bare.load(stream, strict: false);
        Assert.True(bare.weight.eq(model.weight).all().item<bool>());

        byte[] torn = stream.ToArray()[..^3];
        Assert.Throws<EndOfStreamException>(() => nn.Linear(3, 5).load(new MemoryStream(torn)));
        Assert.Throws<InvalidDataException>(() => nn.Linear(3, 5).load(new MemoryStream([2, 6, .. "weight"u8, 99])));
    }

    [Fact]
    public void A_state_dict_copies_values_and_reports_keys()
    {
        using var scope = NewDisposeScope();
        using var source = nn.Linear(2, 3);
        using var target = nn.Linear(2, 3);
        Dictionary<string, Tensor> values = source.state_dict();
        Parameter weight = target.weight;
        target.load_state_dict(values);
        Assert.Same(weight, target.weight);
        Assert.True(target.weight.eq(source.weight).all().item<bool>());

        values.Remove("bias");
        values["extra"] = zeros(1);
        Assert.Contains("extra", Assert.Throws<InvalidOperationException>(() => target.load_state_dict(values)).Message);
        var (missing, unexpected) = target.load_state_dict(values, strict: false);
        Assert.Equal(["bias"], missing);
        Assert.Equal(["extra"], unexpected);
        target.load_state_dict(values, skip: ["bias", "extra"]);
        values["weight"] = zeros(3, 3);
        Assert.Contains("[3, 3]", Assert.Throws<ArgumentException>(() => target.load_state_dict(values, strict: false)).Message);
    }

    [Fact]
    public void Saving_and_loading_leave_no_tensors_behind()
    {
        using var model = nn.Linear(3, 5);
        Numbers.AssertLeavesNothing(() =>
        {
            using var stream = new MemoryStream();
            model.save(stream);
            stream.Position = 0;
            model.load(stream);
            model.load_state_dict(model.state_dict());
        });
    }

    private static byte[] Little(float value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteSingleLittleEndian(bytes, value);
        return bytes;
    }
}
