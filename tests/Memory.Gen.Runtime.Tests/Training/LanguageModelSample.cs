using System.Diagnostics;
using System.Text;
using Memory.Gen.Runtime.Tests.Harness;
using Memory.Gen.Tests.Shared;
using Samples;
using Xunit;

namespace Memory.Gen.Runtime.Tests.Training;

/// <summary>The sample's commands as somebody types them, in processes of their own.</summary>
internal static class LanguageModelSample
{
    /// <summary>Options of a model that is trained in no time.</summary>
    public static readonly string[] Small = ["--vocab", "300", "--dim", "32", "--layers", "1", "--heads", "2"];

    /// <summary>A path in the repository as a command has it that is printed to be copied.</summary>
    public static string Copied(string path) => Terminal.Word(SourceTree.Path(path));

    /// <summary>Lines that are worth learning.</summary>
    public static string Text(int lines) => string.Concat(Enumerable.Range(0, lines).Select(i =>
        $"Member {i * 37 % 101} of set {i % 13} returns the number {i * i % 997}, or {i % 7} where it has none.\n"));

    /// <summary>Lines of made-up words, with as many pieces as the declared vocabularies have tokens.</summary>
    public static string Words(int lines)
    {
        var random = new Random(1);
        string[] words = [.. Enumerable.Range(0, 2000).Select(_ => string.Concat(Enumerable.Range(0, 7).Select(_ => (char)('a' + random.Next(26)))))];
        return string.Concat(Enumerable.Range(0, lines).Select(_ => string.Join(' ', Enumerable.Range(0, 10).Select(_ => words[random.Next(words.Length)])) + "\n"));
    }

    /// <summary>Runs a command that succeeds, and returns what it wrote.</summary>
    public static string Run(params string[] arguments)
    {
        var (exitCode, output, errors) = RunToEnd(arguments);
        Assert.True(exitCode == 0, $"{string.Join(' ', arguments)}: {errors}{output}");
        return output;
    }

    /// <summary>Runs a command that fails as users' mistakes do, and returns the sentence it ends with.</summary>
    public static string Fail(params string[] arguments)
    {
        var (exitCode, output, errors) = RunToEnd(arguments);
        Assert.True(exitCode == 1, $"{string.Join(' ', arguments)}: {exitCode} {errors}{output}");
        return errors;
    }

    /// <summary>Runs a command.</summary>
    public static (int ExitCode, string Output, string Errors) RunToEnd(params string[] arguments) => ChildProcess.Run(Program, arguments);

    /// <summary>Runs a command with a variable of the environment, as NAME=VALUE.</summary>
    public static (int ExitCode, string Output, string Errors) RunWith(string variable, params string[] arguments) =>
        ChildProcess.Run(new ProcessStartInfo("env", [variable, "dotnet", "exec", Program, .. arguments]));

    /// <summary>Runs a command in a folder, as build.sh does when it is called in another one, or itself where that is empty.</summary>
    public static (int ExitCode, string Output, string Errors) RunIn(string folder, string caller, params string[] arguments) =>
        ChildProcess.Run(new ProcessStartInfo("env", [$"MEMORY_GEN_CALLER={caller}", "dotnet", "exec", Program, .. arguments]) { WorkingDirectory = folder });

    /// <summary>Runs a command that reads lines.</summary>
    public static (int ExitCode, string Output, string Errors) RunOn(IEnumerable<string> lines, params string[] arguments) =>
        ChildProcess.Run(new ProcessStartInfo("bash", ["-c", "printf '%s' \"$0\" | dotnet exec \"$@\"", string.Concat(lines.Select(line => line + "\n")), Program, .. arguments]));

    /// <summary>Runs a command whose output goes to a file.</summary>
    public static (int ExitCode, string Output, string Errors) RunInto(string file, params string[] arguments) =>
        ChildProcess.Run(new ProcessStartInfo("bash", ["-c", "exec dotnet exec \"$@\" > \"$0\"", file, Program, .. arguments]));

    /// <summary>Runs a command that has no input, for a minute at most.</summary>
    public static (int ExitCode, string Output, string Errors) RunWithoutInput(params string[] arguments) =>
        ChildProcess.Run(new ProcessStartInfo("bash", ["-c", "exec timeout -s KILL 60 dotnet exec \"$@\" <&-", "bash", Program, .. arguments]));

    /// <summary>Runs a command that has no output.</summary>
    public static (int ExitCode, string Output, string Errors) RunWithoutOutput(params string[] arguments) =>
        ChildProcess.Run(new ProcessStartInfo("bash", ["-c", "exec dotnet exec \"$@\" >&-", "bash", Program, .. arguments]));

    /// <summary>Runs a command into another that reads some bytes of it and ends. What is returned is what the other read, and the exit code of the first.</summary>
    public static (int ExitCode, string Output, string Errors) RunWhileRead(int bytes, params string[] arguments) =>
        ChildProcess.Run(new ProcessStartInfo("bash", ["-c", "set -o pipefail; dotnet exec \"$@\" | head -c \"$0\"", $"{bytes}", Program, .. arguments]));

    /// <summary>Runs a command until it has written something, does something then, presses Ctrl-C, and waits for its end.</summary>
    /// <param name="expected">What it writes before.</param>
    /// <param name="then">What happens before Ctrl-C; null: nothing.</param>
    /// <param name="arguments">The command.</param>
    public static (int ExitCode, string Output, string Errors) Interrupt(string expected, Action? then, params string[] arguments) => Signal(["INT"], expected, then, "", "", arguments);

    /// <summary>The same with a command that reads lines, some of them before and some after Ctrl-C.</summary>
    public static (int ExitCode, string Output, string Errors) InterruptBetween(string before, string expected, string after, params string[] arguments) => Signal(["INT"], expected, null, before, after, arguments);

    /// <summary>The same with the signals that it gets when its terminal is closed.</summary>
    public static (int ExitCode, string Output, string Errors) HangUp(string expected, params string[] arguments) => Signal(["HUP", "HUP"], expected, null, "", "", arguments);

    private static (int ExitCode, string Output, string Errors) Signal(string[] signals, string expected, Action? then, string before, string after, string[] arguments)
    {
        using Process child = ChildProcess.Start(Program, arguments);
        child.StandardInput.Write(before);
        child.StandardInput.Flush();
        Task<string> errors = child.StandardError.ReadToEndAsync();
        var output = new StringBuilder();
        try
        {
            while (!output.ToString().Contains(expected, StringComparison.Ordinal) && child.StandardOutput.Read() is >= 0 and var next) output.Append((char)next);
            then?.Invoke();
            foreach (string signal in signals)
                using (Process kill = Process.Start("kill", [$"-{signal}", $"{child.Id}"])) kill.WaitForExit();
            child.StandardInput.Write(after);
            child.StandardInput.Close();
            output.Append(child.StandardOutput.ReadToEnd());
            child.WaitForExit();
            return (child.ExitCode, output.ToString(), errors.Result);
        }
        finally
        {
            // Where something failed in between: it would train on.
            if (!child.HasExited) child.Kill();
        }
    }

    private static string Program => ChildProcess.Built("samples/LanguageModel");
}
