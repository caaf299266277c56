using System.Text.RegularExpressions;
using Memory.Gen.Tests.Shared;

namespace Memory.Gen.Tests.Emission;

/// <summary>A header's equations tell the matrices apart: no two of them are called W.</summary>
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

    // What is applied to a vector, to a bracket or a norm of one, or spoken of as that of one.
    [GeneratedRegex(@"\bW (?:[a-z]'?_|[a-z]\)|\(|of |RMSNorm)")]
    private static partial Regex Nameless();
}
