using Memory.Gen.Tests.Shared;

namespace Memory.Gen.Tests.Documentation;

/// <summary>A page of an architecture tells what its reader came for.</summary>
public class ArchitecturePageTests
{
    public static TheoryData<string> Memories => [.. Directory.GetFiles(SourceTree.Path("docs", "architectures"), "*.md").Select(f => Path.GetFileNameWithoutExtension(f)).Where(n => n != "model")];

    [Theory]
    [MemberData(nameof(Memories))]
    public void ItHasEquationsOptionsSourceStateAndSaysWhenToUseIt(string page)
    {
        string text = File.ReadAllText(SourceTree.Path("docs", "architectures", page + ".md"));
        string[] sections = [.. text.Split('\n').Where(l => l.StartsWith("## ", StringComparison.Ordinal)).Select(l => l[3..])];
        Assert.Contains("Options", sections);
        Assert.Contains("When to use it", sections);
        Assert.Contains(sections, s => s is "Equations" or "What a token does");
        Assert.Contains(sections, s => s.Contains("ours", StringComparison.OrdinalIgnoreCase) || s.StartsWith("Where this differs", StringComparison.Ordinal));
        Assert.Contains(sections, s => s.Contains("state", StringComparison.OrdinalIgnoreCase));
        Assert.Contains("arXiv ", text, StringComparison.Ordinal);
    }
}
