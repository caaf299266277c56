using Memory.Gen.Runtime.Files;
using Memory.Gen.Runtime.Tests.Harness;
using Xunit;

namespace Memory.Gen.Runtime.Tests.Training;

/// <summary>Lines by turns with the sample: what is remembered is what stands there.</summary>
[Collection("Alone")]
[Trait("Category", "Command")]
public sealed class LanguageModelTalkTests : IDisposable
{
    private readonly TemporaryFolder folder = new();
    private readonly string run;
    private int talks;

    public LanguageModelTalkTests()
    {
        run = folder.File("run");
        File.WriteAllText(folder.File("text.txt"), LanguageModelSample.Words(600));
        LanguageModelSample.Run("train", "--model", "gated-delta", "--steps", "2", "--batch", "2", "--length", "64", "--out", run, "--data", folder.File("text.txt"));
    }

    public void Dispose() => folder.Dispose();

    [Fact]
    public void EachLineGoesOnToItsEnd()
    {
        var (exitCode, output, errors) = LanguageModelSample.RunOn(["Member", "Other"], Wander());
        Assert.Equal((0, ""), (exitCode, errors));
        string[] lines = output.Split('\n');
        Assert.Equal(7, lines.Length);
        Assert.StartsWith("Member", lines[3]);
        Assert.StartsWith("Other", lines[4]);
        Assert.InRange(TokensOf(lines[5]), 4, 100_000);
    }

    [Fact]
    public void AConversationWithoutAnInputEndsAtOnce()
    {
        var (exitCode, output, errors) = LanguageModelSample.RunWithoutInput(Wander());
        Assert.Equal((0, ""), (exitCode, errors));
        Assert.StartsWith("0 tokens read", output.Split('\n')[3]);
    }

    [Fact]
    public void WhatIsRememberedIsWhatStandsThere()
    {
        byte[] both = Remembered(["Member", "Other"]), second = Remembered(["Other"]);
        Assert.NotEqual(both, second);
        Assert.Equal(both, Remembered(["Member"], ["Other"]));
        Assert.Equal(both, Remembered(["Member", "/again", "Other"]));
        Assert.Equal(both, Remembered(["Member", "/forget", "/back", "Other", "/end", "Never"]));
        Assert.Equal(second, Remembered(["Member", "/back", "Other"]));
        Assert.Equal(second, Remembered(["Member", "/forget", "Other"]));
    }

    [Fact]
    public void ALineThatWasCutShortGoesOn() =>
        Assert.Equal(Remembered(20, ["Member"]), Remembered(10, ["Member", ""]));

    [Fact]
    public void CtrlCEndsALineAndNotTheConversation()
    {
        string whole = LanguageModelSample.RunOn(["Member"], Wander()).Output.Split('\n')[3];
        var (exitCode, output, errors) = LanguageModelSample.InterruptBetween("Member\n", "Member", "Other\n", Wander());
        Assert.Equal((0, ""), (exitCode, errors));
        string[] lines = output.Split('\n');
        Assert.StartsWith(lines[3], whole);
        Assert.InRange(lines[3].Length, "Member".Length, whole.Length - 1);
        Assert.StartsWith("Other", lines[4]);
    }

    [Fact]
    public void WhatMakesNoSenseIsNamed()
    {
        var (exitCode, output, errors) = LanguageModelSample.RunOn(["/back", "/nope now"], Talk(5, folder.File("talk.safetensors")));
        Assert.Equal((0, "There is no last line that could be taken back.\nThere is no /nope; there are /again, /back, /forget and /end. A line that begins with / begins with a space, too.\n"), (exitCode, errors));
        Assert.Contains("\n0 tokens read; ", output);
        Assert.Equal("--top-p is 0; it must be above 0 and at most 1; 0.95 is usual.\n", LanguageModelSample.Fail("talk", "--run", run, "--top-p", "0"));
    }

    // Drawn nearly evenly from 2,048 tokens, a line's end comes late, and long before 100,000.
    private string[] Wander() => ["talk", "--run", run, "--temperature", "100", "--top-p", "1", "--tokens", "100000"];

    // The memory that conversations leave, each in a process of its own, of tokens that leave no choice.
    private byte[] Remembered(params string[][] conversations) => Remembered(20, conversations);

    private byte[] Remembered(int tokens, params string[][] conversations)
    {
        string memory = folder.File($"talk-{talks++}.safetensors");
        foreach (string[] lines in conversations)
        {
            var (exitCode, output, errors) = LanguageModelSample.RunOn(lines, Talk(tokens, memory));
            Assert.True((exitCode, errors) == (0, ""), errors + output);
            using var file = SafetensorsFile.Open(memory);
            Assert.Equal(file.Metadata["positions"], $"{TokensOf(output.Split('\n')[^2])}");
        }

        return File.ReadAllBytes(memory);
    }

    private string[] Talk(int tokens, string memory) => ["talk", "--run", run, "--temperature", "0", "--tokens", $"{tokens}", "--memory", memory];

    private static int TokensOf(string closing) => int.Parse(closing.Split(" tokens read; ")[0].Replace(",", ""));
}
