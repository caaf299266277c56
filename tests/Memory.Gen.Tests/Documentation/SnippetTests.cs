using System.Reflection;
using Memory.Gen.Tests.Harness;
using Memory.Gen.Tests.Shared;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using TorchSharp;

namespace Memory.Gen.Tests.Documentation;

/// <summary>The C# code on the pages compiles, without a warning; that of <c>extending.md</c> has tests of its own, and so have wrong declarations.</summary>
public class SnippetTests
{
    private static readonly string[] Emitted =
        [.. Directory.GetFiles(SourceTree.Path("tests", "Memory.Gen.Tests", "Snapshots"), "*.verified.cs").Select(f => Flat(File.ReadAllText(f)))];

    public static TheoryData<string> Pages =>
        [.. Page.All.Where(p => p != "docs/extending.md" && !p.StartsWith("docs/diagnostics/", StringComparison.Ordinal) && new Page(p).Snippets.Any())];

    [Theory]
    [MemberData(nameof(Pages))]
    public async Task WhatAPageShowsCompiles(string path)
    {
        var code = new SnippetCode();
        foreach (Snippet snippet in new Page(path).Snippets.Where(s => !IsEmitted(s)))
            foreach (Diagnostic diagnostic in await Compile.Diagnostics(code.Compilation(snippet)))
                Assert.Fail($"{snippet.Place}: {diagnostic}\n{diagnostic.Location.SourceTree}");
    }

    [Fact]
    public void ReadmeShowsEmittedCodeAsItIs() =>
        Assert.Contains(new Page("README.md").Snippets, s => s.Code.StartsWith("public override Tensor forward", StringComparison.Ordinal) && IsEmitted(s));

    [Fact]
    public void ReadmeCountsTheLinesOfTheEmittedFile()
    {
        string readme = File.ReadAllText(SourceTree.Path("README.md"));
        Assert.Contains("Snapshots/NormalizedLinearLayer.verified.cs", readme, StringComparison.Ordinal);
        double lines = File.ReadAllLines(SourceTree.Path("tests", "Memory.Gen.Tests", "Snapshots", "NormalizedLinearLayer.verified.cs")).Length;
        Assert.Contains($"becomes a file of about {Math.Round(lines / 10) * 10} lines", readme, StringComparison.Ordinal);
    }

    [Fact]
    public void TheLayerInAModelOfOnesOwnLearns()
    {
        var code = new SnippetCode();
        CSharpCompilation last = new Page("README.md").Snippets.Where(s => !IsEmitted(s)).Select(code.Compilation).Last();
        Type type = BuiltModel.Load(last, "Page.MyModel");
        using var model = (torch.nn.Module<torch.Tensor, torch.Tensor>)Activator.CreateInstance(type)!;
        using var x = torch.randn(2, 5, 512);
        using torch.Tensor y = model.call(x);
        Assert.Equal(x.shape, y.shape);
        y.sum().backward();
        Assert.Contains(model.named_parameters(), p => p.name.StartsWith("memory.", StringComparison.Ordinal));
        Assert.All(model.named_parameters(), p => Assert.False(p.parameter.grad is null, p.name));
    }

    // A part of a snapshot, which another test compares with what is written.
    private static bool IsEmitted(Snippet snippet) => Emitted.Any(file => file.Contains(Flat(snippet.Code), StringComparison.Ordinal));

    private static string Flat(string code) => string.Join('\n', code.Split('\n').Select(line => line.Trim()));
}
