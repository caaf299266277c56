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

    [Theory, InlineData("train"), InlineData("context"), InlineData("interleave")]
    public void AFolderThatCannotBeIsNamedWithItsOptionBeforeTheTextIsRead(string command)
    {
        File.WriteAllText(folder.File("occupied"), "");
        foreach (string impossible in new[] { "/proc/x", folder.File("occupied"), "" })
            Assert.StartsWith($"--out names the folder \"{impossible}\", in which nothing can be written (", LanguageModelSample.Fail(command, "--data", folder.File("none"), "--out", impossible));
    }

    [Theory, InlineData("train"), InlineData("interleave")]
    public void AVocabularyThatIsTooSmallIsNamedWithItsOptionBeforeTheTextIsRead(string command) => Assert.Equal(
        "--vocab is 10; each of the 256 bytes is a token, so give at least that.\n",
        LanguageModelSample.Fail(command, "--vocab", "10", "--data", folder.File("none"), "--out", folder.File("run")));
}
