using Memory.Gen.Runtime.Tests.Harness;
using Xunit;

namespace Memory.Gen.Runtime.Tests.Training;

/// <summary>The sentences that the sample's commands say when something is not as it should be: what was found, and what to do.</summary>
[Collection("Alone")]
public sealed class LanguageModelMessageTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void AMissingRunIsNamedWithTheOptionThatTheCommandHas()
    {
        string none = folder.File("none");
        Assert.Equal($"{none} holds no trained model. Train one first (./build.sh train), or name the folder of a run with --out.\n", LanguageModelSample.Fail("train", "--resume", "--out", none));
        Assert.EndsWith("name the folder of a run with --run.\n", LanguageModelSample.Fail("generate", "--run", none));
    }
}
