using System.Runtime.CompilerServices;
using Memory.Gen.Generators.Analyzers;
using Microsoft.CodeAnalysis;

namespace Memory.Gen.Tests.Diagnostics;

/// <summary>Descriptors, pages and release rows say the same.</summary>
public class DocumentationTests
{
    private static readonly string Root = Path.GetFullPath(Path.Combine(Path.GetDirectoryName(ThisFile())!, "..", "..", ".."));

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
        string[] pages = [.. Directory.GetFiles(Path.Combine(Root, "docs", "diagnostics"), "MEMGEN*.md")
            .Select(p => Path.GetFileNameWithoutExtension(p)).Order(StringComparer.Ordinal)];
        Assert.Equal(Descriptors.All.Select(d => d.Id), pages);
        Assert.All(Descriptors.All, d =>
        {
            string page = File.ReadAllText(Path.Combine(Root, "docs", "diagnostics", d.Id + ".md"));
            Assert.StartsWith($"# {d.Id}: {d.Title}\n", page);
            Assert.Contains("## Wrong\n", page);
            Assert.Contains("## Right\n", page);
        });
    }

    [Fact]
    public void EveryDescriptorHasAReleaseRowAndEveryRowADescriptor()
    {
        string[][] rows = [.. new[] { "AnalyzerReleases.Shipped.md", "AnalyzerReleases.Unshipped.md" }
            .SelectMany(file => File.ReadAllLines(Path.Combine(Root, "generators", "Memory.Gen", file)))
            .Where(line => line.StartsWith("MEMGEN", StringComparison.Ordinal))
            .Select(line => line.Split('|', StringSplitOptions.TrimEntries))];
        Assert.Equal(
            Descriptors.All.Select(d => (d.Id, d.Category, d.DefaultSeverity.ToString(), $"{d.Title}, [documentation]({d.HelpLinkUri})")),
            rows.Select(r => (r[0], r[1], r[2], r[3])));
    }

    private static string ThisFile([CallerFilePath] string path = "") => path;
}
