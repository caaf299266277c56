using System.Reflection;
using Memory.Gen.Runtime;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;
using TorchSharp;

namespace Memory.Gen.Tests.Harness;

/// <summary>A declared class, compiled in memory and made.</summary>
internal static class BuiltModel
{
    /// <summary>Makes the class Samples.Model with its emitted constructor.</summary>
    public static torch.nn.Module<torch.Tensor, torch.Tensor> New(string source, torch.Device device, torch.ScalarType dtype) =>
        (torch.nn.Module<torch.Tensor, torch.Tensor>)Activator.CreateInstance(Load(Compile.Library(source), "Samples.Model"), device, dtype)!;

    /// <summary>The declared model as its users see it.</summary>
    public static IMemoryModel AsModel(this torch.nn.Module module) => (IMemoryModel)module;

    /// <summary>A type of a compilation with its emitted files.</summary>
    public static Type Load(CSharpCompilation declared, string type)
    {
        CSharpCompilation compilation = Compile.WithEmitted(declared);
        using var assembly = new MemoryStream();
        Assert.Empty(compilation.Emit(assembly).Diagnostics.Where(d => d.Severity == DiagnosticSeverity.Error));
        return Assembly.Load(assembly.ToArray()).GetType(type, throwOnError: true)!;
    }
}
