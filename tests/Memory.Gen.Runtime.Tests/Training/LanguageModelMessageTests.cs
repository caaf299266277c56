using System.Diagnostics;
using System.Text.RegularExpressions;
using Memory.Gen.Runtime.Tests.Harness;
using Memory.Gen.Tests.Shared;
using Xunit;

namespace Memory.Gen.Runtime.Tests.Training;

/// <summary>The sentences that the sample's commands say when something is not as it should be: what was found, and what to do.</summary>
[Collection("Alone")]
[Trait("Category", "Command")]
public sealed class LanguageModelMessageTests : IDisposable
{
    private readonly TemporaryFolder folder = new();

    public void Dispose() => folder.Dispose();

    [Fact]
    public void AMissingRunIsNamedWithTheOptionThatTheCommandHas()
    {
        string none = folder.File("none");
        Assert.Equal($"{none} holds no trained model. Train one first ({LanguageModelSample.Copied("build.sh")} train), or name the folder of a run with --out.\n", LanguageModelSample.Fail("train", "--resume", "--out", none));
        Assert.EndsWith("name the folder of a run with --run.\n", LanguageModelSample.Fail("generate", "--run", none));
    }

    [Theory, InlineData("train"), InlineData("context"), InlineData("interleave")]
    public void AFolderThatCannotBeIsNamedWithItsOptionBeforeTheTextIsRead(string command)
    {
        File.WriteAllText(folder.File("occupied"), "");
        foreach (string impossible in new[] { "/proc/x", folder.File("occupied") })
            Assert.StartsWith($"--out names the folder \"{impossible}\", in which nothing can be written (", LanguageModelSample.Fail(command, "--data", folder.File("none"), "--out", impossible));
    }

    [Fact]
    public void TheReadmeSaysWhereTheEmittedModelsAre()
    {
        Match said = Regex.Match(File.ReadAllText(SourceTree.Path("README.md")), "`(samples/LanguageModel/obj/emitted)/\\*\\*/([^`]+)`");
        Assert.Single(Directory.GetFiles(SourceTree.Path(said.Groups[1].Value), said.Groups[2].Value, SearchOption.AllDirectories));
    }

    [Theory]
    [InlineData("train", "--data", "", "a text file or a folder of them"), InlineData("train", "--out", "", "a folder"), InlineData("train", "--first-stage", " ", "a folder")]
    [InlineData("generate", "--run", "", "a folder"), InlineData("generate", "--memory", " ", "a file")]
    [InlineData("evaluate", "--run", "", "a folder"), InlineData("evaluate", "--data", "", "a text file or a folder of them"), InlineData("info", "--run", "", "a folder")]
    [InlineData("context", "--data", "", "a text file or a folder of them"), InlineData("context", "--out", "", "a folder")]
    [InlineData("interleave", "--data", "", "a text file or a folder of them"), InlineData("interleave", "--out", "", "a folder")]
    public void ABlankNameIsRefusedWithItsOption(string command, string option, string blank, string what) =>
        Assert.Equal($"{option} is blank. Give it the name of {what}, or leave it out.\n", LanguageModelSample.Fail(command, option, blank));

    [Theory]
    [InlineData("train", "--lr", "0,004", "number, for example 0.5"), InlineData("train", "--minutes", "1,5", "number, for example 0.5")]
    [InlineData("train", "--steps", "1,000", "whole number, for example 20"), InlineData("generate", "--top-p", "half", "number, for example 0.5")]
    public void ANumberIsReadInOneWayOrNotAtAll(string command, string option, string value, string expected)
    {
        // What was read all the same would end here, too, and say something else.
        var (exitCode, output, errors) = LanguageModelSample.RunToEnd(command, option, value, command == "train" ? "--data" : "--run", folder.File("none"));
        Assert.Equal((2, "", $"{option} is \"{value}\"; it must be a {expected}.\nWhat can be said is shown by: {command} --help\n"), (exitCode, output, errors));
    }

    [Fact]
    public void APrecisionIsNamedAsTheHelpNamesIt()
    {
        foreach (string wrong in new[] { "half", "1", "" })
        {
            var (exitCode, output, errors) = LanguageModelSample.RunToEnd("train", "--matmul-precision", wrong, "--data", folder.File("none"));
            Assert.Equal((2, "", $"--matmul-precision is \"{wrong}\"; it must be float32 or bfloat16.\nWhat can be said is shown by: train --help\n"), (exitCode, output, errors));
        }

        Assert.StartsWith(folder.File("none"), LanguageModelSample.Fail("train", "--matmul-precision", "BFloat16", "--data", folder.File("none"), "--out", folder.File("run")));
    }

    [Fact]
    public void ATextMayBeginWithASignThatElsewhereNamesAFileOfOptions()
    {
        File.WriteAllText(folder.File("options"), "--step");
        Assert.StartsWith($"{folder.File("none")} holds no trained model.", LanguageModelSample.Fail("generate", "--prompt", $"@{folder.File("options")}", "--run", folder.File("none")));
    }

    [Theory, InlineData("--help"), InlineData("info"), InlineData("train")]
    public void AClosedOutputIsToldAtOnce(string command)
    {
        var (exitCode, _, errors) = LanguageModelSample.RunWithoutOutput(command, "--out", folder.File("run"));
        Assert.Equal((1, "The output is closed, so there is nowhere to write. Leave out >&-; where nobody is to read it, send it to /dev/null.\n"), (exitCode, errors));
        Assert.Empty(folder.Names);
    }

    [Fact]
    public void AMemoryThatIsAPipeIsRefusedAndNotWaitedFor()
    {
        using (Process made = Process.Start("mkfifo", [folder.File("pipe")])) made.WaitForExit();
        Assert.Equal(
            $"--memory names \"{folder.File("pipe")}\", which is a pipe or a device and can keep nothing. Give the name of a file, for example {folder.File("pipe.safetensors")}.\n",
            LanguageModelSample.Fail("generate", "--memory", folder.File("pipe"), "--run", folder.File("none")));
    }

    [Theory]
    [InlineData("train", "--steps", "0"), InlineData("train", "--batch", "-1"), InlineData("train", "--length", "0"), InlineData("context", "--length", "0")]
    [InlineData("context", "--steps", "0"), InlineData("interleave", "--seeds", "0"), InlineData("interleave", "--length", "0"), InlineData("evaluate", "--tokens", "0")]
    public void ANumberThatMustBePositiveIsNamedWithItsOption(string command, string option, string value) =>
        Assert.Equal($"{option} is {value}; it must be at least 1.\n", LanguageModelSample.Fail(command, option, value, "--data", folder.File("none")));

    [Fact]
    public void WhatCannotBeTrainedIsNoticedBeforeTheTextIsRead()
    {
        Assert.Equal("--model names bmojo more than once. Name each model once; --seeds trains each of them several times.\n", Fail("context", "--model", "bmojo", "hmt", "bmojo"));
        Assert.StartsWith("There is no model 'mamba'. Choose one of:", Fail("context", "--model", "bmojo", "mamba"));
        Assert.Contains("--dim 192 is not divisible by --heads 5; supported: --heads ", Fail("interleave", "--heads", "5"));
        Assert.Equal($"{folder.File("none")} holds no trained model. Train one first ({LanguageModelSample.Copied("build.sh")} train), or name the folder of a run with --first-stage.\n", Fail("train", "--model", "hmt", "--first-stage", folder.File("none")));
        Assert.StartsWith("--lr is -1; it must be above 0", Fail("train", "--lr", "-1"));
        foreach (string minutes in new[] { "0", "1E-09", "2000000", "NaN" })
            Assert.Equal($"--minutes is {minutes}; it must be at least 0.001 and at most 1,000,000.\n", Fail("train", "--minutes", minutes));
        Assert.StartsWith("--stretch is -1; it must be 0", Fail("interleave", "--stretch", "-1"));

        string Fail(params string[] arguments) => LanguageModelSample.Fail([.. arguments, "--data", folder.File("missing"), "--out", folder.File("run")]);
    }

    [Theory, InlineData("hmt", "gated-delta"), InlineData("gated-delta", "hmt-first")]
    public void AFirstStageIsForOneModelAlone(string model, string stage)
    {
        File.WriteAllText(folder.File("model.json"), $$"""{ "name": "{{stage}}", "sizes": {} }""");
        Assert.Equal(
            $"--first-stage is for --model hmt, which begins with a run of hmt-first; {folder.Path} is one of {stage}, and the model is {model}.\n",
            LanguageModelSample.Fail("train", "--model", model, "--first-stage", folder.Path, "--data", folder.File("none"), "--out", folder.File("run")));
    }

    [Theory]
    [InlineData("", "--dim 96", "in the declared sizes")]
    [InlineData("\"dim\": 96, \"heads\": 2", "", "with --dim 96 --heads 2")]
    [InlineData("\"layers\": 2", "--layers 2 --heads 6", "with --layers 2")]
    public void ASecondStageHasTheSizesOfTheFirst(string first, string second, string trained)
    {
        File.WriteAllText(folder.File("model.json"), $$"""{ "name": "hmt-first", "sizes": { {{first}} } }""");
        Assert.Equal(
            $"{folder.Path} was trained {trained}, and the second stage begins with its weights. Give it the same sizes.\n",
            LanguageModelSample.Fail(["train", "--model", "hmt", .. second.Split(' ', StringSplitOptions.RemoveEmptyEntries), "--first-stage", folder.Path, "--data", folder.File("none"), "--out", folder.File("run")]));
    }

    [Fact]
    public void SizesThatAreDeclaredAnywayAreTheSame()
    {
        File.WriteAllText(folder.File("model.json"), """{ "name": "hmt-first", "sizes": { "heads": 3 } }""");
        // What is said next is that there is no checkpoint.
        Assert.Contains("holds no checkpoint", LanguageModelSample.Fail("train", "--model", "hmt", "--dim", "192", "--first-stage", folder.Path, "--data", folder.File("none"), "--out", folder.File("run")));
    }

    [Fact]
    public void AnAttributeWithoutArgumentsIsWrittenAsOne() => Assert.Contains("[SelectiveStateSpace] ", LanguageModelSample.Run("info", "--model", "selective"));

    [Fact]
    public void AContextThatNoTextHasIsNamed()
    {
        File.WriteAllText(folder.File("text.txt"), LanguageModelSample.Text(900));
        foreach (var (length, tokens) in new[] { ("100000", "200,000"), ("1500000000", "3,000,000,000") })
            Assert.Equal(
                $"No held-out document has {tokens} tokens. Choose a smaller --longest, or longer texts with --data.\n",
                LanguageModelSample.Fail(["context", "--length", length, "--longest", length, "--data", folder.File("text.txt"), "--out", folder.File("out"), .. LanguageModelSample.Small]));
    }

    [Theory, InlineData("train"), InlineData("context"), InlineData("interleave")]
    public void ATextThatIsRefusedLeavesNoFolderBehind(string command)
    {
        File.WriteAllText(folder.File("empty.txt"), "");
        Directory.CreateDirectory(folder.File("there"));
        foreach (string output in new[] { "one/two", "there" })
            Assert.Contains("empty.txt is empty;", LanguageModelSample.Fail(command, "--data", folder.File("empty.txt"), "--out", folder.File(output)));
        Assert.Equal(["empty.txt", "there"], Directory.GetFileSystemEntries(folder.Path).Select(Path.GetFileName).Order(StringComparer.Ordinal));
        Assert.Empty(Directory.GetFileSystemEntries(folder.File("there")));
    }

    [Fact]
    public void ARunThatGoesOnRefusesTheOptionsThatItHasAlready()
    {
        Assert.Equal(
            "--resume goes on with the run's own model and options; leave out --batch and --lr and --dim.\n",
            LanguageModelSample.Fail("train", "--resume", "--out", folder.Path, "--lr", "0.1", "--dim", "64", "--batch", "3", "--steps", "3"));
    }

    [Fact]
    public void FilesThatAreLeftOutAreNamedAndASmallTextHasItsSize()
    {
        string text = folder.File("text");
        Directory.CreateDirectory(text);
        File.WriteAllText(Path.Combine(text, "a.txt"), LanguageModelSample.Text(100)[..5000]);
        foreach (int i in Enumerable.Range(0, 5)) File.WriteAllBytes(Path.Combine(text, $"b{i}.txt"), [65, 0xE9, 66]);

        string output = LanguageModelSample.Run(["train", "--model", "gated-delta", "--steps", "1", "--data", text, "--out", folder.File("run"), .. LanguageModelSample.Small]);
        Assert.Matches($"Text: {text}: 4\\.[0-9] kB to train on, [0-9]{{3}} bytes held out\\.\n", output);
        string left = string.Join("; ", Enumerable.Range(0, 3).Select(i => $"b{i}.txt is not UTF-8 text (1 of its 3 bytes cannot be decoded)"));
        Assert.Contains($"Left out: {left}; and 2 more.\n", output);
    }

    [Fact]
    public void AModelThatNoMemoryHoldsIsRefusedBeforeTheTextIsRead()
    {
        string errors = LanguageModelSample.Fail("train", "--model", "gated-delta", "--dim", "1048576", "--heads", "4096", "--layers", "64", "--data", folder.File("none"), "--out", folder.File("run"));
        Assert.Matches("^The model 'gated-delta' has [0-9,]{15,} parameters, which take [0-9,.]+ GB with their gradients and moments, and this machine has [0-9,.]+ GB of memory\\. Choose a smaller --dim, --layers or --vocab\\.\n$", errors);
        Assert.Equal("--threads is 100000; it must be at least 1 and at most 1,024.\n", LanguageModelSample.Fail("info", "--threads", "100000"));
    }

    [Theory, InlineData("D"), InlineData("DDX"), InlineData("D1A"), InlineData("da"), InlineData("")]
    public void APatternThatDoesNotFitIsToldTheModelsLetters(string pattern) => Assert.Equal(
        $"--pattern \"{pattern}\" does not fit this model: its layers are D (LinearMemory) and A (SlidingAttention). Write one letter a layer, each of these at least once, for example \"DDDA\".\n",
        LanguageModelSample.Fail("train", "--pattern", pattern, "--data", folder.File("none"), "--out", folder.File("run")));

    [Theory]
    [InlineData("--layers 0", "--layers 0; it must be a positive number of layers, for example --layers 4.")]
    [InlineData("--layers 5000", "--layers 5000 is outside 1 to 4096; supported: --layers 4096.")]
    [InlineData("--vocab 99999999", "--vocab 99999999 is outside 1 to 16777216; supported: --vocab 16777216.")]
    [InlineData("--dim 100", "--dim 100 is not divisible by --heads 3; supported: --heads 2, or --heads 4.")]
    public void ASizeThatDoesNotFitIsToldByItsOption(string options, string expected) => Assert.Equal(
        $"These sizes do not make a model. {expected}\n",
        LanguageModelSample.Fail(["train", "--model", "gated-delta", .. options.Split(' '), "--data", folder.File("none"), "--out", folder.File("run")]));

    [Theory, InlineData("train"), InlineData("interleave")]
    public void AVocabularyThatIsTooSmallIsNamedWithItsOptionBeforeTheTextIsRead(string command) => Assert.Equal(
        "--vocab is 10; each of the 256 bytes is a token, so give at least that.\n",
        LanguageModelSample.Fail(command, "--vocab", "10", "--data", folder.File("none"), "--out", folder.File("run")));
}
