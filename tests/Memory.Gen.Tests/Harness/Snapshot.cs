using System.Runtime.CompilerServices;
using System.Text.RegularExpressions;

namespace Memory.Gen.Tests.Harness;

/// <summary>
/// Compares a text with a file of the repository, <c>NAME.verified.cs</c> or <c>.txt</c> beside the test. After a change that is meant,
/// run the tests once with MEMORY_GEN_ACCEPT_SNAPSHOTS=1 and read the difference before committing it.
/// </summary>
internal static partial class Snapshot
{
    /// <summary>The generator's version is no part of a snapshot: a new version changes none of them.</summary>
    private static string Scrub(string text) => VersionPattern().Replace(text, "$1{version}");

    [GeneratedRegex("""(Memory\.Gen(?: |", "))\d+\.\d+\.\d+""")]
    private static partial Regex VersionPattern();

#if SNAPSHOTS_PACKAGE
    public static async Task Verify(string text, string name, string extension = "cs", [CallerFilePath] string testFile = "")
    {
        var settings = new VerifyTests.VerifySettings();
        settings.UseFileName(name);
        if (Environment.GetEnvironmentVariable("MEMORY_GEN_ACCEPT_SNAPSHOTS") == "1")
            settings.AutoVerify();
        await VerifyXunit.Verifier.Verify(Scrub(text), extension, settings, testFile);
    }
#else
    public static async Task Verify(string text, string name, string extension = "cs", [CallerFilePath] string testFile = "")
    {
        string folder = Path.GetDirectoryName(testFile)!;
        string verified = Path.Combine(folder, $"{name}.verified.{extension}"), received = Path.Combine(folder, $"{name}.received.{extension}");
        string actual = Scrub(text);
        if (Environment.GetEnvironmentVariable("MEMORY_GEN_ACCEPT_SNAPSHOTS") == "1")
            await File.WriteAllTextAsync(verified, actual);

        string expected = File.Exists(verified) ? (await File.ReadAllTextAsync(verified)).TrimStart('\uFEFF').ReplaceLineEndings("\n") : "";
        if (expected.TrimEnd('\n') == actual.TrimEnd('\n'))
        {
            File.Delete(received);
            return;
        }

        await File.WriteAllTextAsync(received, actual);
        Assert.Fail($"{received} differs from the verified file{FirstDifference(expected, actual)}");
    }

    private static string FirstDifference(string expected, string actual)
    {
        string[] before = expected.Split('\n'), after = actual.Split('\n');
        int line = Enumerable.Range(0, Math.Max(before.Length, after.Length))
            .First(i => i >= before.Length || i >= after.Length || before[i] != after[i]);
        return $" at line {line + 1}:\n- {before.ElementAtOrDefault(line)}\n+ {after.ElementAtOrDefault(line)}";
    }
#endif
}
