using Memory.Gen.Generators.Analyzers;
using Memory.Gen.Tests.Documentation;
using Memory.Gen.Tests.Harness;
using Memory.Gen.Tests.Shared;
using System.Xml.Linq;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

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

    // What a project is wrong with stands in its file.
    private static readonly string[] OfProjects = ["MEMGEN301", "MEMGEN302"];

    public static TheoryData<string> Ids => [.. Descriptors.All.Select(d => d.Id).Except(OfProjects)];

    public static TheoryData<string> ProjectIds => [.. OfProjects];

    [Theory]
    [MemberData(nameof(Ids))]
    public async Task WhatAPageCallsWrongIsReportedAndWhatItCallsRightIsNot(string id)
    {
        Snippet[] snippets = [.. new Page($"docs/diagnostics/{id}.md").Snippets];
        Assert.Equal(["Wrong", "Right"], snippets.Select(s => s.Heading));
        Assert.Equal([id], (await Compile.Diagnostics(new SnippetCode().Compilation(snippets[0]))).Select(d => d.Id));
        Assert.Equal([], (await Compile.Diagnostics(new SnippetCode().Compilation(snippets[1]))).Select(d => d.ToString()));
    }

    [Theory]
    [MemberData(nameof(ProjectIds))]
    public async Task AProjectThatAPageCallsWrongIsReportedAndOneThatItCallsRightIsNot(string id)
    {
        Snippet[] snippets = [.. new Page($"docs/diagnostics/{id}.md").In("xml")];
        Assert.Equal(["Wrong", "Right"], snippets.Select(s => s.Heading));
        Assert.Equal([id], (await Compile.Diagnostics(Project(snippets[0]))).Select(d => d.Id));
        Assert.Equal([], (await Compile.Diagnostics(Project(snippets[1]))).Select(d => d.ToString()));
    }

    // A declaration in a project that has what a snippet says, and what it leaves out as it has to be.
    private static CSharpCompilation Project(Snippet snippet)
    {
        XElement said = XElement.Parse(snippet.Code);
        LanguageVersion language = LanguageVersion.CSharp12;
        if (said.Element("LangVersion") is { } version)
            Assert.True(LanguageVersionFacts.TryParse(version.Value, out language), snippet.Place);
        string[] assemblies = [.. said.Elements("ProjectReference").Where(p => p.Attribute("OutputItemType") is null).Select(p => AssemblyOf(p.Attribute("Include")!.Value))];
        string[] missing = assemblies.Length == 0 ? [] : [.. Product.Except(assemblies).Select(name => name + ".dll")];
        return Compile.Library(Declarations.Model("[SlidingAttention(Heads = 4)]").Replace("Model;", "Model { }"), language, references: Compile.References(missing));
    }

    private static readonly string[] Product = ["Memory.Gen.Abstractions", "Memory.Gen.Runtime", "Memory.Gen.Training", "TorchSharp"];

    private static string AssemblyOf(string project) =>
        XDocument.Load(SourceTree.Path(project)).Descendants("AssemblyName").SingleOrDefault()?.Value ?? Path.GetFileNameWithoutExtension(project);
}
