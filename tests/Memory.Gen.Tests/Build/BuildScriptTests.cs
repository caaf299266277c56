using System.Xml.Linq;
using Xunit;

namespace Memory.Gen.Tests.Build;

/// <summary><c>build.sh</c> from the outside: what it answers, writes and returns.</summary>
[Trait("Category", "Command")]
public sealed class BuildScriptTests : IDisposable
{
    private const string NotThere = "/tmp/ask.csproj : error NU1101: Unable to find package. No packages exist with this id in source(s): feed";
    private const string OtherVersion = "/tmp/ask.csproj : error NU1102: Unable to find package with version (= 0.107.0)";
    private const string NoNetwork = "/tmp/ask.csproj : error NU1301: Unable to load the service index for source feed.";
    private readonly BuildScript script = new();

    public void Dispose() => script.Dispose();

    [Theory]
    [InlineData]
    [InlineData("trian")]
    [InlineData("provider")]
    [InlineData("provider", "nuget")]
    [InlineData("test", "--fast")]
    public void Wrong_usage_is_explained_and_returns_2(params string[] arguments)
    {
        var result = script.WithDotnet().Run(arguments);

        Assert.Equal(2, result.ExitCode);
        Assert.Contains("Usage: ./build.sh COMMAND", result.Errors);
        Assert.Contains(arguments.LastOrDefault() ?? "", result.Errors);
        Assert.Empty(result.Output);
    }

    [Theory, InlineData("--help"), InlineData("-h"), InlineData("help")]
    public void Help_is_no_wrong_usage(string argument)
    {
        var result = script.WithDotnet().Run(argument);

        Assert.Equal((0, ""), (result.ExitCode, result.Errors));
        Assert.StartsWith("Usage: ./build.sh COMMAND", result.Output);
    }

    [Fact]
    public void A_package_that_is_there_is_used()
    {
        var result = script.WithDotnet().Run("provider", "ask");

        Assert.Equal(0, result.ExitCode);
        Assert.Contains("TorchProvider: package\nTokenizerProvider: package\nSnapshotProvider: package\n", result.Output);
        Assert.Equal(["package", "package", "package"], Decided());
    }

    [Theory]
    [InlineData(NotThere)]
    [InlineData(OtherVersion)]
    public void A_package_that_is_not_there_is_replaced(string answer)
    {
        var result = script.WithDotnet(torch: answer, verify: answer).Run("provider", "ask");

        Assert.Equal(0, result.ExitCode);
        Assert.Contains("TorchProvider: system\nTokenizerProvider: package\nSnapshotProvider: builtin\n", result.Output);
        Assert.Equal(["system", "package", "builtin"], Decided());
    }

    [Theory]
    [InlineData(NoNetwork)]
    [InlineData(NotThere + "\n" + NoNetwork)]
    [InlineData("Segmentation fault")]
    public void A_feed_that_cannot_be_asked_decides_nothing(string answer)
    {
        script.WithFile("torch.props", "as it was");
        var result = script.WithDotnet(tokenizers: answer).Run("provider", "ask");

        Assert.Equal(1, result.ExitCode);
        Assert.Contains("could not be asked for Microsoft.ML.Tokenizers", result.Errors);
        Assert.Single(result.Errors.TrimEnd('\n').Split('\n'));
        Assert.Equal("as it was", File.ReadAllText(script.TorchProps));
    }

    [Fact]
    public void The_feed_is_asked_for_the_central_versions_outside_the_repository()
    {
        string version = XDocument.Load(script.InFolder("Directory.Packages.props")).Descendants("TorchSharpVersion").Single().Value;
        Assert.Matches(@"^\d+\.\d+\.\d+$", version);
        string asked = script.InFolder("asked");
        script.WithTool("dotnet", $"""
            [[ $1 == --version ]] && echo 10.0.100
            if [[ $1 == restore ]]; then pwd >> '{asked}'; cat ask.csproj >> '{asked}'; fi
            """).Run("provider", "ask");

        Assert.Contains($"Include=\"TorchSharp-cpu\" Version=\"[{version}]\"", File.ReadAllText(asked));
        Assert.DoesNotContain(script.InFolder(""), File.ReadAllText(asked));
    }

    [Theory]
    [InlineData("/lib/libstdc++.so.6: version `GLIBCXX_3.4.9' not found (required by $1)\n/lib/libstdc++.so.6: version `GLIBCXX_3.4.32' not found (required by $1)", "system")]
    [InlineData("/lib/libprotobuf.so.32: version `ZLIB_1.2.9' not found (required by /lib/libtorch_cpu.so)", "package")]
    [InlineData("libtorch.so => not found", "package")]
    public void A_package_that_cannot_be_loaded_here_is_replaced(string missing, string provider)
    {
        script.WithTool("ldd", $"echo \"{missing.Replace("`", "\\`")}\"; exit 1").WithTool("dotnet", """
            [[ $1 == --version ]] && echo 10.0.100
            [[ $1 == restore ]] && mkdir obj && echo '    "/packages of mine/torchsharp/0.107.0/torchsharp.0.107.0.nupkg.sha512",' > obj/project.nuget.cache
            """);
        var result = script.Run("provider", "ask");

        const string sentence = "TorchSharp-cpu is on the feed, but its libLibTorchSharp.so needs GLIBCXX_3.4.32, which this machine's libraries do not have.\n";
        Assert.Equal([provider, "package", "package"], Decided());
        Assert.Equal(provider == "system", result.Output.Contains(sentence));
        Assert.Contains("ldd\n/packages of mine/torchsharp/0.107.0/runtimes/linux-x64/native/libLibTorchSharp.so\n", script.Log);
    }

    [Fact]
    public void The_command_line_wins_over_the_environment_and_both_over_the_file()
    {
        script.WithDotnet().Run("provider", "system");
        File.Delete(script.InFolder("bin/dotnet"));

        Assert.Equal("system", script.Property("TorchProvider"));
        Assert.Equal("builtin", script.Property("TokenizerProvider"));
        script.With("TorchProvider", "package");
        Assert.Equal("package", script.Property("TorchProvider"));
        Assert.Equal("system", script.Property("TorchProvider", "-p:TorchProvider=system"));
    }

    [Fact]
    public void A_command_asks_when_nothing_was_decided()
    {
        script.WithDotnet().Run("test");

        Assert.Equal(["package", "package", "package"], Decided());
    }

    [Theory]
    [InlineData("12 passed, 0 failed", 0)]
    [InlineData("12 passed, 3 failed", 1)]
    public void The_summary_is_the_last_line_and_decides_the_exit_code(string summary, int exitCode)
    {
        string cake = $"mkdir -p artifacts/tests; echo '{summary}' > artifacts/tests/summary.txt; echo 'a table'";
        var result = script.With("TorchProvider", "package").WithDotnet(otherwise: cake).Run("test");

        Assert.Equal(summary, result.LastLine);
        Assert.Equal(exitCode, result.ExitCode);
        Assert.False(File.Exists(script.TorchProps));
    }

    [Theory]
    [InlineData(":")]
    [InlineData("exit 1")]
    [InlineData("echo '12 passed, 0 failed' > artifacts/tests/summary.txt; exit 1")]
    [InlineData("echo nonsense > artifacts/tests/summary.txt")]
    public void Without_a_summary_of_this_run_one_test_failed(string cake)
    {
        script.WithFile("artifacts/tests/summary.txt", "12 passed, 0 failed\n");
        var result = script.With("TorchProvider", "package").WithDotnet(otherwise: cake).Run("test");

        Assert.Equal("0 passed, 1 failed", result.LastLine);
        Assert.Equal(1, result.ExitCode);
    }

    [Fact]
    public void A_set_up_that_stops_closes_with_a_failure_too()
    {
        var result = script.WithTool("dotnet", "echo 8.0.404").Run("test");

        Assert.Contains("version 10 or newer of the .NET SDK is needed, and dotnet --version says '8.0.404'", result.Errors);
        Assert.Equal("0 passed, 1 failed", result.LastLine);
        Assert.Equal(1, result.ExitCode);
    }

    [Fact]
    public void The_sample_gets_its_arguments_and_its_exit_code_comes_back()
    {
        script.WithFile("samples/LanguageModel/LanguageModel.csproj", "");
        var result = script.With("TorchProvider", "package")
            .WithDotnet(otherwise: "if [[ $1 == *.dll ]]; then echo \"called in $MEMORY_GEN_CALLER\"; exit 7; fi")
            .Run("train", "--data", "two words", "");

        Assert.Equal(7, result.ExitCode);
        // It runs in the script's folder, and what it prints to be copied is typed in this one.
        Assert.EndsWith($"called in {Path.TrimEndingDirectorySeparator(Path.GetTempPath())}\n", result.Output);
        Assert.EndsWith("samples/LanguageModel/bin/Release/net10.0/LanguageModel.dll\ntrain\n--data\ntwo words\n\n", script.Log);
    }

    [Fact]
    public void Missing_Debian_packages_are_installed()
    {
        var result = WithoutLibtorch("").Run("test");

        Assert.Contains("Installing libtorch-dev libopenblas0-pthread", result.Output);
        Assert.Contains("install\n-y\n--no-install-recommends\nlibtorch-dev\nlibopenblas0-pthread\n", script.Log);
    }

    [Fact]
    public void An_installation_that_fails_leaves_the_line_to_run()
    {
        var result = WithoutLibtorch("[[ $* == *install* ]] && exit 100").Run("test");

        Assert.Contains("apt-get update && apt-get install -y --no-install-recommends libtorch-dev libopenblas0-pthread", result.Errors);
        Assert.Equal(1, result.ExitCode);
    }

    [Fact]
    public void A_libtorch_of_the_users_own_is_used_instead()
    {
        string libtorch = script.InFolder("my libtorch");
        Directory.CreateDirectory(libtorch);
        var result = WithoutLibtorch("exit 100").With("LIBTORCH", libtorch).Run("test");

        Assert.DoesNotContain("Installing", result.Output);
        Assert.DoesNotContain("apt-get", script.Log);
    }

    private BuildScript WithoutLibtorch(string aptGet)
    {
        foreach (string tool in (string[])["g++", "cmake", "ninja", "dpkg-query"])
            script.WithTool(tool, ":");
        return script.With("TorchProvider", "system").WithDotnet().WithTool("sudo", "shift; \"$@\"").WithTool("apt-get", aptGet);
    }

    private IEnumerable<string> Decided() =>
        XDocument.Load(script.TorchProps).Descendants("PropertyGroup").Elements().Select(property => property.Value);
}
