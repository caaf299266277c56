using Memory.Gen.Tests.Harness;
using Memory.Gen.Tests.Shared;
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
    public async Task TheMessageGivesTheLineToWrite() => Assert.Contains(
        $"write <PackageReference Include=\"TorchSharp-cpu\" Version=\"{CompiledAgainst()}\" />",
        Assert.Single(await Compile.Diagnostics(Compile.Library(Source, references: Compile.References(without: "TorchSharp.")))).GetMessage(null));

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
