using System.Text.RegularExpressions;
using Memory.Gen.Runtime.Files;
using Memory.Gen.Runtime.Kernels;
using Memory.Gen.Runtime.Tests.Harness;
using Memory.Gen.Tests.Shared;
using Memory.Gen.Training;
using Xunit;

namespace Memory.Gen.Runtime.Tests.Training;

/// <summary>What the sample's commands make of a run's folder.</summary>
[Collection("Alone")]
[Trait("Category", "Command")]
public sealed class LanguageModelRunTests : IDisposable
{
    // Models as they are declared need no compiler, so their commands are the quickest.
    private static readonly string[] Small = ["--batch", "2", "--length", "64"];
    private readonly TemporaryFolder folder = new();
    private readonly string run;

    public LanguageModelRunTests()
    {
        run = folder.File("run");
        File.WriteAllText(folder.File("text.txt"), LanguageModelSample.Words(600));
    }

    public void Dispose() => folder.Dispose();

    [Fact]
    public void ASecondRunMovesAllOfTheFirstTogetherAndSaysSo()
    {
        Train("gated-delta", 3);
        string[] first = Directory.GetFiles(run, "*", SearchOption.AllDirectories);
        LanguageModelSample.Run(["train", "--resume", "--steps", "4", "--out", run, .. Data]);

        string output = Train("sliding", 2), earlier = Path.Combine(run, "earlier-1");

        Assert.Contains($"The run that was here is now in {earlier}; use it with --run {earlier}.", output);
        Assert.Equal([4, 3], new Checkpoints(Path.Combine(earlier, "checkpoints")).Paths.Select(path => Checkpoint.Open(path).Snapshot.Step));
        Assert.All(first, path => Assert.True(File.Exists(Path.Combine(earlier, Path.GetRelativePath(run, path))), path));
        Assert.StartsWith("Member 7", LanguageModelSample.Run("generate", "--run", earlier, "--prompt", "Member 7", "--tokens", "3"));
        Assert.Equal(2, new Checkpoints(Path.Combine(run, "checkpoints")).LoadLatest().Snapshot.Step);

        Train("gated-delta", 1);
        Assert.Equal(2, new Checkpoints(Path.Combine(run, "earlier-2", "checkpoints")).LoadLatest().Snapshot.Step);
        Assert.Equal(["checkpoints", "earlier-1", "earlier-2", "loss.svg", "model.json", "result.json"], Directory.GetFileSystemEntries(run).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void WhatCannotBeIsNoticedBeforeAnythingIsWritten()
    {
        Train("gated-delta", 1);
        string occupied = folder.File("text.txt/talk.safetensors");
        Assert.Contains($"--memory names a folder, \"{folder.Path}\"", Generate(folder.Path));
        Assert.Contains("--memory names a folder", Generate(folder.File("missing/")));
        Assert.Contains($"The memory cannot be saved as {occupied} (", Generate(occupied));
        Assert.Contains("The memory cannot be saved as /proc/talk (", Generate("/proc/talk"));

        string deep = folder.File("one/two/talk.safetensors");
        LanguageModelSample.Run("generate", "--run", run, "--tokens", "1", "--memory", deep);
        Assert.Equal(["talk.safetensors"], Directory.GetFileSystemEntries(folder.File("one/two")).Select(Path.GetFileName));

        string Generate(string memory)
        {
            var (exitCode, output, errors) = LanguageModelSample.RunToEnd("generate", "--run", run, "--prompt", "Member", "--memory", memory);
            Assert.Equal((1, ""), (exitCode, output));
            return errors;
        }
    }

    [Fact]
    public void AValueThatMakesNoSenseIsNamedWithItsOption()
    {
        Train("gated-delta", 1);
        Refused("--tokens", "-5", "must be 0 or more.");
        Refused("--temperature", "-1", "must be 0 or more; 0.8 is usual.");
        Refused("--top-p", "0", "must be above 0 and at most 1; 0.95 is usual.");
        Refused("--top-k", "-1", "must be 0 (all) or more; 40 is usual.");

        void Refused(string option, string value, string rule) =>
            Assert.Equal((1, "", $"{option} is {value}; it {rule}\n"), LanguageModelSample.RunToEnd("generate", "--run", run, "--prompt", "Member", option, value));
    }

    [Fact]
    public void AnEarlierCheckpointIsChosenByItsStep()
    {
        Train("gated-delta", 2);
        string early = Generate(), measured = LanguageModelSample.Run(["evaluate", "--run", run, .. Data]);
        LanguageModelSample.Run(["train", "--resume", "--steps", "30", "--out", run, .. Data]);

        Assert.NotEqual(early, Generate());
        Assert.Equal(early, Generate("--step", "2"));
        Assert.NotEqual(measured, LanguageModelSample.Run(["evaluate", "--run", run, .. Data]));
        Assert.Equal(measured, LanguageModelSample.Run(["evaluate", "--run", run, "--step", "2", .. Data]));
        Assert.Contains("checkpoint-000002, 2 steps in ", LanguageModelSample.Run("info", "--run", run, "--step", "2"));
        foreach (string command in new[] { "generate", "evaluate", "info" })
            Assert.Equal((1, "", $"{Path.Combine(run, "checkpoints")}: holds no checkpoint after 3 steps; there are those after 2, 30. Choose one of these.\n"), LanguageModelSample.RunToEnd(command, "--run", run, "--step", "3"));
        Assert.Equal("--step chooses a checkpoint of a run; name the run with --run.\n", LanguageModelSample.Fail("info", "--step", "2"));

        string Generate(params string[] more) => LanguageModelSample.Run(["generate", "--run", run, "--prompt", "Member", "--tokens", "20", .. more]);
    }

    [Fact]
    public void ARunGoesOnFromAnOlderCheckpointAndWhatCameAfterIsARunOfItsOwn()
    {
        Train("gated-delta", 2);
        Resume("--steps", "30");
        string late = Generate(run), earlier = Path.Combine(run, "earlier-1");
        string[] before = Directory.GetFileSystemEntries(run, "*", SearchOption.AllDirectories);
        Assert.Contains("there are those after 2, 30. Choose one of these.", LanguageModelSample.Fail(["train", "--resume", "--step", "3", "--out", run, .. Data]));
        Assert.StartsWith("--step chooses the checkpoint that --resume goes on from.", LanguageModelSample.Fail(["train", "--step", "2", "--out", run, .. Data]));
        Assert.Equal(before, Directory.GetFileSystemEntries(run, "*", SearchOption.AllDirectories));

        Assert.Contains($"What the run did after step 2 is now in {earlier}; use it with --run {earlier}.\nGoing on after step 2.\n", Resume("--step", "2", "--steps", "3"));
        Assert.Equal(["checkpoint-000003", "checkpoint-000002"], new Checkpoints(Path.Combine(run, "checkpoints")).Paths.Select(Path.GetFileName));
        Assert.Equal(["checkpoints", "loss.svg", "model.json", "result.json"], Directory.GetFileSystemEntries(earlier).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Equal(late, Generate(earlier));
        Assert.NotEqual(late, Generate(run));
        // Nothing came after: nothing moves.
        Assert.DoesNotContain("is now in", Resume("--step", "3", "--steps", "4"));
        Assert.False(Directory.Exists(Path.Combine(run, "earlier-2")));

        string Resume(params string[] more) => LanguageModelSample.Run(["train", "--resume", "--out", run, .. Data, .. more]);
        string Generate(string run) => LanguageModelSample.Run("generate", "--run", run, "--prompt", "Member", "--tokens", "20");
    }

    [Fact]
    public void ARunThatIsDoneSaysSoAndKeepsItsEnd()
    {
        Train("gated-delta", 2);
        string[] resume = ["train", "--resume", "--out", run, .. Data];
        string description = Path.Combine(run, "checkpoints", "checkpoint-000002", "checkpoint.json"), saved = File.ReadAllText(description);
        Assert.Equal("--steps is 1, and the run has 2 behind it. Give more, or go on from an older checkpoint with --step.\n", LanguageModelSample.Fail([.. resume, "--steps", "1"]));
        Assert.Equal(saved, File.ReadAllText(description));

        string output = LanguageModelSample.Run(resume);
        Assert.Contains("The run is done, after 2 steps in 0:0", output);
        Assert.Contains("To train on, give more --steps or --minutes than that.\n", output);
        Assert.DoesNotContain("Going on", output);
    }

    [Fact]
    public void AClosedTerminalLosesNothing()
    {
        Assert.Equal(0, LanguageModelSample.HangUp("Training", ["train", "--model", "gated-delta", "--steps", "1000000", "--out", run, .. Data, .. Small]).ExitCode);
        Assert.NotEmpty(new Checkpoints(Path.Combine(run, "checkpoints")).Paths);
        string memory = folder.File("talk.safetensors");
        Assert.Equal(0, LanguageModelSample.HangUp("Member", "generate", "--run", run, "--prompt", "Member", "--tokens", "1000000", "--memory", memory).ExitCode);
        Assert.True(File.Exists(memory));
    }

    [Fact]
    public void ATextThatCannotBeWrittenIsAnErrorAndRemembered()
    {
        Train("gated-delta", 1);
        string memory = folder.File("talk.safetensors");
        var (exitCode, _, errors) = LanguageModelSample.RunInto("/dev/full", "generate", "--run", run, "--prompt", "Member", "--tokens", "5", "--memory", memory);
        Assert.Equal(1, exitCode);
        Assert.StartsWith("No space left on device", errors);
        LanguageModelSample.Run("generate", "--run", run, "--tokens", "5", "--memory", memory);
    }

    [Fact]
    public void ATextThatNobodyReadsAnyMoreEndsAndIsRemembered()
    {
        const int Tokens = 10_000;
        Train("gated-delta", 1);
        string memory = folder.File("talk.safetensors");
        Assert.Equal((0, "Member", ""), LanguageModelSample.RunWhileRead(6, "generate", "--run", run, "--prompt", "Member", "--tokens", $"{Tokens}", "--memory", memory));
        using (var file = SafetensorsFile.Open(memory)) Assert.InRange(long.Parse(file.Metadata["positions"]), 1, Tokens);
        LanguageModelSample.Run("generate", "--run", run, "--tokens", "5", "--memory", memory);
    }

    [Fact]
    public void WhatIsOddIsNotSaidInTheMiddleOfAText()
    {
        Train("gated-delta", 1);
        LanguageModelSample.Run(["train", "--resume", "--steps", "2", "--out", run, .. Data]);
        string damaged = Path.Combine(run, "checkpoints", "checkpoint-000002", "merges.txt");
        File.AppendAllText(damaged, "\n");
        var (exitCode, output, errors) = LanguageModelSample.RunToEnd("generate", "--run", run, "--prompt", "Member", "--tokens", "0");
        Assert.Equal((0, "Member\n", $"Left aside: {damaged}: was altered or damaged after the checkpoint was written. Use another checkpoint.\n"), (exitCode, output, errors));
    }

    [Fact]
    public void WhatOneCommandWritesToIsItsOwnUntilItEnds()
    {
        Train("gated-delta", 1);
        string memory = folder.File("talk.safetensors");
        foreach (string again in new[] { "--seed=2", "--resume" })
        {
            var (exitCode, _, errors) = LanguageModelSample.Interrupt(
                "Training", () => Assert.Equal($"Another command writes to the folder \"{run}\". Wait until it ends, or name another folder with --out.\n", LanguageModelSample.Fail(["train", again, "--steps", "1", "--out", run, .. Data])),
                ["train", "--resume", "--steps", "1000000", "--out", run, .. Data]);
            Assert.Equal((0, ""), (exitCode, errors));
        }

        string[] talk = ["generate", "--run", run, "--prompt", "Member", "--memory", memory];
        LanguageModelSample.Interrupt(
            "Member", () => Assert.StartsWith($"Another command goes on with the memory {memory}.", LanguageModelSample.Fail(talk)), [.. talk, "--tokens", "1000000"]);
        LanguageModelSample.Run(talk);
        Assert.Equal(["run", "talk.safetensors", "text.txt"], Directory.GetFileSystemEntries(folder.Path).Select(Path.GetFileName).Order(StringComparer.Ordinal));
    }

    [Fact]
    public void WhatIsPrintedToGoOnCanBeCopied()
    {
        string odd = folder.File("my run's"), text = folder.File("my text.txt");
        File.Move(folder.File("text.txt"), text);
        var (_, output, _) = LanguageModelSample.Interrupt(
            "Training", null, ["train", "--model", "gated-delta", "--steps", "1000000", "--threads", "1", "--out", odd, "--data", text, .. Small]);
        Assert.EndsWith($"Go on with: {LanguageModelSample.Copied("build.sh")} train --resume --out '{folder.Path}/my run'\\''s' --data '{text}' --threads 1\n", output);
    }

    [Fact]
    public void WhatIsPrintedToBeCopiedWorksWhereItIsTyped()
    {
        string root = SourceTree.Root, script = LanguageModelSample.Copied("build.sh"), project = LanguageModelSample.Copied("samples/LanguageModel"), none = folder.File("none");
        Assert.True(File.Exists(SourceTree.Path("build.sh")) && Directory.Exists(SourceTree.Path("samples/LanguageModel")));
        // build.sh runs the program in the root, wherever it was called.
        foreach (var (here, caller, expected) in new[] { (root, "", "./build.sh"), (root, root, "./build.sh"), (root, folder.Path, script), (folder.Path, "", script) })
        {
            var (_, _, errors) = LanguageModelSample.RunIn(here, caller, "generate", "--run", none);
            Assert.StartsWith($"{none} holds no trained model. Train one first ({expected} train),", errors);
        }

        var (exitCode, output, _) = LanguageModelSample.RunIn(folder.Path, "", ["train", "--model", "gated-delta", "--steps", "1", "--out", "run", "--data", "text.txt", .. Small]);
        Assert.Equal(0, exitCode);
        Assert.EndsWith($"Talk to it: dotnet run -c Release --project {project} -- talk --run {run} --memory talk.safetensors\n", output);
    }

    [Fact]
    public void AMemoryThatCannotBeSavedAfterAllIsSavedBesideTheRun()
    {
        Train("gated-delta", 1);
        string place = folder.File("place"), memory = Path.Combine(place, "talk.safetensors"), instead = Path.Combine(run, "talk-1.safetensors");
        var (exitCode, _, errors) = LanguageModelSample.Interrupt(
            "Member 7", () => Directory.Delete(place, recursive: true), "generate", "--run", run, "--prompt", "Member 7", "--tokens", "1000000", "--memory", memory);

        Assert.Equal(1, exitCode);
        Assert.StartsWith($"{memory}: could not be written (", errors);
        Assert.Contains($"The memory is saved as {instead} instead; go on with --memory {instead}.", errors);
        LanguageModelSample.Run("generate", "--run", run, "--prompt", "Member 7", "--tokens", "1", "--memory", instead);
    }

    [Fact]
    public void AMemoryIsReadByTheWeightsThatMadeItAlone()
    {
        Train("gated-delta", 2);
        string memory = folder.File("talk.safetensors"), earlier = Path.Combine(run, "earlier-1");
        string[] talk = ["generate", "--prompt", "Member", "--tokens", "2", "--memory", memory, "--run"];
        LanguageModelSample.Run([.. talk, run]);
        byte[] saved = File.ReadAllBytes(memory);

        Train("gated-delta", 3, "--seed", "2");
        Assert.StartsWith($"{memory} is the memory of other weights, after 2 steps, than those in {run}, after 3", LanguageModelSample.Fail([.. talk, run]));
        Assert.Equal(saved, File.ReadAllBytes(memory));

        // The run that it is of has moved, and its memory is still its own.
        LanguageModelSample.Run([.. talk, earlier]);
        Assert.NotEqual(saved, saved = File.ReadAllBytes(memory));

        LanguageModelSample.Run(["train", "--resume", "--steps", "4", "--out", earlier, .. Data]);
        Assert.Contains("it is of another run, or this one was trained on since", LanguageModelSample.Fail([.. talk, earlier]));
        Assert.Equal(saved, File.ReadAllBytes(memory));
    }

    [Fact]
    public void ATextGoesOnWithoutAPromptAsIfItHadNotStopped()
    {
        Train("gated-delta", 30);
        string memory = folder.File("talk.safetensors");
        string whole = Generate("--prompt", "abc", "--tokens", "12");
        Assert.Equal(whole, Generate("--prompt", "abc", "--tokens", "5", "--memory", memory) + Generate("--tokens", "7", "--memory", memory));

        string Generate(params string[] more) => LanguageModelSample.Run(["generate", "--run", run, "--temperature", "0", .. more])[..^1];
    }

    [Fact]
    public void AModelOfATextWithFewTokensMakesNoOthers()
    {
        File.WriteAllText(folder.File("text.txt"), LanguageModelSample.Text(100));
        Assert.Matches("There are [0-9]{3} tokens; the model is made with as many instead of 2,048\\.", Train("gated-delta", 1));
        LanguageModelSample.Run("generate", "--run", run, "--tokens", "100", "--temperature", "2", "--top-p", "1");
    }

    [Fact]
    public void ATrainingWithoutKernelsSaysWhyItIsSlow()
    {
        string missing = folder.File("libMemoryGenKernels.so");
        var (exitCode, _, errors) = LanguageModelSample.RunWith(
            $"MEMORY_GEN_NATIVE={folder.Path}", ["train", "--model", "gated-delta", "--steps", "1", "--out", run, .. Data, .. Small]);
        Assert.Equal(0, exitCode);
        Assert.StartsWith($"Operators run as tensor operations, which takes several times as long: the kernel library is missing ({missing} is not there).", errors);
    }

    [Fact]
    public void WhatIsMultipliedInLowerPrecisionIsSaidAndKept()
    {
        string said = KernelLibrary.MultipliesBFloat16 ? "Linear maps round what they multiply to bfloat16." : "This CPU does not multiply bfloat16 numbers: linear maps multiply in float32.";
        Assert.Contains(said, Train("gated-delta", 1, "--matmul-precision", "bfloat16"));
        Assert.Contains(said, LanguageModelSample.Run(["train", "--resume", "--steps", "2", "--out", run, .. Data]));
        Assert.DoesNotContain(said, LanguageModelSample.Run(["train", "--resume", "--steps", "3", "--matmul-precision", "float32", "--out", run, .. Data]));
    }

    [Fact]
    public void ARunOfAnEarlierVersionIsRead()
    {
        Train("sliding", 1, LanguageModelSample.Small);
        string path = Path.Combine(run, "model.json"), written = File.ReadAllText(path);
        Assert.Contains("\"sizes\": {\n    \"vocabulary\": 300,\n    \"dim\": 32,", written);
        // Its names began with capital letters.
        File.WriteAllText(path, Regex.Replace(written, "\"([a-z])([a-z]*)\":", name => $"\"{char.ToUpperInvariant(name.Groups[1].Value[0])}{name.Groups[2].Value}\":"));
        Assert.Contains("\"Sizes\": {", File.ReadAllText(path));
        Assert.Contains("Dim = 32", LanguageModelSample.Run("info", "--run", run));
    }

    [Fact]
    public void InfoDescribesARun()
    {
        Train("sliding", 3, LanguageModelSample.Small);
        string output = LanguageModelSample.Run("info", "--run", run);
        Assert.Contains("Dim = 32", output);
        Assert.Contains($"Run: {Path.Combine(run, "checkpoints", "checkpoint-000003")}, 3 steps in ", output);
        Assert.Contains("2 texts of 64 tokens a step, learning rate up to 0.004, seed 1; a vocabulary of 300 tokens.", output);
        Assert.Matches("Bits a byte: [0-9.]+ in training after step 3, [0-9.]+ on an excerpt of the held-out text after step 3\\.", output);
        Assert.Contains("--run has its own model and sizes", LanguageModelSample.Fail("info", "--run", run, "--model", "hybrid"));
    }

    [Fact]
    public void CtrlCBeforeTheFirstStepEndsWellAndChangesNothing()
    {
        File.WriteAllText(folder.File("text.txt"), LanguageModelSample.Words(40_000));
        var (exitCode, output, errors) = LanguageModelSample.Interrupt("Learning 2,048 tokens.", null, ["train", "--steps", "1000000", "--out", run, .. Data, .. Small]);
        Assert.Equal((0, ""), (exitCode, errors));
        Assert.EndsWith($"Stopped before the first step; nothing has changed in {run}.\n", output);
        Assert.False(Directory.Exists(run));
    }

    [Fact]
    public void CtrlCInTheReportEndsWellAndResumingWritesIt()
    {
        File.WriteAllText(folder.File("text.txt"), LanguageModelSample.Words(10_000));
        var (exitCode, output, errors) = LanguageModelSample.Interrupt("Training 100", null, ["train", "--model", "gated-delta", "--steps", "2", "--out", run, .. Data, .. Small]);
        string goOn = $"train --resume --out {run} --data {folder.File("text.txt")}", checkpoint = Path.Combine(run, "checkpoints", "checkpoint-000002");
        Assert.Equal((0, ""), (exitCode, errors));
        Assert.EndsWith($"Stopped before the report was written. All 2 steps are done and saved in {checkpoint}. The report is written by: {LanguageModelSample.Copied("build.sh")} {goOn}\n", output);
        Assert.Equal(["checkpoints", "model.json"], Directory.GetFileSystemEntries(run).Select(Path.GetFileName).Order(StringComparer.Ordinal));

        LanguageModelSample.Run(goOn.Split(' '));
        Assert.Equal(["checkpoints", "loss.svg", "model.json", "result.json"], Directory.GetFileSystemEntries(run).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Equal([checkpoint], new Checkpoints(Path.Combine(run, "checkpoints")).Paths);
    }

    private string[] Data => ["--data", folder.File("text.txt")];

    private string Train(string model, int steps, params string[] more) =>
        LanguageModelSample.Run(["train", "--model", model, "--steps", $"{steps}", "--out", run, .. Data, .. Small, .. more]);
}
