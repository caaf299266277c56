using Memory.Gen.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Memory.Gen.Tests.Emission;

/// <summary>Nothing is written that the file does not use.</summary>
public class TidinessTests
{
    public static TheoryData<string> Kinds => [.. Declarations.EveryKind];

    [Theory]
    [MemberData(nameof(Kinds))]
    public void NoUsingAndNoPrivateMemberIsForNothing(string attributes)
    {
        CSharpCompilation compilation = Compile.WithEmitted(Compile.Library(Declarations.Model(attributes)));
        SyntaxTree emitted = compilation.SyntaxTrees.Last();
        Assert.DoesNotContain(compilation.GetDiagnostics(), d => d.Id == "CS8019" && d.Location.SourceTree == emitted);

        SemanticModel model = compilation.GetSemanticModel(emitted);
        SyntaxNode root = emitted.GetRoot();
        HashSet<ISymbol?> used = new(root.DescendantNodes().OfType<SimpleNameSyntax>().Select(n => model.GetSymbolInfo(n).Symbol?.OriginalDefinition), SymbolEqualityComparer.Default);
        IEnumerable<string> unused = root.DescendantNodes()
            .Where(n => n is MethodDeclarationSyntax { ExplicitInterfaceSpecifier: null } or VariableDeclaratorSyntax)
            .Select(n => model.GetDeclaredSymbol(n))
            .Where(s => s is IFieldSymbol or IMethodSymbol or ILocalSymbol && (s is ILocalSymbol || s.DeclaredAccessibility == Accessibility.Private) && !used.Contains(s))
            .Select(s => s!.ToDisplayString())
            .Where(name => name != "scope");
        Assert.Empty(unused);
    }
}
