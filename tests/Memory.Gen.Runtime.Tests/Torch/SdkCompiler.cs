using System.Diagnostics;
using System.Text;

namespace Memory.Gen.Runtime.Tests.Torch;

/// <summary>The SDK's own C# compiler, so that sources mean here what they mean in the build.</summary>
internal static class SdkCompiler
{
    private const int TimeoutMs = 240_000;

    /// <summary>Compiles files into an assembly and returns the errors, one line each.</summary>
    /// <param name="output">Where the assembly goes.</param>
    /// <param name="sources">C# files.</param>
    /// <param name="references">Assemblies.</param>
    /// <param name="bodies">False: declarations alone are checked and emitted.</param>
    /// <param name="language">The C# version.</param>
    /// <param name="generator">A source generator that runs besides the framework's own.</param>
    internal static IReadOnlyList<string> Compile(string output, IEnumerable<string> sources, IEnumerable<string> references, bool bodies = true, string language = "latest", string? generator = null)
    {
        string arguments = output + ".rsp";
        File.WriteAllLines(arguments,
        [
            "-nologo", "-noconfig", "-nostdlib", "-target:library", $"-langversion:{language}", "-unsafe", "-nullable:enable", "-warn:0", "-utf8output",
            "-define:NET;NET10_0;NET8_0_OR_GREATER;NET9_0_OR_GREATER;NET10_0_OR_GREATER",
            .. bodies ? Array.Empty<string>() : ["-refonly"],
            $"-out:\"{output}\"",
            .. references.Select(r => $"-r:\"{r}\""),
            .. Generators().Append(generator).OfType<string>().Select(g => $"-analyzer:\"{g}\""),
            .. sources.Select(s => $"\"{s}\""),
        ]);
        var start = new ProcessStartInfo(Environment.ProcessPath is { } host && Path.GetFileNameWithoutExtension(host) == "dotnet" ? host : Dotnet())
        {
            ArgumentList = { "exec", CompilerPath(), "@" + arguments },
            RedirectStandardOutput = true,
            RedirectStandardError = true,
            StandardOutputEncoding = Encoding.UTF8,
        };
        using Process process = Process.Start(start)!;
        Task<string> errors = process.StandardError.ReadToEndAsync();
        Task<string> text = process.StandardOutput.ReadToEndAsync();
        if (!process.WaitForExit(TimeoutMs))
        {
            process.Kill(entireProcessTree: true);
            throw new TimeoutException($"The compiler did not end within {TimeoutMs / 1000} s.");
        }
        string[] lines = [.. (text.Result + errors.Result).Split('\n').Where(l => l.Contains("error ", StringComparison.Ordinal))];
        return lines.Length > 0 || process.ExitCode == 0 ? lines : [$"error: the compiler ended with code {process.ExitCode}: {text.Result}{errors.Result}"];
    }

    /// <summary>The framework's assemblies.</summary>
    internal static IEnumerable<string> Framework() =>
        Directory.EnumerateFiles(FrameworkFolder(), "*.dll").Where(IsManaged);

    // The framework's own source generators: regular expressions, interop, JSON.
    private static IEnumerable<string> Generators()
    {
        string packs = Path.Combine(Root(), "packs", "Microsoft.NETCore.App.Ref");
        return Directory.Exists(packs)
            ? Directory.EnumerateFiles(packs, "*.dll", SearchOption.AllDirectories)
                .Where(f => Path.GetFileName(Path.GetDirectoryName(f)) == "cs" && f.Contains("analyzers", StringComparison.Ordinal))
            : [];
    }

    internal static bool IsManaged(string path)
    {
        try
        {
            System.Reflection.AssemblyName.GetAssemblyName(path);
            return true;
        }
        catch (BadImageFormatException)
        {
            return false;
        }
    }

    private static string FrameworkFolder() => Path.GetDirectoryName(typeof(object).Assembly.Location)!;

    private static string Root() => Path.GetFullPath(Path.Combine(FrameworkFolder(), "..", "..", ".."));

    private static string Dotnet() => Path.Combine(Root(), OperatingSystem.IsWindows() ? "dotnet.exe" : "dotnet");

    private static string CompilerPath()
    {
        string sdks = Path.Combine(Root(), "sdk");
        string? found = Directory.Exists(sdks)
            ? Directory.EnumerateFiles(sdks, "csc.dll", SearchOption.AllDirectories).Where(f => f.Contains("bincore", StringComparison.Ordinal)).Order(StringComparer.Ordinal).LastOrDefault()
            : null;
        return found ?? throw new FileNotFoundException($"There is no .NET SDK beside the runtime in {Root()}: its C# compiler is needed here.");
    }
}
