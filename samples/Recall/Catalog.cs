using Memory.Gen.Runtime;
using Memory.Gen.Training.RecallTasks;
using static TorchSharp.torch;

namespace Recall;

/// <summary>A model that takes part.</summary>
/// <param name="Name">Name on the command line, in tables and in charts.</param>
/// <param name="Create">Makes one with fresh weights.</param>
/// <param name="Color">Its colour in charts.</param>
internal sealed record Contestant(string Name, Func<IMemoryModel> Create, string Color)
{
    /// <summary>How it is measured without its memory; null where it has none.</summary>
    public MemoryUse? MemoryOff { get; init; } = MemoryUse.Reset;

    /// <summary>Memories that tokens are routed to and those that a token goes to; null where there is no router.</summary>
    public (int Memories, int TopK)? Routed { get; init; }

    /// <summary>Trained values that take part in reading one token: of the routed memories' own projections, those of the memories it goes to.</summary>
    public long ActivatedParameters(nn.Module model)
    {
        long idle = 0;
        // A memory's own weights stand in one tensor with the others', [M, outputs, inputs]; every other weight is a matrix or a vector.
        if (Routed is var (memories, topK))
            idle = model.parameters().Where(weight => weight.dim() == 3).Sum(weight => weight.numel() / memories * (memories - topK));
        return model.parameters().Sum(weight => weight.numel()) - idle;
    }
}

/// <summary>The models that are compared, by name. A further one is a declaration in Models.cs and a line here.</summary>
internal static class Catalog
{
    public static IReadOnlyList<Contestant> Models { get; } =
    [
        new("sliding", () => new SlidingLM(), "#7b8794") { MemoryOff = null },
        new("sliding-wide", () => new SlidingWideLM(), "#7b8794") { MemoryOff = null },
        new("sliding-swiglu", () => new SlidingSwiGluLM(), "#7b8794") { MemoryOff = null },
        new("linear", () => new LinearLM(), "#c4722b"),
        new("scalar-decay", () => new ScalarDecayLM(), "#b59b1f"),
        new("based", () => new BasedLM(), "#8c4a12"),
        new("hedgehog", () => new HedgehogLM(), "#e0a56f"),
        new("retnet", () => new RetNetLM(), "#7b8794"),
        new("channel-decay", () => new ChannelDecayLM(), "#8a4fa3"),
        new("tied-decay", () => new TiedDecayLM(), "#c2456b"),
        new("delta", () => new DeltaLM(), "#3d8f5f"),
        new("gated-delta", () => new GatedDeltaLM(), "#3b6fb6"),
        new("channel-delta", () => new ChannelDeltaLM(), "#1f9aa3"),
        new("generalized-delta", () => new GeneralizedDeltaLM(), "#0b5c66"),
        new("bonus-decay", () => new BonusDecayLM(), "#5f7a2c"),
        new("gated-slots", () => new GatedSlotsLM(), "#d1862b"),
        new("mixture", () => new MixtureLM(), "#8a4fa3") { Routed = (4, 2) },
        new("mixture-equal", () => new MixtureOfEqualSizeLM(), "#b98bd0") { Routed = (3, 2) },
        new("titans", () => new TitansLM(), "#c2456b"),
        new("titans-gate", () => new TitansGateLM(), "#1f9aa3") { MemoryOff = MemoryUse.Exchanged },
        new("titans-gate-wide", () => new TitansGateWideLM(), "#0b5c66") { MemoryOff = MemoryUse.Exchanged },
        new("block-titans", () => new BlockTitansLM(), "#3d8f5f"),
        new("muon-titans", () => new MuonTitansLM(), "#1f9aa3"),
        new("block-unit", () => new BlockUnitLM(), "#c4722b"),
        new("muon-unit", () => new MuonUnitLM(), "#3b6fb6"),
        new("lact-unit", () => new LargeChunkUnitLM(), "#8a4fa3"),
        new("hmt", () => new HierarchicalLM(), "#8a4fa3"),
        new("rmt", () => new RecurrentLM(), "#b59b1f"),
        new("two-linear", () => new TwoLinearLM(), "#c4722b"),
        new("two-gated-delta", () => new TwoGatedDeltaLM(), "#3b6fb6"),
        new("two-titans", () => new TwoTitansLM(), "#c2456b"),
        new("bmojo", () => new BMojoLM(), "#3b6fb6"),
        new("bmojo-8", () => new BMojoOf8LM(), "#7aa0d4"),
        new("bmojo-32", () => new BMojoOf32LM(), "#1d3f73"),
        new("share-4", () => new BMojoShareOf4LM(), "#b59b1f"),
        new("share-8", () => new BMojoShareOf8LM(), "#3d8f5f"),
        new("share-24", () => new BMojoShareOf24LM(), "#1f9aa3"),
        new("bmojo-residual", () => new BMojoResidualLM(), "#1f9aa3"),
        new("bmojo-random", () => new BMojoRandomLM(), "#c4722b"),
        new("bmojo-recency", () => new BMojoRecencyLM(), "#b59b1f"),
        new("bmojo-alone", () => new BMojoAloneLM(), "#3b6fb6"),
        new("alone-random", () => new BMojoAloneRandomLM(), "#c4722b"),
        new("bmojo-f", () => new BMojoFadingLM(), "#8a4fa3"),
        new("selective", () => new SelectiveLM(), "#3d8f5f"),
        new("sliding-equal", () => new SlidingOfEqualSizeLM(), "#7b8794") { MemoryOff = null },
        new("track-attention", () => new AttentionTracker(), "#7b8794") { MemoryOff = null },
        new("track-selective", () => new SelectiveTracker(), "#8a4fa3"),
        new("track-scalar-decay", () => new ScalarDecayTracker(), "#b59b1f"),
        new("track-delta", () => new DeltaTracker(), "#9dc7af"),
        new("track-gated-delta", () => new GatedDeltaTracker(), "#9db7db"),
        new("track-generalized-delta", () => new GeneralizedDeltaTracker(), "#0b5c66"),
        new("track-titans", () => new TitansTracker(), "#c2456b"),
        new("negative-delta", () => new NegativeDeltaTracker(), "#3d8f5f"),
        new("negative-gated-delta", () => new NegativeGatedDeltaTracker(), "#3b6fb6"),
        new("negative-two-layers", () => new TwoNegativeDeltaTracker(), "#1d3f73"),
        new("track-two-writes", () => new TwoWritesTracker(), "#e0a56f"),
        new("negative-two-writes", () => new NegativeTwoWritesTracker(), "#c4722b"),
        new("negative-four-writes", () => new NegativeFourWritesTracker(), "#8c4a12"),
    ];

    public static Contestant Find(string name) => Models.First(model => model.Name == name);
}
