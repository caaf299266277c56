using Conformance;
using Memory.Gen.Runtime.Tests.Harness;
using Xunit;

namespace Memory.Gen.Runtime.Tests.Operators;

/// <summary>The command's exit codes: 0 where all passed, 1 where something failed or could not be read, 2 for wrong usage.</summary>
public sealed class ConformanceTests
{
    private static readonly string Vectors = Path.Combine(AppContext.BaseDirectory, "fixtures", "linear_scan@short.safetensors");

    [Theory]
    [InlineData(new string[0], "Required argument missing")]
    [InlineData(new[] { "--form", "quick" }, "quick")]
    [InlineData(new[] { "--dtype", "f16" }, "f16")]
    [InlineData(new[] { "--chunk", "0" }, "--chunk is 0; expected at least 1")]
    [InlineData(new[] { "--chunk", "many" }, "many")]
    [InlineData(new[] { "--fast" }, "There is no option --fast")]
    [InlineData(new[] { "stress", "--count", "0" }, "--count is 0; expected at least 1")]
    public void Wrong_usage_is_code_2_with_the_usage(string[] options, string problem)
    {
        (int code, string output, string errors) = Run(options is [] or ["stress", ..] ? options : [Vectors, .. options]);
        Assert.Equal(2, code);
        Assert.Contains(problem, errors);
        Assert.Contains("Usage:", output);
        Assert.DoesNotContain("passed", output);
    }

    [Fact]
    public void A_file_that_passes_is_code_0()
    {
        (int code, string output, _) = Run(Vectors);
        Assert.Equal(0, code);
        Assert.EndsWith(" passed, 0 failed\n", output, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_cannot_be_read_is_code_1()
    {
        (int code, string output, string errors) = Run(Vectors, "nowhere.safetensors");
        Assert.Equal(1, code);
        Assert.StartsWith("nowhere.safetensors: cannot be read: ", errors);
        Assert.EndsWith(" passed, 1 failed\n", output, StringComparison.Ordinal);
    }

    private static (int Code, string Output, string Errors) Run(params string[] arguments) =>
        ChildProcess.Run(typeof(VectorRun).Assembly, [("MEMORY_GEN_FORM", null)], arguments);
}
