using System.Security;
using Xunit;

namespace Memory.Gen.Tests.Build;

/// <summary>What the closing line of <c>./build.sh test</c> counts.</summary>
public sealed class TestSummaryTests : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("memory-gen-summary-").FullName;
    private readonly TestSummary summary = new();

    public void Dispose() => Directory.Delete(folder, recursive: true);

    [Fact]
    public void Counts_what_passed_and_names_what_failed()
    {
        summary.AddTrx("Numbers", 1, Trx([("A", "Passed"), ("B", "Failed"), ("C", "Passed")], ["B [FAIL]"]));
        summary.AddTrx("Words", 0, Trx([("D", "Passed")]));

        Assert.Equal("3 passed, 1 failed", summary.ToString());
        Assert.Equal(["Numbers: B"], summary.Failures);
    }

    [Fact]
    public void A_skipped_test_neither_passed_nor_failed()
    {
        summary.AddTrx("Numbers", 0, Trx([("A", "NotExecuted"), ("B", "Passed")]));

        Assert.Equal("1 passed, 0 failed", summary.ToString());
    }

    [Fact]
    public void An_outcome_that_is_not_known_is_a_failure()
    {
        summary.AddTrx("Numbers", 0, Trx([("A", "Timeout")]));

        Assert.Equal("0 passed, 1 failed", summary.ToString());
    }

    [Fact]
    public void A_crashed_run_is_one_failure_beside_what_it_had_counted()
    {
        const string Crash = "The active test run was aborted. Reason: Test host process crashed : Process terminated.";
        summary.AddTrx("Numbers", 1, Trx([("A", "Passed"), ("B", "Failed")], ["B [FAIL]", Crash + "\n at Somewhere()"]));

        Assert.Equal("1 passed, 2 failed", summary.ToString());
        Assert.Contains("Numbers: " + Crash, summary.Failures);
    }

    [Fact]
    public void A_fixture_that_throws_is_a_failure()
    {
        summary.AddTrx("Numbers", 1, Trx([("A", "Passed")], ["[Test Class Cleanup Failure (U)] System.Exception"]));

        Assert.Equal("1 passed, 1 failed", summary.ToString());
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    public void A_missing_result_file_is_one_failure_whatever_the_exit_code(int exitCode)
    {
        summary.AddTrx("Numbers", exitCode, Path.Combine(folder, "Numbers.trx"));

        Assert.Equal(["Numbers: no readable result file (Numbers.trx)"], summary.Failures);
    }

    [Fact]
    public void A_torn_result_file_is_one_failure()
    {
        string path = Trx([("A", "Passed")]);
        File.WriteAllText(path, File.ReadAllText(path)[..^20]);
        summary.AddTrx("Numbers", 0, path);

        Assert.Equal("0 passed, 1 failed", summary.ToString());
    }

    [Fact]
    public void A_failing_exit_code_without_a_failed_test_is_one_failure()
    {
        summary.AddTrx("Numbers", 134, Trx([("A", "Passed")]));

        Assert.Equal("1 passed, 1 failed", summary.ToString());
        Assert.Equal(["Numbers: exit code 134 without a failed test"], summary.Failures);
    }

    [Fact]
    public void A_run_in_which_no_test_matched_counts_nothing()
    {
        summary.AddTrx("Numbers", 0, Trx([]));

        Assert.Equal("0 passed, 0 failed", summary.ToString());
    }

    [Fact]
    public void Native_tests_are_counted_from_ctest()
    {
        string path = Path.Combine(folder, "kernels.xml");
        File.WriteAllText(path, """
            <testsuite name="kernels" tests="5" failures="1" disabled="1" skipped="2">
              <testcase name="strips" status="run" />
              <testcase name="workspace" status="fail" />
              <testcase name="cuda" status="notrun"><skipped message="SKIP_RETURN_CODE=77" /></testcase>
              <testcase name="threads" status="notrun"><skipped message="Unable to find executable" /></testcase>
              <testcase name="arm" status="disabled" />
            </testsuite>
            """);
        summary.AddJUnit("native/kernels", 8, path);

        Assert.Equal("1 passed, 2 failed", summary.ToString());
        Assert.Equal(["native/kernels: workspace", "native/kernels: threads"], summary.Failures);
    }

    private string Trx((string Name, string Outcome)[] tests, string[]? errors = null)
    {
        string path = Path.Combine(folder, Guid.NewGuid() + ".trx");
        string results = string.Concat(tests.Select(test => $"<UnitTestResult testName=\"{test.Name}\" outcome=\"{test.Outcome}\" />"));
        string messages = string.Concat((errors ?? []).Select(error => $"<RunInfo outcome=\"Error\"><Text>{SecurityElement.Escape(error)}</Text></RunInfo>"));
        File.WriteAllText(path, $"""
            <?xml version="1.0" encoding="utf-8"?>
            <TestRun xmlns="http://microsoft.com/schemas/VisualStudio/TeamTest/2010">
              <Results>{results}</Results>
              <ResultSummary outcome="Completed"><RunInfos><RunInfo outcome="Warning"><Text>A warning.</Text></RunInfo>{messages}</RunInfos></ResultSummary>
            </TestRun>
            """);
        return path;
    }
}
