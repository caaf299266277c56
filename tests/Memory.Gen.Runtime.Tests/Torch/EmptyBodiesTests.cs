using System.Xml.Linq;
using Memory.Gen.Tests.Shared;
using Xunit;

namespace Memory.Gen.Runtime.Tests.Torch;

/// <summary>What is written here must compile against the real TorchSharp, which the machine that runs this may not have.</summary>
public sealed class EmptyBodiesTests : IDisposable
{
    // What the build adds to every project with ImplicitUsings.
    private const string ImplicitUsings = """
        global using System;
        global using System.Collections.Generic;
        global using System.IO;
        global using System.Linq;
        global using System.Net.Http;
        global using System.Threading;
        global using System.Threading.Tasks;
        """;

    private static readonly string[] Ours = ["TorchSharp.dll", "Memory.Gen.Runtime.dll", "Memory.Gen.Training.dll", "Memory.Gen.Runtime.Tests.dll"];

    private readonly string folder = Directory.CreateTempSubdirectory("memory-gen-surface-").FullName;

    public void Dispose() => Directory.Delete(folder, recursive: true);

    // One declaration of everything that writes different code.
    private const string Declarations = """
        using Memory.Gen;

        namespace Declared;

        [MemoryModel(VocabSize = 64, Dim = 32, Pattern = "LSCDGHKRQTF MNOPW ABEIUV", TiedEmbeddings = true)]
        [LinearMemory('L', Rule = MemoryRule.Linear, Heads = 2, FeatureMap = FeatureMap.EluPlusOne, Normalized = true)]
        [LinearMemory('S', Rule = MemoryRule.ScalarDecay, Heads = 2, OutputGate = false, FeedForward = 0)]
        [LinearMemory('C', Rule = MemoryRule.ChannelDecay, Heads = 2, ConvWidth = 0, KeyDim = 8, ValueDim = 24)]
        [LinearMemory('D', Rule = MemoryRule.Delta, Heads = 2, NegativeEigenvalues = true)]
        [LinearMemory('G', Rule = MemoryRule.GatedDelta, Heads = 2)]
        [LinearMemory('H', Rule = MemoryRule.GatedDelta, Heads = 4, KeyHeads = 2)]
        [LinearMemory('K', Rule = MemoryRule.ChannelDelta, Heads = 2)]
        [LinearMemory('R', Rule = MemoryRule.GeneralizedDelta, Heads = 2)]
        [LinearMemory('T', Rule = MemoryRule.Delta, Heads = 2, Householders = 2)]
        [LinearMemory('F', Rule = MemoryRule.BonusDecay, Heads = 2)]
        [LinearMemory('Q', Rule = MemoryRule.GatedSlots, Heads = 2, Slots = 8)]
        [SelectiveStateSpace('M')]
        [LinearMemory('N', Rule = MemoryRule.ScalarDecay, StateSpace = true, Heads = 4)]
        [LinearMemory('O', Rule = MemoryRule.ScalarDecay, StateSpace = true, Heads = 4, Groups = 2)]
        [LinearMemory('P', Rule = MemoryRule.ScalarDecay, StateSpace = true, Heads = 4, Groups = 4)]
        [SlidingAttention('W', Heads = 4, KeyValueHeads = 2, Window = 8)]
        [MixtureOfMemories('A', Heads = 2)]
        [MixtureOfMemories('E', Heads = 4, KeyHeads = 2, Householders = 2)]
        [MixtureOfMemories('I', Rule = MemoryRule.GatedSlots, Heads = 2, Slots = 8)]
        [MixtureOfMemories('U', Rule = MemoryRule.TiedDecay, Heads = 2)]
        [MixtureOfMemories('V', Rule = MemoryRule.GeneralizedDelta, Heads = 2)]
        [MixtureOfMemories('B', Rule = MemoryRule.BonusDecay, Heads = 2, SharedMemory = false, SharedProjections = true)]
        public sealed partial class EveryRule;

        [MemoryModel(VocabSize = 64, Dim = 32, Layers = 2, FeedForward = 48)]
        [SlidingAttention(Heads = 4, RotaryBase = 0)]
        public sealed partial class FullAttention;

        [MemoryLayer(Dim = 32)]
        [LinearMemory(Heads = 2)]
        public sealed partial class OneLayer;

        // Without the generator's output this does not compile.
        public static class Used
        {
            public static object Models() => new object[] { new EveryRule().NewState(1), new FullAttention().NewState(1), new OneLayer().NewState(1), EveryRule.Card };
        }
        """;

    [Fact]
    public void Ours_and_what_is_emitted_compile_against_TorchSharp_0_107()
    {
        List<string> references = References();
        references.Add(Compiled("Memory.Gen.Runtime", Sources("runtime", "Memory.Gen.Runtime"), references));
        Compiled("Memory.Gen.Training", Sources("runtime", "Memory.Gen.Training"), references);

        string declared = Written("Declared.cs", Declarations);
        IReadOnlyList<string> errors = SdkCompiler.Compile(Path.Combine(folder, "Declared.dll"), [declared], references, language: "12", generator: Generator());
        Assert.True(errors.Count == 0, $"Emitted models do not compile as C# 12 against TorchSharp 0.107:\n{string.Join('\n', errors.Take(40))}");

        string wrong = Written("Wrong.cs", "using TorchSharp; class C { torch.Tensor M(torch.Tensor x) => x.mean(1); object N() => torch.nn.RMSNorm(8); }");
        errors = SdkCompiler.Compile(Path.Combine(folder, "Wrong.dll"), [wrong], references);
        Assert.Collection(errors, e => Assert.Contains("CS1503", e), e => Assert.Contains("CS0117", e));
    }

    private List<string> References()
    {
        List<string> references = [.. SdkCompiler.Framework(), .. Packages()];
        references.Add(Compiled("TorchSharp", [Written("TorchSharp.cs", EmptyBodies.Source(ApiLine.OfTorchSharp()))], references));
        return references;
    }

    // Built with this project, in the same configuration.
    private static string Generator() =>
        SourceTree.Path("generators", "Memory.Gen", "bin", new DirectoryInfo(AppContext.BaseDirectory).Parent!.Name, "netstandard2.0", "Memory.Gen.dll");

    private string Compiled(string name, IEnumerable<string> sources, IEnumerable<string> references)
    {
        string output = Path.Combine(folder, name + ".dll");
        IReadOnlyList<string> errors = SdkCompiler.Compile(output, [.. sources, Written(name + ".Usings.cs", ImplicitUsings)], references, bodies: name != "TorchSharp");
        Assert.True(errors.Count == 0, $"{name} does not compile against TorchSharp 0.107 ({errors.Count} errors):\n{string.Join('\n', errors.Take(40))}");
        return output;
    }

    private string Written(string name, string text)
    {
        string path = Path.Combine(folder, name);
        File.WriteAllText(path, text);
        return path;
    }

    // Everything the projects reference lies beside this test; what is compiled here from source does not count.
    private static IEnumerable<string> Packages() =>
        Directory.EnumerateFiles(AppContext.BaseDirectory, "*.dll").Where(f => !Ours.Contains(Path.GetFileName(f)) && SdkCompiler.IsManaged(f));

    // A project's own files and those it links.
    private static IEnumerable<string> Sources(string folder, string project)
    {
        string root = SourceTree.Path(folder, project);
        IEnumerable<string> own = Directory.EnumerateFiles(root, "*.cs", SearchOption.AllDirectories)
            .Where(f => Path.GetRelativePath(root, f).Split(Path.DirectorySeparatorChar)[0] is not ("obj" or "bin"));
        IEnumerable<string> linked = XDocument.Load(Path.Combine(root, project + ".csproj")).Descendants("Compile")
            .Select(c => c.Attribute("Include")?.Value).OfType<string>().Select(include => Path.GetFullPath(Path.Combine(root, include)));
        return own.Concat(linked);
    }
}
