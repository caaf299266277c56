using Memory.Gen.Tests.Harness;
using Microsoft.CodeAnalysis;

namespace Memory.Gen.Tests.Diagnostics;

/// <summary>What is written for a wrong declaration can be used like what is written for a right one.</summary>
public class StubTests
{
    public static TheoryData<string> EveryKind => [.. Declarations.EveryKind];

    public static TheoryData<string> EveryMixer => [.. Declarations.EveryKind.Where(a => !a.Contains("SegmentTokens"))];

    [Theory]
    [MemberData(nameof(EveryKind))]
    public void AModelHasTheSameApi(string attributes) => Assert.Equal(
        Api(Declarations.Model(attributes)), Api(Declarations.Model(attributes, "VocabSize = 0, Dim = 64, Layers = 2")));

    [Theory]
    [MemberData(nameof(EveryMixer))]
    public void ALayerHasTheSameApi(string attributes) => Assert.Equal(
        Api(Declarations.Layer(attributes, name: "Model")), Api(Declarations.Layer(attributes, "Dim = 0", "Model")));

    private static string Api(string source)
    {
        INamedTypeSymbol model = Compile.WithEmitted(Compile.Library(source)).GetTypeByMetadataName("Samples.Model")!;
        IEnumerable<INamedTypeSymbol> types = model.GetTypeMembers().Where(IsSeen).Prepend(model);
        return string.Join("\n", types.SelectMany(t => t.GetMembers().Where(m => IsSeen(m) && !m.IsImplicitlyDeclared).Select(m => m.ToDisplayString(Signature))
            .Concat(t.Interfaces.Select(i => $"{t.Name} is {i}")).Append($"{t.Name} derives from {t.BaseType}")).Order(StringComparer.Ordinal));
    }

    private static bool IsSeen(ISymbol member) => member.DeclaredAccessibility == Accessibility.Public;

    private static readonly SymbolDisplayFormat Signature = SymbolDisplayFormat.CSharpErrorMessageFormat
        .WithMemberOptions(SymbolDisplayMemberOptions.IncludeParameters | SymbolDisplayMemberOptions.IncludeType | SymbolDisplayMemberOptions.IncludeModifiers | SymbolDisplayMemberOptions.IncludeContainingType)
        .WithParameterOptions(SymbolDisplayParameterOptions.IncludeType | SymbolDisplayParameterOptions.IncludeName | SymbolDisplayParameterOptions.IncludeDefaultValue | SymbolDisplayParameterOptions.IncludeParamsRefOut);
}
