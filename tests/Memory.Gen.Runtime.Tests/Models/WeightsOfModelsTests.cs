using Memory.Gen.Runtime.Files;
using Memory.Gen.Runtime.Tests.Harness;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models;

public sealed class WeightsOfModelsTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly DisposeScope scope = NewDisposeScope();

    public static TheoryData<string> All => Subject.All;

    public void Dispose()
    {
        scope.Dispose();
        folder.Dispose();
    }

    [Theory, MemberData(nameof(All))]
    public void WeightsMakeAnotherObjectTheSameModel(string name)
    {
        using var written = new Subject(name, seed: 1);
        using var other = new Subject(name, seed: 2);
        Tensor input = written.Input(1, 9);
        Tensor expected = written.Forward(input);
        Assert.NotEqual(0, Numbers.Error(other.Forward(input), expected));

        written.Module.SaveWeights(folder.File("weights"));
        other.Module.LoadWeights(folder.File("weights"));

        Numbers.Near(expected, other.Forward(input), 0, "outputs");
    }

    [Fact]
    public void WeightsOfAnotherModelAreRefusedWithTheirNames()
    {
        using var written = new Subject(nameof(WindowModel));
        using var other = new Subject(nameof(HybridModel));
        written.Module.SaveWeights(folder.File("weights"));
        string message = Assert.Throws<MemoryFileException>(() => other.Module.LoadWeights(folder.File("weights"))).Message;
        Assert.Contains("does not fit HybridModel", message);
        Assert.Contains("Missing: layers.0.mixer.decay", message);
    }

    [Fact]
    public void AStateIsToldFromWeights()
    {
        using var subject = new Subject(nameof(WindowModel));
        using (MemoryState state = subject.NewState(1)) state.Save(folder.File("state"));
        foreach (bool strict in new[] { true, false })
            Assert.EndsWith("is what a model remembers of a text and holds no weights. Choose a file that SaveWeights wrote, or read this one with LoadState.", Assert.Throws<MemoryFileException>(() => subject.Module.LoadWeights(folder.File("state"), strict)).Message);
    }
}
