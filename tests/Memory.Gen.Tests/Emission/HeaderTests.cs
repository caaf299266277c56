using System.Text.RegularExpressions;
using Memory.Gen.Tests.Shared;

namespace Memory.Gen.Tests.Emission;

/// <summary>A header's equations tell the weights apart: no two matrices are called W, no two vectors of a layer b.</summary>
public partial class HeaderTests
{
    public static TheoryData<string> Texts =>
    [
        .. Directory.GetFiles(SourceTree.Path("tests", "Memory.Gen.Tests", "Snapshots"), "*.verified.cs")
            .Concat(Directory.GetFiles(SourceTree.Path("docs", "architectures"), "*.md"))
            .Select(file => Path.GetRelativePath(SourceTree.Root, file)),
    ];

    [Theory]
    [MemberData(nameof(Texts))]
    public void EveryMatrixHasAName(string path)
    {
        string text = File.ReadAllText(SourceTree.Path(path));
        int end = text.IndexOf("</auto-generated>", StringComparison.Ordinal);
        Assert.DoesNotMatch(Nameless(), end < 0 ? text : text[..end]);
        Assert.DoesNotMatch("W_[qkvo]\\b", text);
    }

    [Theory]
    [MemberData(nameof(Texts))]
    public void OneVectorOfALayerIsCalledB(string path)
    {
        string text = File.ReadAllText(SourceTree.Path(path));
        int end = text.IndexOf("</auto-generated>", StringComparison.Ordinal);
        string[] layers = end < 0 ? [.. text.Split("```").Where((_, i) => i % 2 == 1)] : text[..end].Split("//\n");
        Assert.All(layers, layer => Assert.True(B().Count(layer) <= 1, layer));
    }

    [GeneratedRegex(@"\+ b\)")]
    private static partial Regex B();

    // What is applied to a vector, to a bracket or a norm of one, or spoken of as that of one.
    [GeneratedRegex(@"\bW (?:[a-z]'?_|[a-z]\)|\(|of |RMSNorm)")]
    private static partial Regex Nameless();
}
