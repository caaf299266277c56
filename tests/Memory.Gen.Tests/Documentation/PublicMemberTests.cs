using System.Text.RegularExpressions;
using Memory.Gen.Tests.Shared;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Memory.Gen.Tests.Documentation;

/// <summary>
/// Whoever calls a public member finds beside it what each argument is, what tensors come back, and what is refused. Whatever
/// else comes back the summary mostly says.
/// </summary>
public partial class PublicMemberTests
{
    [Theory]
    [InlineData("Memory.Gen.Abstractions")]
    [InlineData("Memory.Gen.Runtime")]
    [InlineData("Memory.Gen.Training")]
    public void EveryArgumentResultAndErrorIsDescribed(string library)
    {
        IEnumerable<string> gaps = Directory.EnumerateFiles(SourceTree.Path("runtime/" + library), "*.cs", SearchOption.AllDirectories)
            .Where(f => !f.Contains("/obj/", StringComparison.Ordinal) && !f.Contains("/bin/", StringComparison.Ordinal))
            .Order(StringComparer.Ordinal)
            .SelectMany(f => CSharpSyntaxTree.ParseText(File.ReadAllText(f), new CSharpParseOptions(LanguageVersion.Preview), f).GetRoot().DescendantNodes().OfType<MemberDeclarationSyntax>())
            .Where(IsPublic)
            .SelectMany(Gaps);
        Assert.Equal("", string.Join("\n", gaps));
    }

    private static bool IsPublic(MemberDeclarationSyntax member) =>
        (member.Modifiers.Any(SyntaxKind.PublicKeyword) || member.Modifiers.Any(SyntaxKind.ProtectedKeyword)
            || (member.Parent is InterfaceDeclarationSyntax && member.Modifiers.Count == 0 && member is not TypeDeclarationSyntax))
        && member.Ancestors().OfType<TypeDeclarationSyntax>().All(IsPublic);

    private static IEnumerable<string> Gaps(MemberDeclarationSyntax member)
    {
        if (member.GetLeadingTrivia().Select(t => t.GetStructure()).OfType<DocumentationCommentTriviaSyntax>().FirstOrDefault() is not { } comment)
            return [];
        string text = comment.ToFullString();
        if (text.Contains("<inheritdoc", StringComparison.Ordinal))
            return [];
        ParameterListSyntax? parameters = member is TypeDeclarationSyntax type ? type.ParameterList : (member as BaseMethodDeclarationSyntax)?.ParameterList;
        var missing = new List<string>();
        foreach (ParameterSyntax parameter in parameters?.Parameters ?? [])
            if (!text.Contains($"<param name=\"{parameter.Identifier.ValueText}\">", StringComparison.Ordinal))
                missing.Add("what " + parameter.Identifier.ValueText + " is");
        if (member is MethodDeclarationSyntax method && ReturnsTensors().IsMatch(method.ReturnType.ToString()) && !text.Contains("<returns>", StringComparison.Ordinal))
            missing.Add("what it returns");
        if (Throws(member) && !text.Contains("<exception", StringComparison.Ordinal))
            missing.Add("what it refuses");
        FileLinePositionSpan place = member.SyntaxTree.GetLineSpan(member.Span);
        return missing.Select(what => $"{Path.GetFileName(place.Path)}:{place.StartLinePosition.Line + 1} {Name(member)} does not say {what}");
    }

    // In its own body, itself or by one of the guards of the base library; what it calls is not followed.
    private static bool Throws(MemberDeclarationSyntax member) =>
        member is BaseMethodDeclarationSyntax or PropertyDeclarationSyntax or IndexerDeclarationSyntax
        && member.DescendantNodes().Any(n => n is ThrowStatementSyntax or ThrowExpressionSyntax
            || (n is InvocationExpressionSyntax { Expression: MemberAccessExpressionSyntax { Name.Identifier.ValueText: var name } } && name.StartsWith("ThrowIf", StringComparison.Ordinal)));

    [GeneratedRegex(@"\bTensor\b|Read$")]
    private static partial Regex ReturnsTensors();

    private static string Name(MemberDeclarationSyntax member) => member switch
    {
        MethodDeclarationSyntax method => method.Identifier.ValueText,
        ConstructorDeclarationSyntax constructor => constructor.Identifier.ValueText,
        BaseTypeDeclarationSyntax type => type.Identifier.ValueText,
        _ => member.ToString().Split('\n')[0],
    };
}
