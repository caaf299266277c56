using Memory.Gen.Runtime.Tests.Harness;
using Xunit;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>What the benchmark refuses, before it measures anything.</summary>
public sealed class BenchTests
{
    [Theory]
    [InlineData("--threads", "0", "--threads is 0; expected at least 1")]
    [InlineData("--repeats", "-1", "--repeats is -1; expected at least 1")]
    [InlineData("--steps", "0", "--steps is 0; expected at least 1")]
    [InlineData("--threads", "1,000", "1,000")]
    public void Wrong_usage_is_code_2(string option, string value, string problem)
    {
        (int code, _, string errors) = ChildProcess.Run(Program, option, value, "--out", "/proc/none");
        Assert.Equal(2, code);
        Assert.Contains(problem, errors);
    }

    [Fact]
    public void A_folder_that_cannot_be_is_code_1()
    {
        (int code, string output, string errors) = ChildProcess.Run(Program, "--out", "/proc/none");
        Assert.Equal((1, ""), (code, output));
        Assert.StartsWith("--out names the folder \"/proc/none\", in which nothing can be written (", errors);
    }

    private static string Program => ChildProcess.Built("tests/Bench");
}
