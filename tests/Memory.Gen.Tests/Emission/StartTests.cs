using Memory.Gen.Tests.Harness;
using Microsoft.CodeAnalysis.CSharp;

namespace Memory.Gen.Tests.Emission;

/// <summary>What an assembly with declared classes does before anything else.</summary>
public class StartTests
{
    private static readonly string Model = Declarations.Model("[SlidingAttention(Heads = 4)]", name: "OneLM"), Layer = Declarations.Layer("[SelectiveStateSpace]", name: "OneLayer");

    [Fact]
    public void ThereIsOneForAllClasses()
    {
        CSharpCompilation both = Compile.Library(Model);
        both = both.AddSyntaxTrees(CSharpSyntaxTree.ParseText(Layer, (CSharpParseOptions)both.SyntaxTrees[0].Options));
        Assert.Equal(3, Compile.All(both).Count);
    }

    [Fact]
    public void ThereIsNoneWithoutAClass() => Assert.Empty(Compile.All(Compile.Library("internal static class Unrelated;")));

    [Fact]
    public void ThereIsNoneWithoutTheRuntime() =>
        Assert.DoesNotContain(Compile.StartFile, Compile.All(Compile.Library(Model, references: Compile.References("Memory.Gen.Runtime"))).Keys);
}
