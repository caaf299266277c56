using Memory.Gen.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Memory.Gen.Tests.Incrementality;

/// <summary>
/// After any edit the files are those that a generator writes which has never seen the project before: what a declaration
/// means may be decided in another file.
/// </summary>
public class EditTests
{
    private const string Declared = """
        using Memory.Gen;
        using Sizes = Settings.Widths;

        namespace Samples;

        [MemoryModel(VocabSize = 256, Dim = Sizes.Dim, Layers = (int)Depth.Deep)]
        [SlidingAttention(Heads = Sizes.Heads, Window = 8)]
        public sealed partial class Model;

        [Short(Dim = 64), LinearMemory(Heads = 4)]
        public partial class Layer;
        """;

    private const string Elsewhere = """
        global using ShortAttribute = Memory.Gen.MemoryLayerAttribute;

        namespace Settings
        {
            public static class Widths
            {
                public const int Dim = Unit * 2, Heads = 4;
                private const int Unit = 32;
                public static readonly int Other = 3;

                public static int Twice(int x)
                {
                    const int two = 2;
                    return two * x;
                }
            }
        }

        namespace Samples
        {
            public enum Depth { Flat = 1, Deep = Flat + 1 }

            public partial class Layer { private readonly int one = 1; public int One => one; }
        }
        """;

    [Theory]
    [InlineData("Unit = 32", "Unit = 16")]
    [InlineData("Heads = 4;", "Heads = 8;")]
    [InlineData("Flat = 1", "Flat = 2")]
    [InlineData("Deep = Flat + 1", "Deep = Flat + 2")]
    [InlineData("Unit * 2", "Unit * 4")]
    [InlineData("Memory.Gen.MemoryLayerAttribute", "Memory.Gen.MemoryModelAttribute")]
    [InlineData("global using ShortAttribute", "global using LongAttribute")]
    [InlineData("namespace Samples\n", "namespace Examples\n")]
    [InlineData("public partial class Layer {", "public partial class Layer { private class Tensor;")]
    [InlineData("public enum Depth", "public class Tensor; public enum Depth")]
    [InlineData("public partial class Layer {", "public abstract partial class Layer {")]
    [InlineData("public partial class Layer {", "public partial class Layer : System.Exception {")]
    [InlineData("public partial class Layer {", "[Memory.Gen.SlidingAttention(Heads = 2)] public partial class Layer {")]
    [InlineData("public int One =>", "public int Dim =>")]
    [InlineData("namespace Settings\n", "#if OFF\nnamespace Settings\n")]
    public void AnEditInAnotherFileThatMatters(string from, string to) => Assert.NotEqual(Files(Project()), AfterEdit(1, from, to));

    [Theory]
    [InlineData(0, "Sizes.Heads", "2 * Sizes.Heads", true)]
    [InlineData(0, "Short(", "MemoryLayer(", false)]
    [InlineData(0, "public partial class Layer;", "public partial class Renamed;", true)]
    [InlineData(0, "using Memory.Gen;", "using System; using Memory.Gen;", false)]
    [InlineData(1, "const int two = 2;", "const int two = 3;", false)]
    [InlineData(1, "Other = 3", "Other = 4", false)]
    [InlineData(1, "one = 1", "one = 2", false)]
    [InlineData(1, "public int One => one", "public int One => one + 1", false)]
    [InlineData(1, "return two * x;", "return two * x; // half typed {", false)]
    [InlineData(1, "return two * x;", "return two * x; }", false)]
    public void EveryOtherEdit(int file, string from, string to, bool matters) =>
        Assert.Equal(!matters, Files(Project()).SequenceEqual(AfterEdit(file, from, to)));

    [Fact]
    public void AFileThatComesAndGoes()
    {
        CSharpCompilation project = Project(), alone = project.RemoveSyntaxTrees(project.SyntaxTrees[1]);
        GeneratorDriver driver = Compile.Driver(project).RunGenerators(project);
        driver = driver.RunGenerators(alone);
        Assert.Equal(Files(alone), Files(driver));
        Assert.Equal(Files(project), Files(driver.RunGenerators(project)));
    }

    [Fact]
    public void ALocalOfTheProgramsOwnStatements()
    {
        CSharpCompilation project = Compile.Library("[Memory.Gen.MemoryLayer(Dim = 64), Memory.Gen.LinearMemory(Heads = 4)] public partial class Layer;");
        SyntaxTree before = Statements("int one = 1;"), after = Statements("int torch = 1;");
        project = project.AddSyntaxTrees(before);
        GeneratorDriver driver = Compile.Driver(project).RunGenerators(project);
        CSharpCompilation edited = project.ReplaceSyntaxTree(before, after);
        Assert.NotEqual(Files(project), Files(edited));
        Assert.Equal(Files(edited), Files(driver.RunGenerators(edited)));

        SyntaxTree Statements(string text) => CSharpSyntaxTree.ParseText(text, (CSharpParseOptions)project.SyntaxTrees[0].Options, "Program.cs");
    }

    [Fact]
    public void AnotherLanguageVersionOrReference()
    {
        CSharpCompilation project = Project();
        GeneratorDriver driver = Compile.Driver(project).RunGenerators(project);
        foreach (CSharpCompilation other in (CSharpCompilation[])[Project(LanguageVersion.CSharp11), project.WithReferences(Compile.References(without: "TorchSharp"))])
        {
            Assert.NotEqual(Files(project), Files(other));
            Assert.Equal(Files(other), Files(driver.RunGenerators(other)));
        }
    }

    // The edited project's files, the same from a driver that knew the project before and from a new one.
    private static string[] AfterEdit(int file, string from, string to)
    {
        CSharpCompilation project = Project();
        GeneratorDriver driver = Compile.Driver(project).RunGenerators(project);
        SyntaxTree tree = project.SyntaxTrees[file];
        string text = tree.GetText().ToString(), edited = text.Replace(from, to);
        Assert.NotEqual(text, edited);
        project = project.ReplaceSyntaxTree(tree, tree.WithChangedText(Microsoft.CodeAnalysis.Text.SourceText.From(edited)));
        string[] fresh = Files(project);
        Assert.Equal(fresh, Files(driver.RunGenerators(project)));
        return fresh;
    }

    private static CSharpCompilation Project(LanguageVersion language = LanguageVersion.CSharp12)
    {
        CSharpCompilation project = Compile.Library(Declared, language);
        return project.AddSyntaxTrees(CSharpSyntaxTree.ParseText(Elsewhere, (CSharpParseOptions)project.SyntaxTrees[0].Options, "Elsewhere.cs"));
    }

    private static string[] Files(CSharpCompilation project) => Files(Compile.Driver(project).RunGenerators(project));

    private static string[] Files(GeneratorDriver driver)
    {
        GeneratorRunResult result = driver.GetRunResult().Results.Single();
        Assert.Null(result.Exception);
        return [.. result.GeneratedSources.Select(s => s.HintName + "\n" + s.SourceText).Order(StringComparer.Ordinal)];
    }
}
