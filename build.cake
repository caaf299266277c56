#load "tests/Memory.Gen.Tests/Build/TestSummary.cs"
#nullable enable

// Builds, and runs the tests. build.sh sets the machine up and starts this; see `./build.sh` for the commands.

string target = Argument("target", "build");
string provider = EnvironmentVariable("TorchProvider") ?? "package";
DirectoryPath root = Context.Environment.WorkingDirectory;
DirectoryPath artifacts = root.Combine("artifacts");
DirectoryPath results = artifacts.Combine("tests");

// What the kernels are built and tested with in the soak, one entry after the other. Races are those of the CUDA kernels, in the emulator.
const string Races = "races";
readonly string[] Sanitizers = ["address,undefined", Races];

// Runs a tool in silence; when it fails, everything it said is shown.
int Quietly(string tool, ProcessArgumentBuilder arguments)
{
    int code = StartProcess(tool, new ProcessSettings { Arguments = arguments, RedirectStandardOutput = true, RedirectStandardError = true },
        out IEnumerable<string> output, out IEnumerable<string> errors);
    foreach (string line in code == 0 ? [] : output.Concat(errors))
        Console.WriteLine(line);
    return code;
}

void Require(int code, string sentence)
{
    if (code != 0)
        throw new CakeException(sentence);
}

DirectoryPath NativeFolder(string name, string sanitizers = "") =>
    artifacts.Combine("cmake").Combine(sanitizers == "" ? name : $"{name}-{sanitizers.Replace(',', '-')}");

// One CMake project under native/; its library lands in artifacts/native/<rid>, one with sanitizers in its own folder. Ninja
// rebuilds only what changed.
void BuildNative(string name, string sanitizers = "", bool cuda = false)
{
    Console.WriteLine($"Building native/{name}{(sanitizers == "" ? "" : $" with the sanitizers {sanitizers}")}");
    DirectoryPath folder = NativeFolder(name, sanitizers);
    string libtorch = EnvironmentVariable("LIBTORCH") ?? "";

    // CMake remembers where it found things, so another libtorch needs a fresh start.
    FilePath cache = folder.CombineWithFilePath("CMakeCache.txt");
    if (FileExists(cache) && !System.IO.File.ReadLines(cache.FullPath).Any(line => line.StartsWith("LIBTORCH:") && line.EndsWith($"={libtorch}")))
        DeleteDirectory(folder, new DeleteDirectorySettings { Recursive = true });

    string failed = $"native/{name} does not build; what CMake and the compiler said stands above.";
    Require(Quietly("cmake", new ProcessArgumentBuilder()
        .Append("-S").AppendQuoted(root.Combine("native").Combine(name).FullPath)
        .Append("-B").AppendQuoted(folder.FullPath)
        .Append("-G Ninja -DCMAKE_BUILD_TYPE=Release")
        .AppendQuoted($"-DLIBTORCH={libtorch}").Append($"-DMEMGEN_CUDA={(cuda ? "ON" : "OFF")}")
        .AppendQuoted($"-DMEMGEN_SANITIZE={sanitizers}")), failed);
    Require(Quietly("cmake", new ProcessArgumentBuilder().Append("--build").AppendQuoted(folder.FullPath)), failed);
}

// Errors are shown as the compiler writes them, in full; nothing else is.
void BuildManaged(string project)
{
    Console.WriteLine($"Building {project}");
    Require(StartProcess("dotnet", new ProcessSettings
    {
        Arguments = new ProcessArgumentBuilder()
            .Append("msbuild").AppendQuoted(project).Append("-restore -maxcpucount -property:Configuration=Release -verbosity:quiet -nologo"),
    }), $"{project} does not build; the errors stand above.");
}

// What the test runner says beside the failures and the closing line of each project.
readonly string[] RunnerNoise = ["Test run for", "VSTest version", "A total of", "Results File:", "No test matches", "Data collector"];

// The tests of a project that a filter leaves. A run in which no test begins or ends for a long time is killed; the test that hangs is then named.
void RunTests(TestSummary summary, FilePath project, string part, string filter, string patience = "20m")
{
    string name = project.GetFilenameWithoutExtension() + part;
    Console.WriteLine($"Testing {name}");
    int code = StartProcess("dotnet", new ProcessSettings
    {
        Arguments = new ProcessArgumentBuilder()
            .Append("test").AppendQuoted(project.FullPath).Append("--no-build -c Release --nologo -v quiet")
            .Append("--filter").AppendQuoted(filter)
            .Append("--results-directory").AppendQuoted(results.FullPath)
            .Append("--logger").AppendQuoted($"trx;LogFileName={name}.trx")
            .Append("--logger").AppendQuoted("console;verbosity=minimal")
            .Append("--blame-hang-dump-type none --blame-hang-timeout").Append(patience),
        RedirectStandardOutput = true,
        RedirectedStandardOutputHandler = line =>
        {
            if (!string.IsNullOrWhiteSpace(line) && !RunnerNoise.Any(noise => line.StartsWith(noise, StringComparison.Ordinal)))
                Console.WriteLine(line);
            return line;
        },
    });
    lock (summary)
        summary.AddTrx(name, code, results.CombineWithFilePath(name + ".trx").FullPath);
}

void RunKernelTests(TestSummary summary, string sanitizers = "")
{
    string name = sanitizers == "" ? "native/kernels" : $"native/kernels with {sanitizers}";
    Console.WriteLine($"Testing {name}");
    FilePath report = results.CombineWithFilePath($"{NativeFolder("kernels", sanitizers).GetDirectoryName()}.xml");
    int code = Quietly("ctest", new ProcessArgumentBuilder()
        .Append("--test-dir").AppendQuoted(NativeFolder("kernels", sanitizers).FullPath)
        .Append(sanitizers == Races ? "-R cuda_on_host" : "").Append("--output-on-failure --parallel 2 --output-junit").AppendQuoted(report.FullPath));
    lock (summary)
        summary.AddJUnit(name, code, report.FullPath);
}

void RunSanitizedKernelTests(TestSummary summary)
{
    foreach (string sanitizers in DirectoryExists("native/kernels") ? Sanitizers : [])
    {
        BuildNative("kernels", sanitizers);
        RunKernelTests(summary, sanitizers);
    }
}

void RunEverything(bool soak)
{
    EnsureDirectoryExists(results);
    CleanDirectory(results);
    var summary = new TestSummary();
    IEnumerable<FilePath> projects = GetFiles("./tests/*.Tests/*.csproj").OrderBy(project => project.FullPath);
    if (soak)
    {
        foreach (FilePath project in projects)
            RunTests(summary, project, "", "Category=Soak", patience: "60m");
        RunSanitizedKernelTests(summary);
    }
    else
    {
        // Tests that start programs wait for them more than they compute, and the others of a project set what is one for a
        // process: each kind has a process of its own, two of which run at a time.
        List<Action> runs = [.. projects.SelectMany(project => new Action[]
        {
            () => RunTests(summary, project, " (commands)", "Category=Command&Category!=Soak"),
            () => RunTests(summary, project, "", "Category!=Command&Category!=Soak"),
        })];
        if (DirectoryExists("native/kernels"))
            runs.Add(() => RunKernelTests(summary));
        Parallel.Invoke(new ParallelOptions { MaxDegreeOfParallelism = 2 }, [.. runs]);
    }
    if (!soak && summary.Passed == 0 && summary.Failures.Count == 0)
        summary.Fail("test", "not one test ran");

    foreach (string failure in summary.Failures)
        Console.WriteLine($"FAILED {failure}");
    System.IO.File.WriteAllText(results.CombineWithFilePath("summary.txt").FullPath, summary + "\n");
}

Task("native").Does(() =>
{
    if (provider == "system")
        BuildNative("libtorch");
    if (DirectoryExists("native/kernels"))
        BuildNative("kernels");
});

Task("build").IsDependentOn("native").Does(() => BuildManaged("Memory.Gen.sln"));
Task("LanguageModel").IsDependentOn("native").Does(() => BuildManaged("samples/LanguageModel"));
Task("Recall").IsDependentOn("native").Does(() => BuildManaged("samples/Recall"));
Task("Bench").IsDependentOn("native").Does(() => BuildManaged("tests/Bench"));
// In folders of its own, because the paths in what is packed are not this machine's.
Task("pack").IsDependentOn("native").Does(() =>
{
    DirectoryPath packages = artifacts.Combine("packages");
    EnsureDirectoryExists(packages);
    CleanDirectory(packages);
    Console.WriteLine("Packing");
    Require(StartProcess("dotnet", new ProcessSettings
    {
        Arguments = new ProcessArgumentBuilder()
            .Append("pack Memory.Gen.Packages.slnf -c Release --nologo -v quiet -p:ContinuousIntegrationBuild=true -p:UseArtifactsOutput=true")
            .AppendQuoted($"-p:PackageOutputPath={packages.FullPath}").AppendQuoted($"-p:ArtifactsPath={artifacts.Combine("pack").FullPath}"),
    }), "The packages cannot be made; the errors stand above.");
    foreach (FilePath package in GetFiles(packages.FullPath + "/*.*nupkg").OrderBy(package => package.FullPath))
        Console.WriteLine($"  {root.GetRelativePath(package)}");
});

// The CUDA library for its devices, and its kernels as the emulator runs them.
Task("cuda").Does(() =>
{
    BuildNative("kernels", cuda: true);
    Console.WriteLine("Testing the CUDA kernels without a GPU");
    Require(Quietly("ctest", new ProcessArgumentBuilder()
        .Append("--test-dir").AppendQuoted(NativeFolder("kernels").FullPath).Append("--output-on-failure -R cuda_on_host")), "The CUDA kernels are wrong; what failed stands above.");
    Console.WriteLine($"  {root.GetRelativePath(GetFiles(artifacts.FullPath + "/native/*/libMemoryGenKernelsCuda.so").Single())}");
});

// Programs, the .NET runtime that they need, native sources and vectors for a machine that has a GPU and neither .NET nor a network.
Task("cuda-pack").Does(() =>
{
    DirectoryPath gpu = artifacts.Combine("gpu");
    EnsureDirectoryExists(gpu);
    CleanDirectory(gpu);
    foreach (string project in new[] { "tests/Conformance", "tests/Bench", "samples/LanguageModel" })
    {
        string name = DirectoryPath.FromString(project).GetDirectoryName();
        Console.WriteLine($"Publishing {project}");
        Require(Quietly("dotnet", new ProcessArgumentBuilder().Append("publish").AppendQuoted(project).Append("-c Release --nologo -v quiet -o").AppendQuoted(gpu.Combine("bin").Combine(name).FullPath)),
            $"{project} cannot be published; the errors stand above.");
    }
    Require(StartProcess("bash", new ProcessSettings { Arguments = new ProcessArgumentBuilder().AppendQuoted(root.CombineWithFilePath("tests/gpu/pack.sh").FullPath).AppendQuoted(gpu.FullPath) }),
        "artifacts/gpu.tar.xz cannot be made; the errors stand above.");
    Console.WriteLine($"  artifacts/gpu.tar.xz, {new System.IO.FileInfo(artifacts.CombineWithFilePath("gpu.tar.xz").FullPath).Length >> 20} MB. On the other machine: tar xf gpu.tar.xz && gpu/check.sh");
});

Task("test").IsDependentOn("build").Does(() => RunEverything(soak: false));
Task("soak").IsDependentOn("build").Does(() => RunEverything(soak: true));

// The kernels' part of the soak alone.
Task("sanitize").Does(() =>
{
    EnsureDirectoryExists(results);
    var summary = new TestSummary();
    RunSanitizedKernelTests(summary);
    foreach (string failure in summary.Failures)
        Console.WriteLine($"FAILED {failure}");
    Console.WriteLine(summary);
    Require(summary.Failures.Count, "The sanitizers found something; it stands above.");
});

RunTarget(target);
