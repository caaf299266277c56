using System;
using System.Linq;
using Microsoft.CodeAnalysis;
using Microsoft.CodeAnalysis.CSharp;

namespace Memory.Gen.Generators.Specs;

/// <summary>What the emitted code needs of the compilation it joins.</summary>
/// <param name="HasTorch">Whether a TorchSharp is referenced that the emitted code runs on.</param>
/// <param name="OldTorch">The version of a TorchSharp that it does not run on; null without one.</param>
/// <param name="HasTwoTorches">Whether both the package TorchSharp and TorchSharp.Lite are referenced, so that no name of theirs means one type.</param>
/// <param name="HasRuntime">Whether Memory.Gen.Runtime is referenced.</param>
/// <param name="Language">The C# version.</param>
public sealed record BuildSpec(bool HasTorch, string? OldTorch, bool HasTwoTorches, bool HasRuntime, LanguageVersion Language)
{
    /// <summary>The lowest C# version of the emitted code.</summary>
    internal const LanguageVersion LowestLanguage = LanguageVersion.CSharp12;

    /// <summary>The TorchSharp to reference: what the packages were compiled against.</summary>
    internal const string LowestTorch = "0.107.0";

    /// <summary>The lowest that has what emitted code calls, for who compiles the runtime against another.</summary>
    internal static readonly Version OldestTorch = new(0, 106);

    internal bool IsLanguageNewEnough => Language >= LowestLanguage;

    internal static BuildSpec Read(Compilation compilation)
    {
        AssemblyIdentity[] torches = [.. compilation.GetTypesByMetadataName("TorchSharp.torch").Select(t => t.ContainingAssembly.Identity)];
        AssemblyIdentity? torch = torches.FirstOrDefault();
        bool two = torches.Count(t => t.Name == "TorchSharp") > 1;

        // TorchSharp.Lite has the version of this product and no key.
        string? old = torch is { IsStrongName: true } && torch.Version < OldestTorch ? torch.Version.ToString(3) : null;
        return new(
            torch is not null && old is null && !two,
            old,
            two,
            AssemblyOf(compilation, "Memory.Gen.Runtime.MemoryState") is not null,
            ((CSharpCompilation)compilation).LanguageVersion);
    }

    private static AssemblyIdentity? AssemblyOf(Compilation compilation, string type) =>
        compilation.GetTypesByMetadataName(type).FirstOrDefault()?.ContainingAssembly.Identity;
}
