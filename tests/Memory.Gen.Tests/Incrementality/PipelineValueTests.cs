using System.Collections;
using System.Reflection;
using Memory.Gen.Generators;
using Memory.Gen.Tests.Harness;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Memory.Gen.Tests.Incrementality;

/// <summary>Values between the steps hold nothing that keeps a compilation alive or compares by identity.</summary>
public class PipelineValueTests
{
    [Fact]
    public void StepsHoldNoSymbolSyntaxLocationOrCompilation()
    {
        CSharpCompilation compilation = Compile.Library(Declarations.Hybrid + string.Concat(Declarations.EveryKind.Select((attributes, i) => $"""

            [MemoryModel(VocabSize = 256, Dim = 64, Layers = 2)]
            {attributes}
            public sealed partial class Kind{i};
            """)) + """

            [MemoryLayer(Dim = 64)]
            [LinearMemory(Heads = 4)]
            public sealed partial class Outer { }
            """);
        GeneratorRunResult result = Compile.Driver(compilation).RunGenerators(compilation).GetRunResult().Results.Single();
        string[] names = [.. typeof(TrackingNames).GetFields().Select(f => (string)f.GetRawConstantValue()!)];
        var seen = new HashSet<object>(ReferenceEqualityComparer.Instance);
        foreach (string name in names)
            foreach (object value in result.TrackedSteps[name].SelectMany(s => s.Outputs).Select(o => o.Value))
                Walk(value, name, seen);
        Assert.True(seen.Count > 20, "The walk found next to nothing.");
    }

    private static void Walk(object? value, string path, HashSet<object> seen)
    {
        if (value is null || value.GetType() is { IsPrimitive: true } or { IsEnum: true } || value is string || !seen.Add(value))
            return;
        Assert.False(
            value is ISymbol or SyntaxNode or SyntaxTree or Location or Compilation or SemanticModel or AttributeData,
            $"{path} holds a {value.GetType()}.");
        if (value is Array items)
        {
            foreach (object? item in (IEnumerable)items)
                Walk(item, path + "[]", seen);
            return;
        }

        for (Type? type = value.GetType(); type is not null && type != typeof(object); type = type.BaseType)
            foreach (FieldInfo field in type.GetFields(
                BindingFlags.Instance | BindingFlags.Public | BindingFlags.NonPublic | BindingFlags.DeclaredOnly))
                Walk(field.GetValue(value), path + "." + field.Name, seen);
    }
}
