using Memory.Gen.Generators;
using Memory.Gen.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.Text;

namespace Memory.Gen.Tests.Incrementality;

/// <summary>What an edit runs again: nothing, unless it touches a declaration.</summary>
public class CachingTests
{
    private const string Elsewhere = "namespace Other; internal static class Unrelated { public const int Number = 1; }";

    private static readonly string[] Steps =
    [
        TrackingNames.Project, TrackingNames.Declarations, TrackingNames.Build, TrackingNames.Start, TrackingNames.Collisions, TrackingNames.Inputs,
    ];

    public static TheoryData<string> Kinds => [.. Declarations.EveryKind];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void ACloneRunsNothingAgain(string attributes) => AssertCached(Rerun(attributes, compilation => compilation.Clone()));

    [Theory]
    [MemberData(nameof(Kinds))]
    public void AnEditElsewhereRunsNothingAgain(string attributes) => AssertCached(Rerun(attributes, compilation =>
        Replace(compilation, 1, text => text.Replace("Number = 1", "Number = 2; public const string Text = \"\""))));

    [Theory]
    [MemberData(nameof(Kinds))]
    public void AMovedDeclarationRunsNothingAgain(string attributes) => AssertCached(Rerun(attributes, compilation =>
        Replace(compilation, 0, text => text.Replace("[MemoryModel", "// moved down\n\n[MemoryModel"))));

    [Fact]
    public void EveryAttributeIsAmongThem()
    {
        string all = string.Join(" ", Declarations.EveryKind) + "[MemoryModel][MemoryLayer]";
        Assert.All(
            typeof(MemoryModelAttribute).Assembly.GetExportedTypes().Where(t => t.IsSubclassOf(typeof(Attribute)) && !t.IsAbstract),
            t => Assert.Contains("[" + t.Name.Replace("Attribute", ""), all));
    }

    [Theory]
    [MemberData(nameof(Kinds))]
    public void AnEditOfOneDeclarationWritesOnlyItsFile(string attributes)
    {
        GeneratorRunResult result = Rerun(attributes, compilation =>
            Replace(compilation, 0, text => text.Replace("VocabSize = 256", "VocabSize = 512")));
        Assert.Equal([IncrementalStepRunReason.Modified, IncrementalStepRunReason.Unchanged], Reasons(result, TrackingNames.Declarations));
        Assert.Equal(
            [IncrementalStepRunReason.Modified, IncrementalStepRunReason.Cached, IncrementalStepRunReason.Cached],
            result.TrackedOutputSteps.SelectMany(s => s.Value).SelectMany(s => s.Outputs).Select(o => o.Reason).Order());
    }

    // A model with these attributes, and a layer beside it.
    private static GeneratorRunResult Rerun(string attributes, Func<CSharpCompilation, CSharpCompilation> edit)
    {
        CSharpCompilation compilation = Compile.Library(Declarations.Model(attributes) + """

            [MemoryLayer(Dim = 64)]
            [LinearMemory(Heads = 4, Rule = MemoryRule.ScalarDecay)]
            public sealed partial class DecayLayer;
            """);
        compilation = compilation.AddSyntaxTrees(CSharpSyntaxTree.ParseText(
            Elsewhere, (CSharpParseOptions)compilation.SyntaxTrees[0].Options, "Elsewhere.cs"));
        GeneratorDriver driver = Compile.Driver(compilation).RunGenerators(compilation);
        return driver.RunGenerators(edit(compilation)).GetRunResult().Results.Single();
    }

    private static CSharpCompilation Replace(CSharpCompilation compilation, int tree, Func<string, string> edit)
    {
        SyntaxTree before = compilation.SyntaxTrees[tree];
        string text = before.GetText().ToString(), edited = edit(text);
        Assert.NotEqual(text, edited);
        return compilation.ReplaceSyntaxTree(before, before.WithChangedText(SourceText.From(edited)));
    }

    private static void AssertCached(GeneratorRunResult result)
    {
        foreach (string step in Steps)
            Assert.All(Reasons(result, step), AssertKept);
        Assert.Equal(3, result.GeneratedSources.Length); // two classes, and the assembly's own
        Assert.All(
            result.TrackedOutputSteps.SelectMany(s => s.Value).SelectMany(s => s.Outputs),
            output => Assert.Equal(IncrementalStepRunReason.Cached, output.Reason));
    }

    private static void AssertKept(IncrementalStepRunReason reason) =>
        Assert.True(reason is IncrementalStepRunReason.Cached or IncrementalStepRunReason.Unchanged, reason.ToString());

    private static IncrementalStepRunReason[] Reasons(GeneratorRunResult result, string step)
    {
        IncrementalStepRunReason[] reasons = [.. result.TrackedSteps[step].SelectMany(s => s.Outputs).Select(o => o.Reason)];
        Assert.NotEmpty(reasons);
        return reasons;
    }
}
