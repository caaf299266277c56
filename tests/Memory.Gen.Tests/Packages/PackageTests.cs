using System.Reflection;
using System.Xml.Linq;
using Memory.Gen.Tests.Build;
using Memory.Gen.Tests.Shared;

namespace Memory.Gen.Tests.Packages;

/// <summary>The packages hold what they should, and a project outside the repository builds and trains with them.</summary>
[Trait("Category", "Command")]
public class PackageTests(PackedFeed feed) : IClassFixture<PackedFeed>
{
    private static readonly string[] Everywhere = ["LICENSE", "README.md", "THIRD-PARTY-NOTICES.md"];

    // That of the provider that these tests were built with, whatever the feed holds.
    private static readonly string Flavour = typeof(PackageTests).Assembly.GetCustomAttributes<AssemblyMetadataAttribute>().Single(m => m.Key == "PackageFlavour").Value ?? "";

    [Fact]
    public void EachHasItsFilesAndNoOther()
    {
        Assert.Equal(
            new HashSet<string>(["Memory.Gen" + Flavour, "Memory.Gen.Kernels.linux-x64", "Memory.Gen.Runtime" + Flavour, "Memory.Gen.Templates" + Flavour, "Memory.Gen.Training" + Flavour]),
            feed.Packages.Keys.ToHashSet());
        Holds("Memory.Gen" + Flavour,
            "analyzers/dotnet/cs/Memory.Gen.CodeFixes.dll", "analyzers/dotnet/cs/Memory.Gen.dll");
        Holds("Memory.Gen.Training" + Flavour, "lib/net10.0/Memory.Gen.Training.dll", "lib/net10.0/Memory.Gen.Training.xml");
        // Those for CUDA too, where ./build.sh cuda made them.
        List<string> kernels = ["runtimes/linux-x64/native/libMemoryGenKernels.so"];
        if (File.Exists(SourceTree.Path("artifacts/native/linux-x64/libMemoryGenKernelsCuda.so")))
            kernels.Add("runtimes/linux-x64/native/libMemoryGenKernelsCuda.so");
        Holds("Memory.Gen.Kernels.linux-x64", [.. kernels]);
        Holds("Memory.Gen.Templates" + Flavour,
            "content/memory-lm/.template.config/template.json", "content/memory-lm/JournalLM.cs", "content/memory-lm/MemoryLM.csproj", "content/memory-lm/Program.cs");
        if (Flavour == "")
            Holds("Memory.Gen.Runtime",
                "lib/net10.0/Memory.Gen.Abstractions.dll", "lib/net10.0/Memory.Gen.Abstractions.xml", "lib/net10.0/Memory.Gen.Runtime.dll", "lib/net10.0/Memory.Gen.Runtime.xml");
        else
            Holds("Memory.Gen.Runtime.System",
                "buildTransitive/Memory.Gen.Runtime.System.targets",
                "lib/net10.0/Memory.Gen.Abstractions.dll", "lib/net10.0/Memory.Gen.Abstractions.xml",
                "lib/net10.0/Memory.Gen.Runtime.dll", "lib/net10.0/Memory.Gen.Runtime.xml", "lib/net10.0/TorchSharp.dll", "lib/net10.0/TorchSharp.xml",
                "runtimes/linux-x64/native/libLibTorchSharp.so");

        void Holds(string id, params string[] files) => Assert.Equal(
            [.. files.Concat(Everywhere).Append(id + ".nuspec").Order(StringComparer.Ordinal)], feed.Files(id));
    }

    [Fact]
    public void SymbolsOfTheLibrariesAreBesideThem()
    {
        Assert.Equal(["Memory.Gen.Runtime" + Flavour, "Memory.Gen.Training" + Flavour], feed.Symbols.Keys.Order(StringComparer.Ordinal));
        Assert.Contains("lib/net10.0/Memory.Gen.Runtime.pdb", PackedFeed.Entries(feed.Symbols["Memory.Gen.Runtime" + Flavour]));
        Assert.Contains("lib/net10.0/Memory.Gen.Training.pdb", PackedFeed.Entries(feed.Symbols["Memory.Gen.Training" + Flavour]));
    }

    [Fact]
    public void EachSaysWhereItComesFromAndWhatItNeeds()
    {
        foreach (string id in feed.Packages.Keys)
        {
            XElement metadata = XDocument.Parse(feed.Text(id, id + ".nuspec")).Root!.Elements().Single();
            Assert.Equal("MIT", Value("license"));
            Assert.Equal("README.md", Value("readme"));
            Assert.NotEmpty(Value("description"));
            XElement repository = metadata.Elements().Single(e => e.Name.LocalName == "repository");
            Assert.Equal("git", repository.Attribute("type")!.Value);
            if (IsRepository)
                Assert.Matches("^[0-9a-f]{40}$", repository.Attribute("commit")!.Value);

            string Value(string name) => metadata.Elements().Single(e => e.Name.LocalName == name).Value;
        }

        Assert.Equal(["Memory.Gen.Kernels.linux-x64", "Memory.Gen.Runtime" + Flavour], Dependencies("Memory.Gen" + Flavour));
        Assert.Equal(Flavour == "" ? ["CommunityToolkit.HighPerformance", "TorchSharp"] : ["CommunityToolkit.HighPerformance"], Dependencies("Memory.Gen.Runtime" + Flavour));
        Assert.Contains("Memory.Gen.Runtime" + Flavour, Dependencies("Memory.Gen.Training" + Flavour));
        Assert.Empty(Dependencies("Memory.Gen.Kernels.linux-x64"));

        IEnumerable<string> Dependencies(string id) => XDocument.Parse(feed.Text(id, id + ".nuspec")).Descendants()
            .Where(e => e.Name.LocalName == "dependency").Select(e => e.Attribute("id")!.Value).Order(StringComparer.Ordinal);
    }

    [Fact]
    public void PackedAgainTheyAreTheSameBytes()
    {
        feed.Pack("again");
        Assert.All(feed.Packages.Values.Concat(feed.Symbols.Values), p => Assert.Equal(File.ReadAllBytes(p), File.ReadAllBytes(feed.InFolder("again/" + Path.GetFileName(p)))));
    }

    [Fact]
    public void ANewProjectFromTheTemplateBuildsTrainsAndWrites()
    {
        Succeed(".", "new", "install", feed.Packages["Memory.Gen.Templates" + Flavour], "--debug:custom-hive", feed.InFolder("hive"));
        Succeed(".", "new", "memory-lm", "-o", "Diary", "--debug:custom-hive", feed.InFolder("hive"));
        Directory.CreateDirectory(feed.InFolder("text"));
        for (int i = 0; i < 20; i++)
            File.WriteAllText(feed.InFolder($"text/{i}.txt"), string.Concat(Enumerable.Repeat($"Page {i}: returns the value that was written on page {i - 1}.\n", 60)));
        Succeed("Diary", "build", "-c", "Release", "--nologo", "-v", "quiet", "-warnaserror");
        Assert.Contains("namespace Diary;", File.ReadAllText(Directory.GetFiles(feed.InFolder("Diary/obj/emitted"), "*JournalLM.g.cs", SearchOption.AllDirectories).Single()));

        string[] run = ["run", "-c", "Release", "--no-build", "--"];
        string output = Succeed("Diary", [.. run, "10", feed.InFolder("text")]);
        Assert.Contains("step 10,", output);
        Assert.Contains("bits a byte", output);
        Assert.Equal(["checkpoint-000010", "memory-10.safetensors"], Saved());
        byte[] memory = File.ReadAllBytes(feed.InFolder("Diary/checkpoints/memory-10.safetensors"));

        // Again: nothing is left to train, and the text goes on from its memory.
        Assert.DoesNotContain("step 1,", Succeed("Diary", [.. run, "10", feed.InFolder("text")]));
        Assert.NotEqual(memory, File.ReadAllBytes(feed.InFolder("Diary/checkpoints/memory-10.safetensors")));
        // Longer: the training goes on, and what it writes begins with other weights.
        Assert.Contains("step 12,", Succeed("Diary", [.. run, "12", feed.InFolder("text")]));
        Assert.Equal(["checkpoint-000010", "checkpoint-000012", "memory-10.safetensors", "memory-12.safetensors"], Saved());

        Command.Result mistaken = feed.Dotnet("Diary", [.. run, "abc"]), missing = feed.Dotnet("Diary", [.. run, "10", feed.InFolder("none")]);
        Assert.Equal((2, "'abc' is no number of steps. Usage: dotnet run -c Release -- [STEPS] [FILE OR FOLDER]\n"), (mistaken.ExitCode, mistaken.Errors));
        Assert.Equal((1, $"{feed.InFolder("none")} does not exist; give a text file or a folder of text files.\n"), (missing.ExitCode, missing.Errors));
        Assert.True(File.Exists(feed.InFolder("Diary/bin/Release/net10.0/runtimes/linux-x64/native/libMemoryGenKernels.so")));

        string[] Saved() => [.. Directory.GetFileSystemEntries(feed.InFolder("Diary/checkpoints")).Select(path => Path.GetFileName(path)).Order(StringComparer.Ordinal)];
    }

    [Fact]
    public void TheSystemPackagesRefuseToBuildBesideTorchSharp()
    {
        if (Flavour == "")
            return; // These packages bring no assembly of that name.
        Succeed("TorchSharp", "new", "classlib", "--no-restore");
        Succeed("TorchSharp", "pack", "--nologo", "-v", "quiet", "-p:Version=99.0.0", "-p:PackageOutputPath=" + feed.InFolder("feed"));
        Directory.CreateDirectory(feed.InFolder("Both"));
        File.WriteAllText(feed.InFolder("Both/Both.csproj"), """
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup><TargetFramework>net10.0</TargetFramework></PropertyGroup>
              <ItemGroup>
                <PackageReference Include="Memory.Gen.System" Version="0.1.0" />
                <PackageReference Include="TorchSharp" Version="99.0.0" />
              </ItemGroup>
            </Project>
            """);
        Command.Result result = feed.Dotnet("Both", "build", "--nologo", "-v", "quiet");
        File.Delete(feed.InFolder("feed/TorchSharp.99.0.0.nupkg"));
        Assert.NotEqual(0, result.ExitCode);
        Assert.Contains("use the packages without .System", result.Output);
    }

    // In folders of its own, because what these tests run lies in the repository's.
    [Fact]
    public void AProjectBesideTheRepositoryBuildsWithTheLinesOfTheReadme()
    {
        string[] lines = [.. File.ReadLines(SourceTree.Path("README.md")).Where(line => line.StartsWith("<ProjectReference", StringComparison.Ordinal))];
        Assert.Contains("TorchSharp.Lite", lines[^1]);
        string torch = Flavour == "" ? "<PackageReference Include=\"TorchSharp-cpu\" Version=\"*\" />" : lines[^1];
        Directory.CreateDirectory(feed.InFolder("Beside"));
        File.WriteAllText(feed.InFolder("Beside/Beside.csproj"), $"""
            <Project Sdk="Microsoft.NET.Sdk">
              <PropertyGroup><TargetFramework>net10.0</TargetFramework><OutputType>Exe</OutputType></PropertyGroup>
              <ItemGroup>{string.Concat(lines[..^1].Append(torch)).Replace("../memory-gen", SourceTree.Root)}</ItemGroup>
            </Project>
            """);
        File.WriteAllText(feed.InFolder("Beside/Program.cs"), """
            using Memory.Gen;
            using TorchSharp;
            using Mine;
            using var layer = new RecallLayer();
            System.Console.WriteLine(layer.call(torch.zeros(1, 3, 16)).shape[2]);
            namespace Mine
            {
                [MemoryLayer(Dim = 16)]
                [LinearMemory(Rule = MemoryRule.GatedDelta, Heads = 2)]
                public sealed partial class RecallLayer;
            }
            """);
        string[] own = ["-p:UseArtifactsOutput=true", "-p:ArtifactsPath=" + feed.InFolder("beside-artifacts"), "-p:TorchProvider=" + (Flavour == "" ? "package" : "system")];
        Command.Result result = Command.Run("dotnet", ["build", feed.InFolder("Beside"), "-c", "Release", "--nologo", "-v", "quiet", .. own], SourceTree.Root, new Dictionary<string, string?>());
        Assert.True(result.ExitCode == 0, result.Output + result.Errors);
        Assert.Equal("16\n", feed.Dotnet("Beside", "exec", feed.InFolder("beside-artifacts/bin/Beside/release/Beside.dll")).Output);
    }

    [Fact]
    public void ASampleBuildsAgainstThem() => BuildsAgainstThem("Recall");

    [Fact]
    [Trait("Category", "Soak")]
    public void TheOtherSampleBuildsAgainstThem() => BuildsAgainstThem("LanguageModel");

    private void BuildsAgainstThem(string sample)
    {
        Command.Result result = Command.Run(
            "dotnet",
            [
                "build", "samples/" + sample, "-c", "Release", "--nologo", "-v", "quiet", "-p:MemoryGenFrom=packages", "-p:PackagesFolder=" + feed.InFolder("feed"),
                "-p:UseArtifactsOutput=true", "-p:ArtifactsPath=" + feed.InFolder("samples"),
            ],
            SourceTree.Root, new Dictionary<string, string?>());
        Assert.True(result.ExitCode == 0, result.Output + result.Errors);
        Assert.True(File.Exists(feed.InFolder($"samples/bin/{sample}/release/Memory.Gen.Runtime.dll")));
    }

    // The sources may be an archive's. Git itself is not asked: it may refuse a folder that is somebody else's.
    private static bool IsRepository => Path.Exists(SourceTree.Path(".git"));

    private string Succeed(string path, params string[] arguments)
    {
        Command.Result result = feed.Dotnet(path, arguments);
        Assert.True(result.ExitCode == 0, $"dotnet {string.Join(' ', arguments)}\n{result.Output}{result.Errors}");
        return result.Output;
    }
}
