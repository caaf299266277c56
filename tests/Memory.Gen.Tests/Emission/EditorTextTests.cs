using System.Xml.Linq;
using Memory.Gen.Tests.Harness;
using Microsoft.CodeAnalysis;

namespace Memory.Gen.Tests.Emission;

/// <summary>What an editor shows at the name of a class: its first summary, and its remarks.</summary>
public class EditorTextTests
{
    [Theory]
    [InlineData("[SlidingAttention(Heads = 4, Window = 8)]", "whatever the length", "Receptive field: 15 tokens.")]
    [InlineData("[SlidingAttention(Heads = 4)]", "more for each token read", "more for each token of context")]
    [InlineData("[LinearMemory(Heads = 4)] [RecurrentMemory(SegmentTokens = 32, MemoryTokens = 2)]", "whatever the length", "spread over its new tokens")]
    public void ItShowsParametersStateAndCostBesideTheUsersOwnSummary(string mixers, string state, string cost)
    {
        string source = Declarations.Model(mixers).Replace("[MemoryModel(", "/// <summary>Mine.</summary>\n[MemoryModel(", StringComparison.Ordinal);
        Compilation compilation = Compile.WithEmitted(Compile.Library(source));
        INamedTypeSymbol model = compilation.GetTypeByMetadataName("Samples.Model")!;

        XElement shown = XElement.Parse(model.GetDocumentationCommentXml()!);
        Assert.Equal("Mine.", shown.Elements("summary").First().Value);
        string remarks = Assert.Single(shown.Elements("remarks")).Value;
        Assert.Contains("Parameters: ", remarks);
        Assert.Contains(state, remarks);
        Assert.Contains(cost, remarks);
        string card = XElement.Parse(model.GetMembers("Card").Single().GetDocumentationCommentXml()!).Element("summary")!.Value;
        Assert.All(remarks.Split('\n', StringSplitOptions.RemoveEmptyEntries | StringSplitOptions.TrimEntries), line => Assert.Contains(line, card));
    }
}
