using Memory.Gen.Tests.Harness;

namespace Memory.Gen.Tests.Emission;

/// <summary>Every class has a file of its own, whatever the classes are called.</summary>
public class HintNameTests
{
    private const string Layer = "[Memory.Gen.MemoryLayer(Dim = 64), Memory.Gen.LinearMemory(Heads = 4)] ";

    [Fact]
    public void TheNameIsNamespaceOuterTypesAndType() => Assert.Equal(
        ["Company.Product.Outer.Inner.L.g.cs", "L.g.cs"],
        Names("namespace Company.Product { partial struct Outer { partial interface Inner { " + Layer + "partial class L; } } } " + Layer + "partial class L;"));

    [Fact]
    public void NamesThatDifferInCaseGetDifferentFiles()
    {
        IReadOnlyList<string> names = Names(Layer + "partial class Names; " + Layer + "partial class names; " + Layer + "partial class Other;");
        Assert.Equal(3, names.Distinct(StringComparer.OrdinalIgnoreCase).Count());
        Assert.Contains("Other.g.cs", names);
    }

    [Fact]
    public void ClassesWithTypeParametersHaveFilesOfTheirOwn() => Assert.Equal(
        ["L.g.cs", "L`1.g.cs", "L`2.g.cs", "Outer`1.L.g.cs"],
        Names(Layer + "partial class L; " + Layer + "partial class L<T>; " + Layer + "partial class L<T, U>; partial class Outer<T> { " + Layer + "partial class L; }"));

    [Fact]
    public void AClassInTwoPartsIsWrittenOnce() => Assert.Equal(
        ["L.g.cs"],
        Names("[Memory.Gen.MemoryLayer(Dim = 64)] partial class L; [Memory.Gen.MemoryLayer(Dim = 64), Memory.Gen.LinearMemory(Heads = 4)] partial class L;"));

    [Fact]
    public void OfTwoTypesOfOneNameTheFirstIsWritten() => Assert.Equal(["L.g.cs"], Names(Layer + "partial record L; " + Layer + "partial class L;"));

    [Fact]
    public void AModelThatIsALayerTooIsWrittenOnce() => Assert.Equal(
        ["L.g.cs"], Names("[Memory.Gen.MemoryModel(Dim = 64, VocabSize = 256, Layers = 1)] " + Layer + "partial class L;"));

    private static string[] Names(string source) =>
        [.. Compile.Emitted(Compile.Library(source)).Keys.Order(StringComparer.Ordinal)];
}
