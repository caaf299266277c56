using System.Linq;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Memory.Gen.Generators.Specs;

/// <summary>What the emitted code needs of the compilation it joins.</summary>
/// <param name="HasTorch">Whether TorchSharp is referenced.</param>
/// <param name="HasRuntime">Whether Memory.Gen.Runtime is referenced.</param>
/// <param name="Language">The C# version.</param>
public sealed record BuildSpec(bool HasTorch, bool HasRuntime, LanguageVersion Language)
{
    /// <summary>The lowest C# version of the emitted code.</summary>
    internal const LanguageVersion LowestLanguage = LanguageVersion.CSharp12;

    /// <summary>The lowest TorchSharp that the packages run on: what they were compiled against.</summary>
    internal const string LowestTorch = "0.107.0";

    internal bool IsLanguageNewEnough => Language >= LowestLanguage;

    internal static BuildSpec Read(Compilation compilation) => new(
        Knows(compilation, "TorchSharp.torch"),
        Knows(compilation, "Memory.Gen.Runtime.MemoryState"),
        ((CSharpCompilation)compilation).LanguageVersion);

    private static bool Knows(Compilation compilation, string type) => compilation.GetTypesByMetadataName(type).Any();
}
