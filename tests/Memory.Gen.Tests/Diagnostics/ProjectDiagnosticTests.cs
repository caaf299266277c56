using Memory.Gen.Tests.Harness;
using Memory.Gen.Tests.Shared;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Memory.Gen.Tests.Diagnostics;

/// <summary>Mistakes in the project around a declaration.</summary>
public class ProjectDiagnosticTests
{
    private static readonly string Source = Declarations.Model("[SlidingAttention(Heads = 4)]");

    [Theory]
    [InlineData("TorchSharp.")]
    [InlineData("Memory.Gen.Runtime.")]
    public async Task AMissingReferenceIsOneError(string missing) => Assert.Equal(
        [("MEMGEN301", "MemoryModel")],
        await DiagnosticAssert.All(Compile.Library(Source, references: Compile.References(without: missing))));

    [Theory]
    [InlineData("TorchSharp.")]
    [InlineData("Memory.Gen.Runtime.")]
    public async Task CodeThatUsesTheClassStillCompilesWithoutIt(string missing) => Assert.Equal(
        [("MEMGEN301", "MemoryModel")],
        await DiagnosticAssert.All(Compile.Library(
            Source + """

            internal static class Use
            {
                public static long Run(Model model, dynamic tokens)
                {
                    using Model.State state = model.NewState(2), copy = state.Clone(), loaded = Model.State.Load("state.safetensors");
                    model.forward(model.Step(model.Prefill(tokens, model.LoadState("state.safetensors")), copy));
                    state.Reset(0, 1);
                    return Model.Card.Parameters + state.Bytes;
                }
            }
            """,
            references: Compile.References(without: missing))));

    [Fact]
    public async Task ATypeCalledDynamicMakesNoOtherError() => Assert.Equal(
        [("MEMGEN301", "MemoryModel")],
        await DiagnosticAssert.All(Compile.Library(Source + " internal sealed class @dynamic;", references: Compile.References(without: "TorchSharp."))));

    [Fact]
    public async Task TheMessageGivesTheLineToWrite() => Assert.Contains(
        $"write <PackageReference Include=\"TorchSharp-cpu\" Version=\"{CompiledAgainst()}\" />",
        Assert.Single(await Compile.Diagnostics(Compile.Library(Source, references: Compile.References(without: "TorchSharp.")))).GetMessage(null));

    [Theory]
    [InlineData("0.105.0.0", true, true)]
    [InlineData("0.102.7.0", true, true)]
    [InlineData("0.106.0.0", true, false)]
    [InlineData("1.0.0.0", true, false)]
    [InlineData("0.1.0.0", false, false)]
    public async Task AnOldTorchSharpIsOneErrorThatSaysSo(string version, bool signed, bool old)
    {
        // Nothing but a name, a version and a key: what is written for the others cannot compile against it.
        var options = new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, cryptoPublicKey: [.. signed ? typeof(object).Assembly.GetName().GetPublicKey()! : []], publicSign: signed);
        CSharpCompilation torch = CSharpCompilation.Create(
            "TorchSharp", [CSharpSyntaxTree.ParseText($"[assembly: System.Reflection.AssemblyVersion(\"{version}\")] namespace TorchSharp {{ public static class torch; }}")],
            Compile.References(without: "TorchSharp."), options);
        IReadOnlyList<Diagnostic> reported = await Compile.Diagnostics(Compile.Library(
            Source, references: [.. Compile.References(without: "TorchSharp."), torch.ToMetadataReference()]));
        if (old)
            Assert.Contains($"needs TorchSharp 0.106 or newer, and this project references {version[..^2]}; write", Assert.Single(reported).GetMessage(null));
        else
            Assert.DoesNotContain(reported, d => d.Id == "MEMGEN301");
    }

    [Fact]
    public async Task ThePackageBesideTorchSharpLiteIsOneErrorThatSaysSo()
    {
        MetadataReference[] two = [.. new[] { false, true }.Select(signed => CSharpCompilation.Create(
            "TorchSharp", [CSharpSyntaxTree.ParseText("[assembly: System.Reflection.AssemblyVersion(\"0.107.0.0\")] namespace TorchSharp { public static class torch; }")], Compile.References(without: "TorchSharp."),
            new CSharpCompilationOptions(OutputKind.DynamicallyLinkedLibrary, cryptoPublicKey: [.. signed ? typeof(object).Assembly.GetName().GetPublicKey()! : []], publicSign: signed)).ToMetadataReference())];
        CSharpCompilation project = Compile.Library(Source, references: [.. Compile.References(without: "TorchSharp."), .. two]);
        Assert.Equal([("MEMGEN301", "MemoryModel")], await DiagnosticAssert.All(project));
        Assert.Contains(
            "needs one TorchSharp, and this project references two, the package and TorchSharp.Lite; build with TorchProvider=system",
            Assert.Single(await Compile.Diagnostics(project)).GetMessage(null));
    }

    private static string CompiledAgainst() =>
        System.Xml.Linq.XDocument.Load(SourceTree.Path("Directory.Packages.props"))
            .Descendants("TorchSharpVersion").Single().Value;

    [Fact]
    public async Task AnOldLanguageIsOneError()
    {
        CSharpCompilation compilation = Compile.Library(Source.Replace("LM;", "LM { }").Replace("Model;", "Model { }"), LanguageVersion.CSharp11);
        Assert.Equal([("MEMGEN302", "MemoryModel")], await DiagnosticAssert.All(compilation));
    }

    [Theory]
    [InlineData(LanguageVersion.CSharp10)]
    [InlineData(LanguageVersion.CSharp11)]
    public async Task CodeThatUsesTheClassStillCompilesInAnOldLanguage(LanguageVersion language) => Assert.Equal(
        [("MEMGEN302", "MemoryModel")],
        await DiagnosticAssert.All(Compile.Library(Source.Replace("Model;", "Model { }") + Declarations.Use, language)));
}
