namespace Memory.Gen.Tests.Harness;

/// <summary>Declarations that several tests use.</summary>
internal static class Declarations
{
    /// <summary>Two kinds of memory in a pattern.</summary>
    public const string Hybrid = """
        using Memory.Gen;

        namespace Samples;

        [MemoryModel(VocabSize = 2048, Dim = 192, Pattern = "DDA")]
        [LinearMemory('D', Heads = 3)]
        [SlidingAttention('A', Heads = 3, Window = 64)]
        public sealed partial class HybridLM;

        """;

    /// <summary>A model with attributes of one's own, in the namespace Samples.</summary>
    public static string Model(string mixers, string model = "VocabSize = 256, Dim = 64, Layers = 2", string name = "Model") => $$"""
        using Memory.Gen;

        namespace Samples;

        [MemoryModel({{model}})]
        {{mixers}}
        public sealed partial class {{name}};

        """;

    /// <summary>The attributes of one model for every kind of mixer, each of its variants, and every memory around a stack.</summary>
    public static readonly string[] EveryKind =
    [
        "[SlidingAttention(Heads = 4, Window = 8)]",
        "[LinearMemory(Heads = 4)]",
        "[LinearMemory(Heads = 4, Householders = 2)]",
        "[LinearMemory(Heads = 4, KeyHeads = 2)]",
        "[LinearMemory(Heads = 4, Rule = MemoryRule.ScalarDecay, StateSpace = true)]",
        "[LinearMemory(Heads = 4, Rule = MemoryRule.ChannelDelta)]",
        "[LinearMemory(Heads = 4, Rule = MemoryRule.GeneralizedDelta)]",
        "[LinearMemory(Heads = 4, Rule = MemoryRule.GatedSlots, Slots = 16)]",
        "[LinearMemory(Heads = 4, Rule = MemoryRule.BonusDecay)]",
        "[SelectiveStateSpace]",
        "[MixtureOfMemories(Heads = 4)]",
        "[MixtureOfMemories(Heads = 4, Rule = MemoryRule.Titans)]",
        "[MixtureOfMemories(Heads = 4, Householders = 2)]",
        "[MixtureOfMemories(Heads = 4, KeyHeads = 2)]",
        "[MixtureOfMemories(Heads = 4, Rule = MemoryRule.BonusDecay)]",
        "[MixtureOfMemories(Heads = 4, Rule = MemoryRule.GatedSlots, Slots = 16)]",
        "[MixtureOfMemories(Heads = 4, Rule = MemoryRule.TiedDecay)]",
        "[MixtureOfMemories(Heads = 4, Rule = MemoryRule.GeneralizedDelta)]",
        "[TitansMemory(TitansVariant.MemoryOnly, Heads = 4, MemoryDepth = 2)]",
        "[TitansMemory(TitansVariant.MemoryOnly, Heads = 4, GatedLinearUnit = true)]",
        "[TitansMemory(TitansVariant.MemoryOnly, Heads = 4, Muon = true, WeightNorm = true)]",
        "[TitansMemory(TitansVariant.Context, Heads = 4, Window = 8, Block = 4, PersistentTokens = 2)]",
        "[TitansMemory(TitansVariant.Gate, Heads = 4, Window = 8)]",
        "[TitansMemory(TitansVariant.Layer, Heads = 4, Window = 8)]",
        "[BMojoMemory(Heads = 4, Window = 8, EideticTokens = 4, FadingTokens = 2)]",
        "[SlidingAttention(Heads = 4)] [HierarchicalMemory(SegmentTokens = 32, SensoryTokens = 4)]",
        "[SlidingAttention(Heads = 4)] [RecurrentMemory(SegmentTokens = 32, MemoryTokens = 2)]",
    ];

    /// <summary>Code that uses everything that is written for the class Model.</summary>
    public const string Use = """

        internal static class Use
        {
            public static TorchSharp.torch.Tensor Run(TorchSharp.torch.Tensor tokens, Model model)
            {
                using Model.State state = model.NewState(2), copy = state.Clone(), loaded = Model.State.Load("state.safetensors");
                long parameters = Model.Card.Parameters;
                return model.forward(model.Step(model.Prefill(tokens, model.LoadState("state.safetensors")), copy));
            }

            public static Memory.Gen.Runtime.IMemoryModel Contract(Model model) => model;
        }
        """;

    /// <summary>A layer with attributes of one's own, in the namespace Samples.</summary>
    public static string Layer(string mixer, string layer = "Dim = 64", string name = "Layer") => $$"""
        using Memory.Gen;

        namespace Samples;

        [MemoryLayer({{layer}})]
        {{mixer}}
        public sealed partial class {{name}};

        """;
}
