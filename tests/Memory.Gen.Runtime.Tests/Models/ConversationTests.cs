using Memory.Gen.Runtime.Tests.Harness;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models;

public sealed class ConversationTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public static TheoryData<string> Models => Subject.Models;

    public void Dispose() => scope.Dispose();

    [Theory, MemberData(nameof(Models))]
    public void ASavedConversationGoesOnAsIfItHadNotStopped(string name)
    {
        using var folder = new TemporaryFolder();
        using var subject = new Subject(name);
        var options = new GenerationOptions { MaxTokens = 12, Seed = 5 };

        using var state = subject.Model.NewState(1);
        long[] first = [.. subject.Model.Generate([1, 2, 3], options, state)];
        state.Save(folder.File("memory"));
        long[] going = [.. subject.Model.Generate([4], options, state)];

        using var twin = new Subject(name);
        using var loaded = twin.Model.LoadState(folder.File("memory"));
        Assert.Equal(going, twin.Model.Generate([4], options, loaded));
        Assert.Equal(going, twin.Model.Generate([1, 2, 3, .. first, 4], options));
        Assert.Equal(first, twin.Model.Generate([1, 2, 3], options));
        Assert.NotEqual(first, twin.Model.Generate([1, 2, 3], options with { Seed = 6 }));
    }

    [Theory]
    [InlineData(nameof(HybridModel))]
    [InlineData(nameof(TitansGateModel))]
    [InlineData(nameof(BMojoModel))]
    [InlineData(nameof(HierarchicalModel))]
    [InlineData(nameof(GatedDeltaLayer))]
    public void ASavedConversationGoesOnInAnotherElementType(string name)
    {
        using var folder = new TemporaryFolder();
        using var subject = new Subject(name);
        using var quiet = no_grad();
        Tensor before = subject.Input(2, 9), next = subject.Input(2, 4);
        using MemoryState state = subject.NewState(2);
        subject.Prefill(before, state);
        state.Save(folder.File("memory"));
        Tensor expected = subject.Prefill(next, state);

        subject.Module.to(ScalarType.Float32);
        using MemoryState loaded = subject.LoadState(folder.File("memory"));
        Assert.Equal(ScalarType.Float32, loaded.Dtype);
        Assert.All(loaded.Tensors, tensor => Assert.Equal(tensor.Dtype, tensor.Value.dtype));
        Assert.Equal([9L, 9], loaded.Positions.data<long>().ToArray());
        Numbers.Near(expected, subject.Prefill(subject.IsModel ? next : next.to(ScalarType.Float32), loaded), 1e-4, "what is read on");
    }

    [Fact]
    public void AStateAloneIsLoadedInTheElementTypeItWasSavedInOrInAnother()
    {
        using var folder = new TemporaryFolder();
        using var model = new GatedDeltaModel();
        model.NewState(1).Save(folder.File("memory"));
        using GatedDeltaModel.State same = GatedDeltaModel.State.Load(folder.File("memory")), wide = GatedDeltaModel.State.Load(folder.File("memory"), dtype: ScalarType.Float64);
        Assert.Equal((ScalarType.Float32, ScalarType.Float64), (same.Dtype, wide.Dtype));
        Assert.Throws<ArgumentException>(() => GatedDeltaModel.State.Load(folder.File("memory"), dtype: ScalarType.Int32));
    }
}
