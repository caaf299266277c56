using Memory.Gen.Generators.Analyzers;
using Memory.Gen.Tests.Documentation;
using Memory.Gen.Tests.Harness;
using Memory.Gen.Tests.Shared;
using Microsoft.CodeAnalysis;

namespace Memory.Gen.Tests.Diagnostics;

/// <summary>Descriptors, pages and release rows say the same, and the pages' examples are true.</summary>
public class DocumentationTests
{
    [Fact]
    public void EveryDescriptorIsFilledAndInOrder()
    {
        Assert.Equal(Descriptors.All.Select(d => d.Id).Order(StringComparer.Ordinal).Distinct(), Descriptors.All.Select(d => d.Id));
        Assert.All(Descriptors.All, d =>
        {
            Assert.Matches("^MEMGEN[0-9]{3}$", d.Id);
            Assert.Equal(Descriptors.Category, d.Category);
            Assert.NotEmpty(d.Title.ToString());
            Assert.NotEmpty(d.MessageFormat.ToString());
            Assert.NotEmpty(d.Description.ToString());
            Assert.EndsWith($"/docs/diagnostics/{d.Id}.md", d.HelpLinkUri);
        });
    }

    [Fact]
    public void EveryDescriptorHasAPageAndEveryPageADescriptor()
    {
        string[] pages = [.. Directory.GetFiles(SourceTree.Path("docs", "diagnostics"), "MEMGEN*.md")
            .Select(p => Path.GetFileNameWithoutExtension(p)).Order(StringComparer.Ordinal)];
        Assert.Equal(Descriptors.All.Select(d => d.Id), pages);
        Assert.All(Descriptors.All, d =>
        {
            string page = File.ReadAllText(SourceTree.Path("docs", "diagnostics", d.Id + ".md"));
            Assert.StartsWith($"# {d.Id}: {d.Title}\n", page);
            Assert.Equal(d.DefaultSeverity == DiagnosticSeverity.Warning, page.Contains("\n\nA warning. ", StringComparison.Ordinal));
            Assert.Contains("## Wrong\n", page);
            Assert.Contains("## Right\n", page);
        });
    }

    [Fact]
    public void EveryDescriptorHasAReleaseRowAndEveryRowADescriptor()
    {
        string[][] rows = [.. new[] { "AnalyzerReleases.Shipped.md", "AnalyzerReleases.Unshipped.md" }
            .SelectMany(file => File.ReadAllLines(SourceTree.Path("generators", "Memory.Gen", file)))
            .Where(line => line.StartsWith("MEMGEN", StringComparison.Ordinal))
            .Select(line => line.Split('|', StringSplitOptions.TrimEntries))];
        Assert.Equal(
            Descriptors.All.Select(d => (d.Id, d.Category, d.DefaultSeverity.ToString(), $"{d.Title}, [documentation]({d.HelpLinkUri})")),
            rows.Select(r => (r[0], r[1], r[2], r[3])));
    }

    public static TheoryData<string> Ids => [.. Descriptors.All.Select(d => d.Id).Except(["MEMGEN301", "MEMGEN302"])];

    [Theory]
    [MemberData(nameof(Ids))]
    public async Task WhatAPageCallsWrongIsReportedAndWhatItCallsRightIsNot(string id)
    {
        Snippet[] snippets = [.. new Page($"docs/diagnostics/{id}.md").Snippets];
        Assert.Equal(["Wrong", "Right"], snippets.Select(s => s.Heading));
        Assert.Equal([id], (await Compile.Diagnostics(new SnippetCode().Compilation(snippets[0]))).Select(d => d.Id));
        Assert.Equal([], (await Compile.Diagnostics(new SnippetCode().Compilation(snippets[1]))).Select(d => d.ToString()));
    }
}
