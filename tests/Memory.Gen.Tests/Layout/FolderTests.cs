namespace Memory.Gen.Tests.Layout;

/// <summary>
/// The folders of a project point one way: whoever reads one need not read those that stand on it. TorchSharp.Lite has the cut of
/// TorchSharp, where one class <c>torch</c> is spread over everything.
/// </summary>
public class FolderTests
{
    [Theory]
    [InlineData("generators/Memory.Gen")]
    [InlineData("generators/Memory.Gen.CodeFixes")]
    [InlineData("runtime/Memory.Gen.Abstractions")]
    [InlineData("runtime/Memory.Gen.Runtime")]
    [InlineData("runtime/Memory.Gen.Training")]
    [InlineData("samples/LanguageModel")]
    [InlineData("samples/Recall")]
    [InlineData("tests/Memory.Gen.Tests")]
    [InlineData("tests/Memory.Gen.Runtime.Tests")]
    public void NoFolderUsesOneThatUsesIt(string project)
    {
        string cycles = string.Join("\n", FolderGraph.Of(project).Cycles);
        Assert.True(cycles.Length == 0, cycles);
    }
}
