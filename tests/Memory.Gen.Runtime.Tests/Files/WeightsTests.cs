using Memory.Gen.Runtime.Files;
using Memory.Gen.Runtime.Modules;
using Memory.Gen.Runtime.Tests.Harness;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Files;

public sealed class WeightsTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly string path;

    public WeightsTests() => path = folder.File("weights.safetensors");

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    [Fact]
    public void WeightsComeBackExactlyAndInTheModulesElementType()
    {
        using var written = new ShortConvolution(3, 4);
        using var same = new ShortConvolution(3, 4);
        using var wide = new ShortConvolution(3, 4, dtype: ScalarType.Float64);
        written.SaveWeights(path, new Dictionary<string, string> { ["steps"] = "7" });

        same.LoadWeights(path);
        wide.LoadWeights(path);

        Assert.Equal(Values(written), Values(same));
        Assert.Equal(Values(written), Values(wide));
        Assert.Equal(ScalarType.Float64, wide.get_parameter("weight")!.dtype);
        Assert.True(same.get_parameter("weight")!.requires_grad);
        using var file = SafetensorsFile.Open(path);
        Assert.Equal("7", file.Metadata["steps"]);
        Assert.Equal("ShortConvolution", file.Metadata["model"]);
    }

    [Fact]
    public void NamesMustBeTheSameUnlessAskedOtherwise()
    {
        SafetensorsFile.Write(path, new Dictionary<string, Tensor> { ["weights"] = ones(4), ["bias"] = ones(4) });
        using var norm = new RmsNorm(4);

        var error = Assert.Throws<MemoryFileException>(() => norm.LoadWeights(path));
        Assert.Contains("does not fit RmsNorm", error.Message);
        Assert.Contains("Missing: weight.", error.Message);
        Assert.Contains("Unexpected: bias; weights.", error.Message);

        var (missing, unexpected) = norm.LoadWeights(path, strict: false);
        Assert.Equal(["weight"], missing);
        Assert.Equal(["bias", "weights"], unexpected);
    }

    [Fact]
    public void AnotherShapeIsRefusedAndNothingIsLoaded()
    {
        using var written = new ShortConvolution(3, 2);
        using var module = new ShortConvolution(3, 4);
        var before = Values(module);
        written.SaveWeights(path);
        foreach (bool strict in new[] { true, false })
            Assert.Contains("weight is [3, 2] and should be [3, 4]",
                Assert.Throws<MemoryFileException>(() => module.LoadWeights(path, strict)).Message);
        Assert.Equal(before, Values(module));
    }

    [Fact]
    public void DamageIsNoticedBeforeAnythingIsLoaded()
    {
        using var module = new ShortConvolution(3, 4);
        module.SaveWeights(path);
        byte[] bytes = File.ReadAllBytes(path);
        bytes[^1] ^= 0x40;
        File.WriteAllBytes(path, bytes);
        var before = Values(module);
        Assert.Contains("altered", Assert.Throws<MemoryFileException>(() => module.LoadWeights(path)).Message);
        Assert.Equal(before, Values(module));
    }

    [Fact]
    public void AModuleWithoutWeightsWritesOverNothing()
    {
        var module = new ShortConvolution(3, 4);
        module.SaveWeights(path);
        byte[] good = File.ReadAllBytes(path);
        module.Dispose();
        using var unregistered = new Unregistered();
        foreach (nn.Module empty in new nn.Module[] { module, unregistered })
        {
            string message = $"{empty.GetType().Name} has no weights: it was disposed, or its constructor did not call RegisterComponents.";
            Assert.Equal(message, Assert.Throws<InvalidOperationException>(() => empty.SaveWeights(path)).Message);
            Assert.Equal(message, Assert.Throws<InvalidOperationException>(() => empty.LoadWeights(path, strict: false)).Message);
        }

        Assert.Equal(good, File.ReadAllBytes(path));
    }

    [Fact]
    public void AStringThatIsNullIsNamedBeforeAnythingIsWritten()
    {
        using var module = new ShortConvolution(3, 4);
        var error = Assert.Throws<ArgumentException>(() => module.SaveWeights(path, new Dictionary<string, string> { ["steps"] = "7", ["note"] = null! }));
        Assert.StartsWith("The metadata's 'note' is null; give a string, or leave it out.", error.Message);
        Assert.False(File.Exists(path));
    }

    private sealed class Unregistered() : nn.Module(nameof(Unregistered))
    {
        public Tensor Weight { get; } = ones(3);
    }

    private static double[] Values(nn.Module module) =>
        module.get_parameter("weight")!.detach().to(ScalarType.Float64).data<double>().ToArray();
}
