using System.Diagnostics;
using System.Text;

namespace Memory.Gen.Tests.Build;

/// <summary>A program that is run to its end.</summary>
internal static class Command
{
    /// <summary>Runs a program without input.</summary>
    /// <param name="program">Its name or path.</param>
    /// <param name="arguments">One each.</param>
    /// <param name="folder">Where it runs.</param>
    /// <param name="environment">Variables to set, or with null to leave out; the rest is as here.</param>
    public static Result Run(string program, IEnumerable<string> arguments, string folder, IReadOnlyDictionary<string, string?> environment)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            RedirectStandardInput = true,
            WorkingDirectory = folder,
        };
        foreach ((string name, string? value) in environment)
            start.Environment[name] = value;

        using var process = Process.Start(start)!;
        process.StandardInput.Close();
        var output = new StringBuilder();
        var errors = new StringBuilder();
        process.OutputDataReceived += (_, line) => Append(output, line.Data);
        process.ErrorDataReceived += (_, line) => Append(errors, line.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        process.WaitForExit();
        return new(process.ExitCode, output.ToString(), errors.ToString());
    }

    private static void Append(StringBuilder text, string? line)
    {
        if (line is not null)
            text.Append(line).Append('\n');
    }

    /// <summary>How it ended and what it said.</summary>
    internal sealed record Result(int ExitCode, string Output, string Errors)
    {
        public string LastLine => Output.TrimEnd('\n').Split('\n')[^1];
    }
}
