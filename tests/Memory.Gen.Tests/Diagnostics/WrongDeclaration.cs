using System.Reflection;
using Memory.Gen.Tests.Models;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using Microsoft.CodeAnalysis.CSharp.Syntax;

namespace Memory.Gen.Tests.Diagnostics;

/// <summary>Right declarations of models and layers in which some arguments were changed, added or left out, each as it came.</summary>
internal sealed class WrongDeclaration(Random random)
{
    private static readonly Dictionary<string, Type> Attributes = typeof(MemoryModelAttribute).Assembly.GetExportedTypes()
        .Where(t => t.IsSubclassOf(typeof(Attribute)) && !t.IsAbstract).ToDictionary(t => t.Name.Replace("Attribute", ""));

    /// <summary>A file with a class.</summary>
    public string Whole()
    {
        SyntaxNode file = SyntaxFactory.ParseCompilationUnit($"using Memory.Gen;\nnamespace Samples;\n{new SmallDeclaration(random).Class("C")}\n");
        for (int changes = random.Next(1, 4); changes > 0; changes--)
        {
            AttributeSyntax attribute = Pick(file.DescendantNodes().OfType<AttributeSyntax>().ToArray());
            file = file.ReplaceNode(attribute, Change(attribute));
        }

        return file.ToFullString();
    }

    private AttributeSyntax Change(AttributeSyntax attribute)
    {
        PropertyInfo option = Pick(Attributes[attribute.Name.ToString()].GetProperties()
            .Where(p => p.DeclaringType != typeof(Attribute) && p.Name is not ("Pattern" or "Letter" or "TypeId")).ToArray());
        SeparatedSyntaxList<AttributeArgumentSyntax> arguments = attribute.ArgumentList?.Arguments ?? default;
        AttributeArgumentSyntax? written = option.CanWrite
            ? arguments.FirstOrDefault(a => a.NameEquals?.Name.ToString() == option.Name)
            : arguments.LastOrDefault(a => a.NameEquals is null);
        if (written is not null && option.CanWrite && random.Next(3) == 0)
            return attribute.WithArgumentList(attribute.ArgumentList!.WithArguments(arguments.Remove(written)));
        ExpressionSyntax value = SyntaxFactory.ParseExpression(Value(option.PropertyType));
        return written is not null
            ? attribute.ReplaceNode(written.Expression, value)
            : attribute.AddArgumentListArguments(SyntaxFactory.AttributeArgument(SyntaxFactory.NameEquals(option.Name), null, value).NormalizeWhitespace());
    }

    private string Value(Type type) => type switch
    {
        { IsEnum: true } => random.Next(8) == 0 ? $"({type.Name})99" : $"{type.Name}.{Pick(Enum.GetNames(type))}",
        _ when type == typeof(int) => Pick(["-1", "0", "0", "1", "2", "3", "4", "5", "6", "7", "8", "12", "16", "64", "100", "4096", "1 << 17", "int.MaxValue"]),
        _ when type == typeof(double) => Pick(["double.NaN", "-1", "0", "0.5", "1", "3", "1e300"]),
        _ => Pick(["true", "false"]),
    };

    private T Pick<T>(T[] values) => values[random.Next(values.Length)];
}
