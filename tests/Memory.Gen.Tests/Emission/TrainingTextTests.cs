using System.Xml.Linq;
using Memory.Gen.Tests.Harness;
using Memory.Gen.Tests.Shared;
using Microsoft.CodeAnalysis;

namespace Memory.Gen.Tests.Emission;

/// <summary>
/// A loss that only a state can hold is left out by a call without one. Whoever trains such a class hears of it at the class, at
/// forward and on the pages.
/// </summary>
public class TrainingTextTests
{
    private const string Mixture = "[MixtureOfMemories('m', Heads = 4)]", BMojo = "[BMojoMemory('b', Heads = 4, Window = 8, EideticTokens = 4, FadingTokens = 2)]";

    public static TheoryData<string, string?> Models => new()
    {
        { Mixture, "balances the router" },
        { BMojo, "trains W_p" },
        { Mixture + BMojo, "balances the router and trains W_p" },
        { Mixture + "[SlidingAttention('a', Heads = 4)][RecurrentMemory(SegmentTokens = 16, MemoryTokens = 2)]", "balances the router" },
        { BMojo + "[HierarchicalMemory(SegmentTokens = 20)]", "trains W_p" },
        { "[MixtureOfMemories('m', Heads = 4, BalanceLoss = 0)]", null },
        { "[BMojoMemory('b', Heads = 4, Window = 8, EideticTokens = 4, FadingTokens = 2, PredictionLoss = 0)]", null },
        { "[BMojoMemory('b', Heads = 4, Window = 8, FadingTokens = 2)]", null },
        { "[LinearMemory('l', Heads = 4)]", null },
    };

    [Theory]
    [MemberData(nameof(Models))]
    public void AModelSaysHowToTrainIt(string mixers, string? does)
    {
        string letters = string.Concat("mbal".Where(letter => mixers.Contains($"'{letter}'", StringComparison.Ordinal)));
        Says(Declarations.Model(mixers, $"VocabSize = 256, Dim = 64, Pattern = \"{letters}\""), does);
    }

    [Theory]
    [InlineData("[MixtureOfMemories(Heads = 4)]", "balances the router")]
    [InlineData("[BMojoMemory(Heads = 4, Window = 8, EideticTokens = 4, FadingTokens = 2)]", "trains W_p")]
    [InlineData("[TitansMemory(TitansVariant.MemoryOnly, Heads = 4)]", null)]
    public void ALayerSaysHowToTrainIt(string mixer, string? does) => Says(Declarations.Layer(mixer, name: "Model"), does);

    [Theory]
    [InlineData("README.md")]
    [InlineData("docs/architectures/mixture-of-memories.md")]
    [InlineData("docs/architectures/bmojo.md")]
    public void ThePageSaysWhatToWrite(string path) =>
        Assert.Matches("(?s)Prefill\\(.{0,400}state\\.AuxiliaryLoss", File.ReadAllText(SourceTree.Path(path.Split('/'))));

    private static void Says(string source, string? does)
    {
        Compilation compilation = Compile.WithEmitted(Compile.Library(source));
        INamedTypeSymbol type = compilation.GetTypeByMetadataName("Samples.Model")!;
        ISymbol[] shown = [type, .. type.GetMembers("forward")];
        Assert.Equal(2, shown.Length);
        Assert.All(shown, symbol =>
        {
            string remarks = XElement.Parse(symbol.GetDocumentationCommentXml()!).Element("remarks")?.Value ?? "";
            if (does is null)
                Assert.DoesNotContain("AuxiliaryLoss", remarks, StringComparison.Ordinal);
            else
                Assert.Contains($"To train, Prefill a new state and add its AuxiliaryLoss, which {does};", remarks, StringComparison.Ordinal);
        });
    }
}
