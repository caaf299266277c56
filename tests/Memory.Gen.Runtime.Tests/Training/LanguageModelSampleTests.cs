using System.Text.Json;
using System.Xml.Linq;
using Memory.Gen.Runtime.Tests.Harness;
using Xunit;

namespace Memory.Gen.Runtime.Tests.Training;

/// <summary>The sample's commands as somebody types them, in processes of their own, with models that keep something of their text.</summary>
[Collection("Alone")]
[Trait("Category", "Command")]
public sealed class LanguageModelSampleTests : IDisposable
{
    private static readonly string[] Small = LanguageModelSample.Small;
    private readonly TemporaryFolder folder = new();

    public LanguageModelSampleTests() => File.WriteAllText(folder.File("text.txt"), LanguageModelSample.Text(900));

    public void Dispose() => folder.Dispose();

    [Theory, InlineData("bmojo"), InlineData("hmt")]
    public void AModelIsTrainedWritesAndIsMeasured(string model)
    {
        string run = folder.File("run"), memory = folder.File("memory.safetensors");
        string trained = Run(["train", "--model", model, "--steps", "3", "--batch", "2", "--length", "128", "--out", run, .. Data, .. Small]);
        Assert.Contains($"Model: {model}, ", trained);

        string[] write = ["generate", "--run", run, "--prompt", "Member 7", "--tokens", "90"];
        Assert.StartsWith("Member 7", Run([.. write, "--memory", memory]));
        long bytes = new FileInfo(memory).Length;
        // A conversation goes on, and its memory grows with neither what is read nor what is written.
        Run([.. write, "--memory", memory]);
        Assert.Equal(bytes, new FileInfo(memory).Length);

        string measured = Run(["evaluate", "--run", run, .. Data]);
        Assert.Contains("0 to 63", measured);
        Assert.Contains("64 to 127", measured);
    }

    [Fact]
    public void ContextsAreComparedOnTheSameTokens()
    {
        string output = folder.File("context");
        Run(["context", "--steps", "2", "--length", "32", "--longest", "128", "--pieces", "3", "--seeds", "2", "--out", output, .. Data, .. Small]);
        using JsonDocument result = JsonDocument.Parse(File.ReadAllText(Path.Combine(output, "result.json")));
        JsonElement[] rows = [.. result.RootElement.EnumerateArray()];
        Assert.Equal([("bmojo", 1), ("sliding-equal", 1), ("bmojo", 2), ("sliding-equal", 2)], rows.Select(row => (row.GetProperty("name").GetString()!, row.GetProperty("seed").GetInt32())));
        Assert.All(rows, row =>
        {
            Assert.Equal(3 * 32, row.GetProperty("asked_tokens").GetInt32());
            Assert.Equal([32, 64, 128], row.GetProperty("by_context").EnumerateArray().Select(cost => cost.GetProperty("context").GetInt32()));
            Assert.All(row.GetProperty("by_context").EnumerateArray(), cost => Assert.InRange(cost.GetProperty("perplexity").GetDouble(), 1, 400));
        });
        Assert.Equal(6, XElement.Load(Path.Combine(output, "context.svg")).Descendants(XName.Get("circle", "http://www.w3.org/2000/svg")).Count());
    }

    // While the second model is trained, and while it is asked: the first has been measured. Further seeds would follow, so that
    // the comparison has not ended by itself before the key is pressed, however busy the machine is.
    [Theory]
    [InlineData("context", "Training sliding-equal, seed 1"), InlineData("context", "Asking sliding-equal")]
    [InlineData("interleave", "Training rmt-one, seed 1")]
    public void CtrlCEndsAComparisonAndKeepsWhatWasMeasured(string command, string when)
    {
        string output = folder.File("compared");
        string[] options = command == "context" ? ["--longest", "256", "--pieces", "40"] : [];
        var (exitCode, said, errors) = LanguageModelSample.Interrupt(when, null, [command, "--steps", "2", "--length", "64", "--seeds", "30", "--out", output, .. options, .. Data, .. Small]);

        string files = command == "context" ? "result.json and context.svg" : "result.json";
        Assert.Equal((130, $"Stopped. What was measured before is in {output}: {files}.\n"), (exitCode, errors));
        Assert.Contains(command == "context" ? "Perplexity of the same" : "Two held-out documents by turns", said);
        using JsonDocument result = JsonDocument.Parse(File.ReadAllText(Path.Combine(output, "result.json")));
        Assert.Equal(command == "context" ? "bmojo" : "hmt", result.RootElement.EnumerateArray().First().GetProperty("name").GetString());
    }

    [Theory, InlineData("context"), InlineData("interleave")]
    public void CtrlCBeforeAnythingIsMeasuredLeavesNothing(string command)
    {
        File.WriteAllText(folder.File("text.txt"), LanguageModelSample.Words(40_000));
        var (exitCode, _, errors) = LanguageModelSample.Interrupt("Text: ", null, [command, "--out", folder.File("compared"), .. Data]);
        Assert.Equal((130, "Stopped before there was a result.\n"), (exitCode, errors));
        Assert.False(Directory.Exists(folder.File("compared")));
    }

    [Fact]
    public void DocumentsByTurnsAreComparedOverSeeds()
    {
        string output = folder.File("interleave");
        Run(["interleave", "--model", "hmt", "segments-82", "--steps", "2", "--length", "128", "--seeds", "2", "--out", output, .. Data, .. Small]);
        using JsonDocument result = JsonDocument.Parse(File.ReadAllText(Path.Combine(output, "result.json")));
        Assert.Equal(["hmt", "segments-82", "hmt", "segments-82"], result.RootElement.EnumerateArray().Select(row => row.GetProperty("name").GetString()));
    }

    [Fact]
    public void AComparisonThatCannotBeSavedIsShownAllTheSame()
    {
        string output = folder.File("interleave"), file = Path.Combine(output, "result.json");
        Directory.CreateDirectory(file);
        var (exitCode, said, errors) = LanguageModelSample.RunToEnd(
            ["interleave", "--model", "hmt", "segments-82", "--steps", "1", "--length", "128", "--out", output, .. Data, .. Small]);
        Assert.Equal(1, exitCode);
        Assert.Equal(3, errors.Split($"{file}: could not be written (").Length - 1);
        Assert.Contains("Two held-out documents by turns", said);
        Assert.Contains("segments-82", said[said.IndexOf("Two held-out", StringComparison.Ordinal)..]);
    }

    private string[] Data => ["--data", folder.File("text.txt")];

    private static string Run(params string[] arguments) => LanguageModelSample.Run(arguments);
}
