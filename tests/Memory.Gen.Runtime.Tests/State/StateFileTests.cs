using Memory.Gen.Runtime.Files;
using Memory.Gen.Runtime.Tests.Harness;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.State;

public sealed class StateFileTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly string path;

    public StateFileTests() => path = folder.File("state.safetensors");

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    [Theory]
    [InlineData(ScalarType.Float64)]
    [InlineData(ScalarType.Float32)]
    [InlineData(ScalarType.BFloat16)]
    public void ASavedStateContinuesExactly(ScalarType dtype)
    {
        using var state = new SmallState(3, dtype);
        state.Advance(randn([3, 5], dtype: ScalarType.Float64).to(dtype));
        state.Reset(1);
        state.Save(path);

        using var loaded = SmallState.Load(path);

        Assert.Equal(dtype, loaded.Dtype);
        Assert.Equal(state.Content, loaded.Content);
        Tensor more = randn([3, 2], dtype: ScalarType.Float64).to(dtype);
        state.Advance(more);
        loaded.Advance(more);
        Assert.Equal(state.Content, loaded.Content);
    }

    [Fact]
    public void TheMetadataSaysWhatTheFileIs()
    {
        using var state = new SmallState(2);
        state.Advance(zeros([2, 7], dtype: ScalarType.Float64));
        state.Reset(0);
        state.Save(path);

        using var file = SafetensorsFile.Open(path);

        Assert.Equal("memory-gen-state", file.Metadata["format"]);
        Assert.Equal("1", file.Metadata["version"]);
        Assert.Equal(SmallState.ModelName, file.Metadata["model"]);
        Assert.Equal(SmallState.Hash, file.Metadata["declaration"]);
        Assert.Equal("2", file.Metadata["batch"]);
        Assert.Equal("0,7", file.Metadata["positions"]);
        Assert.Equal(["layers.0.all", "layers.0.last", "layers.0.sum"], file.Names.Order(StringComparer.Ordinal));
    }

    [Fact]
    public void TheMetadataSaysWhatItIsGivenBeside()
    {
        using var state = new SmallState(2);
        state.Save(path, new Dictionary<string, string> { ["weights"] = "of today" });
        using (var file = SafetensorsFile.Open(path)) Assert.Equal("of today", file.Metadata["weights"]);
        using (SmallState.Load(path)) { }

        Assert.Throws<ArgumentException>(() => state.Save(path, new Dictionary<string, string> { ["model"] = "Another" }));
        using (SmallState.Load(path)) { }
    }

    [Fact]
    public void AnotherModelsStateIsRefused()
    {
        using (var other = new SmallState(1, model: "Large"))
            other.Save(path);
        Refused("is a state of Large, not of Small");

        using (var other = new SmallState(1, declaration: "ffff"))
            other.Save(path);
        Refused("as it was declared before (ffff)");
    }

    [Fact]
    public void AFileThatIsNoStateIsRefused()
    {
        Refused("cannot be read");
        File.WriteAllText(path, "just some text, and more of it");
        Refused("not a whole safetensors file");
        SafetensorsFile.Write(path, new Dictionary<string, Tensor> { ["x"] = ones(1) });
        Refused("is no saved state");
    }

    [Theory]
    [InlineData("version", "2", "version 2")]
    [InlineData("batch", "2", "damaged")]
    [InlineData("batch", "-1", "damaged")]
    [InlineData("positions", "3,1", "damaged")]
    [InlineData("positions", "many", "damaged")]
    [InlineData("positions", "9", "for 9 tokens read")]
    [InlineData("dtype", "F7", "damaged")]
    public void MetadataThatDoesNotFitIsRefused(string key, string value, string reason)
    {
        Rewrite(metadata => metadata[key] = value, _ => { });
        Refused(reason);
    }

    [Fact]
    public void WhatIsKeptForTheNextTokenBelongsToOneRow()
    {
        Rewrite(_ => { }, tensors => tensors["next_logits"] = ones([2, 9]));
        Refused("'next_logits' of shape [2, 9] for 1 rows");
    }

    [Theory]
    [InlineData("format")]
    [InlineData("declaration")]
    [InlineData("batch")]
    [InlineData("positions")]
    public void MetadataThatIsMissingIsRefused(string key)
    {
        Rewrite(metadata => metadata.Remove(key), _ => { });
        Refused("is no saved state");
    }

    [Fact]
    public void TensorsThatDoNotFitAreRefused()
    {
        Rewrite(_ => { }, tensors => tensors["layers.0.sum"] = zeros(1, 3));
        Refused("'layers.0.sum' of shape [1, 3]; a state of Small has [1, 2]");
        Rewrite(_ => { }, tensors => tensors.Remove("layers.0.last"));
        Refused("lacks the tensor 'layers.0.last'");
        Rewrite(_ => { }, tensors => tensors["more"] = zeros(1));
        Refused("has 4 tensors");
    }

    [Fact]
    public void ADamagedFileIsRefusedAndAStateInUseStaysAsItWas()
    {
        using (var state = new SmallState(1))
        {
            state.Advance(ones([1, 3], dtype: ScalarType.Float64));
            state.Save(path);
        }
        byte[] whole = File.ReadAllBytes(path);
        File.WriteAllBytes(path, whole[..^3]);
        Refused("cut short");
        whole[^2] ^= 1;
        File.WriteAllBytes(path, whole);
        Refused("was altered or damaged");
    }

    private void Refused(string reason)
    {
        var error = Assert.Throws<MemoryFileException>(() => SmallState.Load(path));
        Assert.Equal(path, error.Path);
        Assert.StartsWith(path, error.Message);
        Assert.Contains(reason, error.Message);
    }

    private void Rewrite(Action<Dictionary<string, string>> metadata, Action<Dictionary<string, Tensor>> tensors)
    {
        using (var state = new SmallState(1))
        {
            state.Advance(ones([1, 3], dtype: ScalarType.Float64));
            state.Save(path);
        }
        Dictionary<string, string> changed;
        Dictionary<string, Tensor> values;
        using (var file = SafetensorsFile.Open(path))
        {
            changed = new(file.Metadata);
            values = file.Names.ToDictionary(n => n, n => file.Read(n));
        }
        metadata(changed);
        tensors(values);
        SafetensorsFile.Write(path, values, changed);
    }
}
