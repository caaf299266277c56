using System.Collections.Generic;

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

    /// <summary>The names for a model or for a layer.</summary>
    public static IEnumerable<string> Of(bool isModel) => isModel ? [.. Shared, .. ModelOnly] : Shared;

    /// <summary>The private types of a model beside those of its mixers; they get other names where these are taken.</summary>
    public static readonly string[] Nested = ["Layer", "FeedForward"];
}
