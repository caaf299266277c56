using Memory.Gen.Tests.Shared;

namespace Memory.Gen.Tests.Build;

/// <summary>A copy of <c>build.sh</c> in an empty folder whose path has a space, with stand-ins for the tools it calls.</summary>
internal sealed class BuildScript : IDisposable
{
    private readonly string folder = Directory.CreateTempSubdirectory("memory gen build ").FullName;
    private readonly Dictionary<string, string?> environment = new()
    {
        ["TorchProvider"] = null,
        ["TorchDevice"] = null,
        ["TokenizerProvider"] = null,
        ["SnapshotProvider"] = null,
        ["LIBTORCH"] = null,
    };

    public BuildScript()
    {
        foreach (string file in (string[])["build.sh", "Directory.Packages.props", "Directory.Build.props"])
            File.Copy(SourceTree.Path(file), InFolder(file));
        environment["PATH"] = InFolder("bin") + ":" + Environment.GetEnvironmentVariable("PATH");
    }

    public string Log => File.Exists(InFolder("log")) ? File.ReadAllText(InFolder("log")) : "";

    public string TorchProps => InFolder("torch.props");

    public void Dispose() => Directory.Delete(folder, recursive: true);

    public string InFolder(string path) => Path.Combine(folder, path);

    public BuildScript With(string variable, string value)
    {
        environment[variable] = value;
        return this;
    }

    public BuildScript WithFile(string path, string text)
    {
        Directory.CreateDirectory(Path.GetDirectoryName(InFolder(path))!);
        File.WriteAllText(InFolder(path), text);
        return this;
    }

    /// <summary>A stand-in for a tool: writes its arguments, one a line, to the log, then runs <paramref name="body"/>.</summary>
    public BuildScript WithTool(string name, string body)
    {
        WithFile($"bin/{name}", $"#!/bin/bash\nprintf '%s\\n' {name} \"$@\" >> '{InFolder("log")}'\n{body}\n");
        if (!OperatingSystem.IsWindows())
            File.SetUnixFileMode(InFolder($"bin/{name}"), UnixFileMode.UserRead | UnixFileMode.UserWrite | UnixFileMode.UserExecute);
        return this;
    }

    /// <summary>A <c>dotnet</c> that answers restores by package and leaves the rest to <paramref name="otherwise"/>.</summary>
    public BuildScript WithDotnet(string torch = "", string tokenizers = "", string verify = "", string otherwise = ":") => WithTool("dotnet", $$"""
        case $1 in
            --version) echo 10.0.100; exit 0 ;;
            restore)
                answer=$(case $(<ask.csproj) in
                    *'"TorchSharp-cpu"'*) echo '{{torch}}' ;;
                    *'"Microsoft.ML.Tokenizers"'*) echo '{{tokenizers}}' ;;
                    *'"Verify.Xunit"'*) echo '{{verify}}' ;;
                esac)
                [[ -z $answer ]] && exit 0
                echo "$answer"; exit 1 ;;
            tool) exit 0 ;;
        esac
        {{otherwise}}
        """);

    public Command.Result Run(params string[] arguments) => Start("bash", [InFolder("build.sh"), .. arguments]);

    /// <summary>What MSBuild makes of <c>Directory.Build.props</c> and the torch.props beside it.</summary>
    public string Property(string name, params string[] arguments)
    {
        WithFile("ask.proj", """<Project><Import Project="Directory.Build.props" /></Project>""");
        var result = Start("/usr/bin/env", ["dotnet", "msbuild", InFolder("ask.proj"), "-nologo", "-getProperty:" + name, .. arguments]);
        return result.Output.Trim();
    }

    private Command.Result Start(string program, IEnumerable<string> arguments) =>
        Command.Run(program, arguments, Path.GetTempPath(), environment);
}
