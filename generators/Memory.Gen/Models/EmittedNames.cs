using System.Collections.Generic;
using System.Linq;
using Memory.Gen.Generators.Specs;
using Memory.Gen.Generators.Wrappers;

namespace Memory.Gen.Generators.Models;

/// <summary>The members that emitted code adds to the declared class itself, so that the class can have none of these names.</summary>
internal static class EmittedNames
{
    private static readonly string[] Shared =
    [
        "Card", "DeclarationHash", "Dim", "LoadState", "NewState", "Prefill", "Read", "RegisterComponents", "State", "Step",
        "forward", "mixer", "registered",
    ];

    private static readonly string[] ModelOnly =
        ["LayerCount", "Pattern", "VocabSize", "embedding", "head", "layers", "norm"];

    private static readonly string[] LayerOnly = ["Weight"];

    /// <summary>The names for a model or for a layer.</summary>
    public static IEnumerable<string> Of(bool isModel) => [.. Shared, .. isModel ? ModelOnly : LayerOnly];

    /// <summary>The names for a declaration, with those of a memory around its layers.</summary>
    public static IEnumerable<string> Of(Declaration declaration) => declaration.Wrappers
        .Select(w => WrapperKinds.Of(w.Spec.Kind) is var kind ? kind.Emitter(kind.Read(w.Spec, dim: 1), dim: 1) : null!)
        .SelectMany(w => w.Parts.Select(p => p.Name).Concat(w.Members).Concat(w.StateName is { } state ? [state] : []))
        .Concat(Of(declaration.IsModel))
        .Distinct();

    /// <summary>The private types of a model beside those of its mixers; they get other names where these are taken.</summary>
    public static readonly string[] Nested = ["Layer", "FeedForward"];
}
