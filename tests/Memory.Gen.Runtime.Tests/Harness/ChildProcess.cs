using System.Diagnostics;
using System.Reflection;
using Memory.Gen.Tests.Shared;

namespace Memory.Gen.Runtime.Tests.Harness;

/// <summary>A process of its own for what needs one: an end, an environment, a library that is loaded once.</summary>
internal static class ChildProcess
{
    /// <summary>How <paramref name="assembly"/> is started; its errors can be read.</summary>
    public static ProcessStartInfo Of(Assembly assembly, params string[] arguments) => Of(assembly.Location, arguments);

    /// <summary>Runs it to its end.</summary>
    /// <param name="assembly">An assembly with an entry point.</param>
    /// <param name="environment">Variables of the child; null removes one.</param>
    /// <param name="arguments">Its arguments.</param>
    public static (int ExitCode, string Output, string Errors) Run(Assembly assembly, IEnumerable<(string Name, string? Value)> environment, params string[] arguments)
    {
        ProcessStartInfo start = Of(assembly, arguments);
        foreach ((string name, string? value) in environment) start.Environment[name] = value;
        return Run(start);
    }

    /// <summary>The assembly of another project's program, built for the same framework and configuration as these tests.</summary>
    /// <param name="project">The project's folder, below the repository's root.</param>
    public static string Built(string project)
    {
        string folder = Path.TrimEndingDirectorySeparator(AppContext.BaseDirectory);
        return SourceTree.Path(project, "bin", Path.GetFileName(Path.GetDirectoryName(folder)!), Path.GetFileName(folder), Path.GetFileName(project) + ".dll");
    }

    /// <summary>Runs a program of another folder to its end.</summary>
    /// <param name="program">Its assembly.</param>
    /// <param name="arguments">Its arguments.</param>
    public static (int ExitCode, string Output, string Errors) Run(string program, params string[] arguments) => Run(Of(program, arguments));

    /// <summary>Starts a program of another folder; its output and errors can be read, and its input written. It hears Ctrl-C and the end of a terminal, also where these tests run in the background, which do not.</summary>
    /// <param name="program">Its assembly.</param>
    /// <param name="arguments">Its arguments.</param>
    public static Process Start(string program, params string[] arguments)
    {
        ProcessStartInfo start = Of(program, arguments);
        start = new ProcessStartInfo("env", ["--default-signal=INT,HUP", start.FileName, .. start.ArgumentList]) { RedirectStandardInput = true, RedirectStandardOutput = true, RedirectStandardError = true };
        return Process.Start(start)!;
    }

    private static ProcessStartInfo Of(string program, string[] arguments) => new(
        Environment.ProcessPath is { } path && Path.GetFileNameWithoutExtension(path) == "dotnet" ? path : "dotnet",
        ["exec", program, .. arguments]) { RedirectStandardError = true };

    /// <summary>Runs it to its end.</summary>
    public static (int ExitCode, string Output, string Errors) Run(ProcessStartInfo start)
    {
        start.RedirectStandardOutput = start.RedirectStandardError = true;
        using Process child = Process.Start(start)!;
        Task<string> output = child.StandardOutput.ReadToEndAsync(), errors = child.StandardError.ReadToEndAsync();
        child.WaitForExit();
        return (child.ExitCode, output.Result, errors.Result);
    }
}
