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
        using var layer = nn.Linear(new Parameter(tensor([1f, 3f, 2f, 4f]).reshape(2, 2)), new Parameter(tensor([-1f, 0.5f])));
        byte[] file = Saved(layer);

        List<byte> expected = [2];
        expected.AddRange([6, .. "weight"u8, 6, 2, 2, 2]);
        foreach (float value in (float[])[1, 3, 2, 4]) expected.AddRange(Little(value));
        expected.AddRange([4, .. "bias"u8, 6, 1, 2]);
        foreach (float value in (float[])[-1, 0.5f]) expected.AddRange(Little(value));
        Assert.Equal(expected, file);
    }

    [Fact]
    public void Sizes_above_127_take_several_bytes()
    {
        using var scope = NewDisposeScope();
        using var layer = nn.Linear(new Parameter(zeros(1, 300)));
        byte[] file = Saved(layer);
        Assert.Equal([1, 6, .. "weight"u8, 6, 2, 1, 0xAC, 0x02], file[..13]);
        Assert.Equal(13 + 1200, file.Length);
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
        Dictionary<string, bool> loaded = [];
        other.load(new MemoryStream(Saved(model)), loadedParameters: loaded);
        Assert.All(loaded, l => Assert.True(l.Value));
        Assert.Equal(model.state_dict().Keys, loaded.Keys);
        foreach (var (key, value) in model.state_dict()) Assert.True(value.eq(other.state_dict()[key]).all().item<bool>(), key);
    }

    [Fact]
    public void What_does_not_fit_is_refused()
    {
        using var scope = NewDisposeScope();
        using var model = nn.Linear(3, 5);
        byte[] file = Saved(model);

        using var wider = nn.Linear(4, 5);
        Assert.Throws<ArgumentException>(() => wider.load(new MemoryStream(file)));
        using var half = nn.Linear(3, 5, dtype: float64);
        Assert.Throws<ArgumentException>(() => half.load(new MemoryStream(file)));
        using var bare = nn.Linear(3, 5, hasBias: false);
        Assert.Throws<ArgumentException>(() => bare.load(new MemoryStream(file)));
        bare.load(new MemoryStream(file), strict: false);
        Assert.True(bare.weight.eq(model.weight).all().item<bool>());
        Assert.Throws<EndOfStreamException>(() => nn.Linear(3, 5).load(new MemoryStream(file[..^3])));
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
        Assert.Throws<InvalidOperationException>(() => target.load_state_dict(values));
        var (missing, unexpected) = target.load_state_dict(values, strict: false);
        Assert.Equal(["bias"], missing);
        Assert.Equal(["extra"], unexpected);
        target.load_state_dict(values, skip: ["bias", "extra"]);
    }

    [Fact]
    public void Saving_and_loading_leave_no_tensors_behind()
    {
        using var model = nn.Linear(3, 5);
        Numbers.AssertLeavesNothing(() =>
        {
            model.load(new MemoryStream(Saved(model)));
            model.load_state_dict(model.state_dict());
        });
    }

    // Saving closes the stream.
    private static byte[] Saved(nn.Module module)
    {
        using var stream = new MemoryStream();
        module.save(stream);
        return stream.ToArray();
    }

    private static byte[] Little(float value)
    {
        byte[] bytes = new byte[4];
        BinaryPrimitives.WriteSingleLittleEndian(bytes, value);
        return bytes;
    }
}
