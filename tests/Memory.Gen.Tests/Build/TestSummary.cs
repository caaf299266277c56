using System.Globalization;
using System.Xml;
using System.Xml.Linq;

// Without a namespace, because build.cake loads this file and Cake's scripts know none.

/// <summary>
/// The counts of one test run: what the result files say, plus one named failure for every run that was aborted,
/// left no readable result file, or failed without saying which test did.
/// </summary>
public sealed class TestSummary
{
    private static readonly XNamespace Trx = "http://microsoft.com/schemas/VisualStudio/TeamTest/2010";
    private readonly List<string> failures = [];

    /// <summary>Tests that passed.</summary>
    public int Passed { get; private set; }

    /// <summary>The name of every failure, as <c>run: test</c> or <c>run: what went wrong with the run</c>.</summary>
    public IReadOnlyList<string> Failures => failures;

    /// <summary>The closing line: <c>N passed, N failed</c>.</summary>
    public override string ToString() =>
        string.Create(CultureInfo.InvariantCulture, $"{Passed} passed, {failures.Count} failed");

    /// <summary>Adds a failure that no result file can know of.</summary>
    public void Fail(string run, string reason) => failures.Add($"{run}: {reason}");

    /// <summary>Adds a run of <c>dotnet test</c>: its exit code, and the .trx file it should have written.</summary>
    public void AddTrx(string run, int exitCode, string path) => Add(run, exitCode, path, root =>
    {
        foreach (XElement result in root.Descendants(Trx + "UnitTestResult"))
            Count(run, (string?)result.Attribute("testName"), (string?)result.Attribute("outcome") switch
            {
                "Passed" => true,
                "NotExecuted" => null,
                _ => false,
            });

        // The runner's own errors: a test host that crashed or hangs, a fixture that throws. It repeats failed tests here.
        foreach (XElement error in root.Descendants(Trx + "RunInfo").Where(info => (string?)info.Attribute("outcome") == "Error"))
            if (FirstLine(error.Value) is var text && !text.EndsWith("[FAIL]", StringComparison.Ordinal))
                Fail(run, text);
    });

    /// <summary>Adds a run of <c>ctest</c>: its exit code, and the JUnit file it should have written.</summary>
    public void AddJUnit(string run, int exitCode, string path) => Add(run, exitCode, path, root =>
    {
        foreach (XElement result in root.Descendants("testcase"))
            Count(run, (string?)result.Attribute("name"), (string?)result.Attribute("status") switch
            {
                "run" => true,
                "disabled" => null,
                "notrun" when ((string?)result.Element("skipped")?.Attribute("message"))?.StartsWith("SKIP_", StringComparison.Ordinal) == true => null,
                _ => false,
            });
    });

    private static string FirstLine(string text) => text.Trim().Split('\n')[0].TrimEnd();

    private void Count(string run, string? test, bool? passed)
    {
        if (passed == true)
            Passed++;
        else if (passed == false)
            Fail(run, test ?? "a test without a name");
    }

    private void Add(string run, int exitCode, string path, Action<XElement> read)
    {
        int before = failures.Count;
        try
        {
            read(XElement.Load(path));
        }
        catch (Exception error) when (error is IOException or UnauthorizedAccessException or XmlException)
        {
            Fail(run, $"no readable result file ({System.IO.Path.GetFileName(path)})");
        }

        if (exitCode != 0 && failures.Count == before)
            Fail(run, $"exit code {exitCode} without a failed test");
    }
}
