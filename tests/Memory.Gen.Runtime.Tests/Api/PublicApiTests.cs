using System.Reflection;
using System.Xml.Linq;
using Memory.Gen.Runtime.Tests.Torch;
using Memory.Gen.Tests.Shared;
using Xunit;

namespace Memory.Gen.Runtime.Tests.Api;

/// <summary>
/// What the public assemblies offer stands in a list beside each project, so that a change is a decision. After one that is meant, run
/// these tests once with MEMORY_GEN_ACCEPT_SNAPSHOTS=1 and read the difference before committing it.
/// </summary>
public class PublicApiTests
{
    [Theory]
    [InlineData("Memory.Gen.Abstractions")]
    [InlineData("Memory.Gen.Runtime")]
    [InlineData("Memory.Gen.Training")]
    public void TheListIsWhatTheAssemblyOffers(string name)
    {
        string file = SourceTree.Path("runtime", name, "PublicApi.txt");
        string[] actual = [.. ApiPrinter.Lines(Assembly.Load(name)).Select(l => l.ToString()).Where(l => !l.Contains("<Clone>$", StringComparison.Ordinal)).Order(StringComparer.Ordinal)];
        if (Environment.GetEnvironmentVariable("MEMORY_GEN_ACCEPT_SNAPSHOTS") == "1")
            File.WriteAllText(file, string.Concat(actual.Select(l => l + "\n")));
        string[] expected = File.Exists(file) ? File.ReadAllLines(file) : [];
        string[] difference = [.. expected.Except(actual).Select(l => "- " + l), .. actual.Except(expected).Select(l => "+ " + l)];
        Assert.True(difference.Length == 0, $"{name} offers something else than {file} lists:\n{string.Join('\n', difference.Take(20))}");
    }

    // A member without documentation is an error of the compiler (CS1591): here only that nobody turned it off.
    [Theory]
    [InlineData("Memory.Gen.Abstractions")]
    [InlineData("Memory.Gen.Runtime")]
    [InlineData("Memory.Gen.Training")]
    public void EveryPublicTypeIsDocumentedAndTheCompilerWatchesOverMembers(string name)
    {
        XDocument project = XDocument.Load(SourceTree.Path("runtime", name, name + ".csproj"));
        Assert.DoesNotContain(project.Descendants(), e => e.Name.LocalName is "NoWarn" or "GenerateDocumentationFile" or "TreatWarningsAsErrors");
        Assembly assembly = Assembly.Load(name);
        HashSet<string> documented = [.. XDocument.Load(Path.ChangeExtension(assembly.Location, ".xml")).Descendants("member").Select(m => m.Attribute("name")!.Value)];
        Assert.All(assembly.GetExportedTypes(), t => Assert.Contains("T:" + t.FullName!.Replace('+', '.'), documented));
    }
}
