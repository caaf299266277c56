using Memory.Gen.Generators;
using Memory.Gen.Generators.Specs;
using Memory.Gen.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Memory.Gen.Tests.Specs;

/// <summary>Equal declarations are equal specs, wherever they stand; different ones are not.</summary>
public class SpecEqualityTests
{
    [Fact]
    public void EqualSourceGivesEqualSpecs()
    {
        Declaration first = Read(Declarations.Hybrid), second = Read(Declarations.Hybrid);
        Assert.Equal(first, second);
        Assert.Equal(first.GetHashCode(), second.GetHashCode());
    }

    [Fact]
    public void AMovedDeclarationIsEqual() =>
        Assert.Equal(Read(Declarations.Hybrid), Read(Declarations.Hybrid.Replace("namespace", "\n\n// moved\n\nnamespace")));

    [Theory]
    [InlineData("Heads = 3)", "Heads = 6)")]
    [InlineData("'A'", "'a'")]
    [InlineData("DDA", "DAD")]
    [InlineData("HybridLM;", "HybridLm;")]
    [InlineData("namespace Samples", "namespace Other")]
    [InlineData("sealed partial class", "sealed class")]
    [InlineData("Window = 64", "Window = 64, RotaryBase = 10000")]
    public void ADifferentDeclarationIsNotEqual(string from, string to) =>
        Assert.NotEqual(Read(Declarations.Hybrid), Read(Declarations.Hybrid.Replace(from, to)));

    [Fact]
    public void ArraysCompareByContent()
    {
        Assert.Equal(new EquatableArray<string>(["a", "b"]), new EquatableArray<string>(["a", "b"]));
        Assert.NotEqual(new EquatableArray<string>(["a", "b"]), new EquatableArray<string>(["b", "a"]));
        Assert.Equal(default, new EquatableArray<string>([]));
    }

    private static Declaration Read(string source)
    {
        CSharpCompilation compilation = Compile.Library(source);
        GeneratorRunResult result = Compile.Driver(compilation).RunGenerators(compilation).GetRunResult().Results.Single();
        return (Declaration)result.TrackedSteps[TrackingNames.Declarations].Single().Outputs.Single().Value;
    }
}
