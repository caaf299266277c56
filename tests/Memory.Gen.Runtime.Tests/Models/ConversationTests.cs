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
}
