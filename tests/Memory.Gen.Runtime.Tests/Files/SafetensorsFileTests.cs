using System.Buffers.Binary;
using System.Text;
using Memory.Gen.Runtime.Files;
using Memory.Gen.Runtime.Tests.Harness;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Files;

public sealed class SafetensorsFileTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    [Theory]
    [InlineData(ScalarType.Float64)]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.Float16)]
    [InlineData(ScalarType.BFloat16)]
    [InlineData(ScalarType.Int64)]
    [InlineData(ScalarType.Int32)]
    [InlineData(ScalarType.Int16)]
    [InlineData(ScalarType.Int8)]
    [InlineData(ScalarType.Byte)]
    [InlineData(ScalarType.Bool)]
    public void EveryElementTypeAndShapeSurvives(ScalarType dtype)
    {
        Tensor values = (randn([5, 3, 4], dtype: ScalarType.Float64) * 20).abs().to(dtype);
        var written = new Dictionary<string, Tensor>
        {
            ["plain"] = values,
            ["transposed"] = values.transpose(0, 2),
            ["tail"] = values.narrow(0, 3, 2),
            ["scalar"] = values.select(0, 1).select(0, 1).select(0, 1),
            ["empty"] = values.narrow(1, 0, 0),
        };
        SafetensorsFile.Write(folder.File("a"), written, new Dictionary<string, string> { ["note"] = "ü \"quoted\"" });

        using var file = SafetensorsFile.Open(folder.File("a"));
        Assert.Equal("ü \"quoted\"", file.Metadata["note"]);
        Assert.Equal(written.Keys.Order(), file.Names.Order());
        foreach (var (name, tensor) in written)
        {
            Tensor read = file.Read(name);
            Assert.Equal(dtype, read.dtype);
            Assert.Equal(tensor.shape, read.shape);
            Assert.Equal(Doubles(tensor), Doubles(read));
        }
        file.Verify();
    }

    [Fact]
    public void TheBytesAreThoseOfTheFormat()
    {
        WriteRaw("a", """{"h":{"dtype":"F16","shape":[2],"data_offsets":[0,4]},"b":{"dtype":"BF16","shape":[2],"data_offsets":[4,8]}}""",
            [0x00, 0x3C, 0x00, 0xC0, 0x80, 0x3F, 0x00, 0xC0]);

        using var file = SafetensorsFile.Open(folder.File("a"));

        Assert.Empty(file.Metadata);
        Assert.Equal([1.0, -2.0], Doubles(file.Read("h")));
        Assert.Equal([1.0, -2.0], Doubles(file.Read("b", ScalarType.Float32)));
    }

    [Fact]
    public void EveryTensorLiesAtAMultipleOfItsElementSize()
    {
        var tensors = new Dictionary<string, Tensor> { ["a"] = ones([3], dtype: ScalarType.Byte), ["b"] = ones([3], dtype: ScalarType.Float64), ["c"] = ones([5], dtype: ScalarType.BFloat16) };
        SafetensorsFile.Write(folder.File("a"), tensors);

        byte[] bytes = File.ReadAllBytes(folder.File("a"));
        long header = BinaryPrimitives.ReadInt64LittleEndian(bytes);
        using var file = SafetensorsFile.Open(folder.File("a"));

        Assert.Equal(0, header % 8);
        Assert.All(tensors, t => Assert.Equal(0, file.Entries[t.Key].Offset % t.Value.ElementSize));
    }

    [Fact]
    public void AByteThatIsNoBoolIsReadAsTrue()
    {
        WriteRaw("a", """{"x":{"dtype":"BOOL","shape":[3],"data_offsets":[0,3]}}""", [0, 1, 7]);
        using var file = SafetensorsFile.Open(folder.File("a"));
        Assert.Equal([0.0, 1.0, 1.0], Doubles(file.Read("x")));
    }

    [Theory]
    [InlineData("""{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,4]}}""", "needs 8 bytes")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", "begins at byte 4")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", "follow the header")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"y":{"dtype":"F32","shape":[1],"data_offsets":[0,4]}}""", "begins at byte 0")]
    [InlineData("""{"x":{"dtype":"F32","shape":[1],"data_offsets":[0,4]},"x":{"dtype":"F32","shape":[1],"data_offsets":[4,8]}}""", "twice")]
    [InlineData("""{"x":{"dtype":"F32","dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", "twice")]
    [InlineData("""{"__metadata__":{"a":"1","a":"2"},"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", "twice")]
    [InlineData("""{"__metadata__":{"a":1},"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8]}}""", "where String belongs")]
    [InlineData("""{"x":{"dtype":"F32","shape":[4611686018427387904,4],"data_offsets":[0,8]}}""", "more bytes than can be counted")]
    [InlineData("""{"x":{"dtype":"F32","shape":[-2],"data_offsets":[0,8]}}""", "whole numbers")]
    [InlineData("""{"x":{"dtype":"F32","shape":[2.5],"data_offsets":[0,8]}}""", "whole numbers")]
    [InlineData("""{"x":{"dtype":"F32","shape":[2],"data_offsets":[8,0]}}""", "offsets are 8 to 0")]
    [InlineData("""{"x":{"dtype":"F32","shape":[2],"data_offsets":[0,8,8]}}""", "more than 2")]
    [InlineData("""{"x":{"dtype":"F8_E4M3","shape":[8],"data_offsets":[0,8]}}""", "F8_E4M3")]
    [InlineData("""{"x":{"dtype":"F32","shape":[2]}}""", "lacks")]
    [InlineData("""{"x":{"dtype":"F32","shape":[[2]],"data_offsets":[0,8]}}""", "whole numbers")]
    [InlineData("""{"x":[1]}""", "where StartObject belongs")]
    [InlineData("""[1]""", "where StartObject belongs")]
    [InlineData("""{"x":""", "not valid JSON")]
    [InlineData("""{} {}""", "not valid JSON")]
    [InlineData("""{"a":{"b":{"c":{"d":{"e":{"f":{"g":{"h":{"i":{}}}}}}}}}}""", "not valid JSON")]
    public void AHeaderThatBreaksTheFormatIsRefusedByName(string header, string reason)
    {
        WriteRaw("a", header, new byte[8]);
        var error = Assert.Throws<MemoryFileException>(() => SafetensorsFile.Open(folder.File("a")));
        Assert.Contains(folder.File("a"), error.Message);
        Assert.Contains(reason, error.Message);
    }

    [Theory]
    [InlineData(0UL)]
    [InlineData(1UL << 62)]
    [InlineData(ulong.MaxValue)]
    [InlineData(200_000_000UL)]
    public void AHeaderLengthThatCannotBeIsRefusedBeforeAnythingIsAllocated(ulong length)
    {
        var bytes = new byte[64];
        BinaryPrimitives.WriteUInt64LittleEndian(bytes, length);
        File.WriteAllBytes(folder.File("a"), bytes);
        long before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Throws<MemoryFileException>(() => SafetensorsFile.Open(folder.File("a")));
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
    }

    [Fact]
    public void EveryTruncationAndEveryFlippedByteIsNoticed()
    {
        SafetensorsFile.Write(folder.File("a"), new Dictionary<string, Tensor> { ["x"] = arange(6, dtype: ScalarType.Float32) });
        byte[] whole = File.ReadAllBytes(folder.File("a"));

        for (int length = 0; length < whole.Length; length++)
        {
            File.WriteAllBytes(folder.File("b"), whole[..length]);
            Assert.Throws<MemoryFileException>(() => SafetensorsFile.Open(folder.File("b")).Dispose());
        }
        for (int at = 0; at < whole.Length; at++)
        {
            byte[] altered = [.. whole];
            altered[at] ^= 0x21;
            File.WriteAllBytes(folder.File("b"), altered);
            Assert.Throws<MemoryFileException>(() =>
            {
                using var file = SafetensorsFile.Open(folder.File("b"));
                file.Verify();
            });
        }
    }

    [Fact]
    public void RandomDamageNeverBringsAnythingButOurOwnError()
    {
        SafetensorsFile.Write(folder.File("a"), new Dictionary<string, Tensor> { ["x"] = ones([2, 3]), ["y"] = ones([4], dtype: ScalarType.Int64) });
        byte[] whole = File.ReadAllBytes(folder.File("a"));
        var random = new Random(7);
        const string symbols = "{}[]\",:0123456789-eE\\u\0\x7f";
        for (int round = 0; round < 500; round++)
        {
            byte[] altered = [.. whole];
            for (int i = random.Next(1, 6); i > 0; i--)
                altered[random.Next(8, altered.Length)] = random.Next(2) == 0 ? (byte)random.Next(256) : (byte)symbols[random.Next(symbols.Length)];
            if (altered.AsSpan().SequenceEqual(whole))
                continue;
            File.WriteAllBytes(folder.File("b"), altered);
            var error = Record.Exception(() =>
            {
                using var file = SafetensorsFile.Open(folder.File("b"));
                foreach (string name in file.Names)
                    file.Read(name).Dispose();
                file.Verify();
            });
            Assert.IsType<MemoryFileException>(error);
        }
    }

    [Fact]
    public void ATensorBeyondFourGigabytesIsFound()
    {
        const long far = 5L << 30;
        string header = $$$"""{"big":{"dtype":"U8","shape":[{{{far}}}],"data_offsets":[0,{{{far}}}]},"x":{"dtype":"F32","shape":[1],"data_offsets":[{{{far}}},{{{far + 4}}}]}}""";
        using (var stream = File.Create(folder.File("a")))
        {
            stream.Write(BitConverter.GetBytes((long)header.Length));
            stream.Write(Encoding.ASCII.GetBytes(header));
            stream.Position += far;
            stream.Write(BitConverter.GetBytes(1.5f));
        }
        using var file = SafetensorsFile.Open(folder.File("a"));
        Assert.Equal([1.5], Doubles(file.Read("x")));
    }

    [Fact]
    public void AFailedWriteLeavesTheOldFileAndNothingElse()
    {
        SafetensorsFile.Write(folder.File("a"), new Dictionary<string, Tensor> { ["x"] = ones([3]) });
        byte[] before = File.ReadAllBytes(folder.File("a"));

        var error = Assert.Throws<MemoryFileException>(() => AtomicFile.Write(folder.File("a"), stream =>
        {
            stream.Write(new byte[100]);
            throw new IOException("No space left on device");
        }));

        Assert.Contains("No space left on device", error.Message);
        Assert.Contains("unchanged", error.Message);
        Assert.Equal(before, File.ReadAllBytes(folder.File("a")));
        Assert.Equal(["a"], folder.Names);
    }

    [Fact]
    public void WhatAKilledWriterLeftIsReplaced()
    {
        File.WriteAllBytes(folder.File("a.tmp"), new byte[1000]);
        SafetensorsFile.Write(folder.File("a"), new Dictionary<string, Tensor> { ["x"] = ones([3]) });
        using var file = SafetensorsFile.Open(folder.File("a"));
        file.Verify();
        Assert.Equal(["a"], folder.Names);
    }

    [Theory]
    [InlineData(null)]
    [InlineData("")]
    public void APathThatIsNoneIsNamedBeforeAnythingIsWritten(string? path)
    {
        using var module = nn.Linear(2, 2);
        using var state = new State.SmallState(1);
        foreach (Action save in new Action[]
        {
            () => state.Save(path!), () => module.SaveWeights(path!), () => SafetensorsFile.Write(path!, new Dictionary<string, Tensor>()),
            () => AtomicFile.Write(path!, _ => Assert.Fail("A file was opened.")),
        })
            Assert.Equal("path", Assert.ThrowsAny<ArgumentException>(save).ParamName);
    }

    [Fact]
    public void AFolderThatIsNotThereIsOneClearError()
    {
        string path = folder.File(Path.Combine("missing", "a"));
        Assert.Contains(path, Assert.Throws<MemoryFileException>(() => SafetensorsFile.Write(path, new Dictionary<string, Tensor>())).Message);
        Assert.Contains(path, Assert.Throws<MemoryFileException>(() => SafetensorsFile.Open(path)).Message);
    }

    [Fact]
    public void WhatIsNoFileIsCalledWhatItIs()
    {
        Assert.Equal($"{folder.Path}: cannot be read: it is a folder. Give the name of a file.", Refusal(folder.Path));
        Assert.Equal($"{folder.File("none")}: cannot be read: there is no such file. Give the name of one that was saved.", Refusal(folder.File("none")));
        Assert.Equal($"no/such: cannot be read: there is no such file in {Directory.GetCurrentDirectory()}. Give the name of one that was saved.", Refusal("no/such"));

        static string Refusal(string path) => Assert.Throws<MemoryFileException>(() => SafetensorsFile.Open(path)).Message;
    }

    private void WriteRaw(string name, string header, byte[] data) =>
        File.WriteAllBytes(folder.File(name), [.. BitConverter.GetBytes((long)Encoding.UTF8.GetByteCount(header)), .. Encoding.UTF8.GetBytes(header), .. data]);

    private static double[] Doubles(Tensor tensor) => tensor.to(ScalarType.Float64).contiguous().view(-1).data<double>().ToArray();
}
