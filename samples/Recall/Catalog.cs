using Memory.Gen.Runtime;

namespace Recall;

/// <summary>A model that takes part.</summary>
/// <param name="Name">Name on the command line, in tables and in charts.</param>
/// <param name="Create">Makes one with fresh weights.</param>
/// <param name="Color">Its colour in charts.</param>
internal sealed record Contestant(string Name, Func<IMemoryModel> Create, string Color)
{
    /// <summary>Whether all that it remembers is memory, so that it can be measured without.</summary>
    public bool HasMemory { get; init; } = true;

    /// <summary>Whether a step takes several times as long as with one memory.</summary>
    public bool Slow { get; init; }
}

/// <summary>The models that are compared, by name. A further one is a declaration in Models.cs and a line here.</summary>
internal static class Catalog
{
    public static IReadOnlyList<Contestant> Models { get; } =
    [
        new("sliding", () => new SlidingLM(), "#7b8794") { HasMemory = false },
        new("sliding-wide", () => new SlidingWideLM(), "#7b8794") { HasMemory = false },
        new("linear", () => new LinearLM(), "#c4722b"),
        new("scalar-decay", () => new ScalarDecayLM(), "#b59b1f"),
        new("delta", () => new DeltaLM(), "#3d8f5f"),
        new("gated-delta", () => new GatedDeltaLM(), "#3b6fb6"),
        new("mixture", () => new MixtureLM(), "#8a4fa3") { Slow = true },
    ];

    public static Contestant Find(string name) => Models.First(model => model.Name == name);
}
