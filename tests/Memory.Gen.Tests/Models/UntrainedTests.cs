using Memory.Gen.Tests.Harness;
using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Tests.Models;

/// <summary>The file says which weights have no gradient, and says so of no others.</summary>
public class UntrainedTests
{
    private const string FirstOutput = "of a window y_0 alone is read, before anything has faded: nothing trains ";
    private const string BeforeItFades = "of a window the second token reads the first before that has faded: nothing trains W_1, W_2 and b";
    private const string Attention = "[SlidingAttention(Heads = 2, Window = 1)]";

    [Theory]
    [InlineData(Attention, "a softmax over one token is 1: nothing trains W_Q and W_K", "mixer.query.weight", "mixer.key.weight")]
    [InlineData("[TitansMemory(TitansVariant.Gate, Heads = 2, Window = 1)]", "a softmax over one token is 1: nothing trains W'_Q and W'_K", "mixer.attention.query.weight", "mixer.attention.key.weight")]
    [InlineData("[TitansMemory(TitansVariant.Layer, Heads = 2, Window = 1)]", "a softmax over one token is 1: nothing trains W'_Q and W'_K", "mixer.attention.query.weight", "mixer.attention.key.weight")]
    [InlineData("[TitansMemory(TitansVariant.Gate, Heads = 2, Window = 1, PersistentTokens = 2)]", null)]
    [InlineData("[TitansMemory(TitansVariant.Context, Heads = 2, Window = 1, Block = 1)]", null)]
    [InlineData("[TitansMemory(TitansVariant.Gate, Heads = 2, Window = 2)]", null)]
    [InlineData(Attention + "[RecurrentMemory(SegmentTokens = 8, MemoryTokens = 2)]", "no row of a window sees another: nothing trains M_0", "mixer.query.weight", "mixer.key.weight", "initial_memory")]
    [InlineData(
        Attention + "[RecurrentMemory(SegmentTokens = 8, MemoryTokens = 2, WriteInit = WriteInit.Learned)]",
        "no row of a window sees another: nothing trains M_0 and M_w", "mixer.query.weight", "mixer.key.weight", "initial_memory", "write_memory")]
    [InlineData(
        Attention + "[HierarchicalMemory(SegmentTokens = 8, RecallSlots = 3)]", "no row of a window sees another: nothing trains P_0, T_sum, W_Q and W_K",
        "mixer.query.weight", "mixer.key.weight", "initial_memory", "summary_prompt", "recall_query.weight", "recall_key.weight")]
    [InlineData(Attention + "[HierarchicalMemory(SegmentTokens = 8, Recall = false)]", "no row of a window sees another: nothing trains P_0", "mixer.query.weight", "mixer.key.weight", "initial_memory")]
    [InlineData(
        "[TitansMemory(TitansVariant.MemoryOnly, Heads = 2, Block = 1, Reads = TitansRead.BlockStart, DecayTo = TitansDecayTarget.Initial)][RecurrentMemory(SegmentTokens = 2, MemoryTokens = 0)]",
        "no token of a window reads what was forgotten on the way to M_0: nothing trains W_alpha and b_alpha", "mixer.memory.forgetting.weight", "mixer.memory.forgetting.bias")]
    [InlineData("[TitansMemory(TitansVariant.MemoryOnly, Heads = 2, Block = 1, Reads = TitansRead.BlockStart, DecayTo = TitansDecayTarget.Initial)][RecurrentMemory(SegmentTokens = 3, MemoryTokens = 0)]", null)]
    [InlineData("[TitansMemory(TitansVariant.MemoryOnly, Heads = 2, Block = 1, Reads = TitansRead.BlockStart, DecayTo = TitansDecayTarget.Initial, PersistentTokens = 1)][RecurrentMemory(SegmentTokens = 2, MemoryTokens = 0)]", null)]
    [InlineData("[BMojoMemory(Heads = 2, Window = 4, FadingTokens = 2)][RecurrentMemory(SegmentTokens = 5, MemoryTokens = 0)]", FirstOutput + "a", "mixer.fading.decay_rate")]
    [InlineData("[BMojoMemory(Heads = 2, Window = 4, FadingTokens = 2, Fading = FadingState.ScalarDecay)][RecurrentMemory(SegmentTokens = 5, MemoryTokens = 0)]", FirstOutput + "a", "mixer.fading.decay_rate")]
    [InlineData(
        "[BMojoMemory(Heads = 2, Window = 4, FadingTokens = 2, Fading = FadingState.GatedDelta)][RecurrentMemory(SegmentTokens = 5, MemoryTokens = 0)]",
        FirstOutput + "W_g, a and b", "mixer.fading.decay.weight", "mixer.fading.decay_rate", "mixer.fading.decay_bias")]
    [InlineData("[BMojoMemory(Heads = 2, Window = 1, WindowMode = BMojoWindow.Blocked, FadingTokens = 1)][RecurrentMemory(SegmentTokens = 3, MemoryTokens = 0)]", FirstOutput + "a", "mixer.fading.decay_rate")]
    [InlineData("[BMojoMemory(Heads = 2, Window = 1, WindowMode = BMojoWindow.Blocked, FadingTokens = 1)][RecurrentMemory(SegmentTokens = 4, MemoryTokens = 0)]", null)]
    [InlineData("[BMojoMemory(Heads = 2, Window = 4, FadingTokens = 2)][RecurrentMemory(SegmentTokens = 6, MemoryTokens = 0)]", null)]
    [InlineData("[LinearMemory(Heads = 2)][RecurrentMemory(SegmentTokens = 8, MemoryTokens = 2)]", null)]
    [InlineData("[LinearMemory(Heads = 2, Rule = MemoryRule.BonusDecay)][RecurrentMemory(SegmentTokens = 2, MemoryTokens = 0)]", BeforeItFades, "mixer.decay_down.weight", "mixer.decay_up.weight", "mixer.decay_bias")]
    [InlineData(
        "[MixtureOfMemories(Heads = 2, Rule = MemoryRule.BonusDecay)][RecurrentMemory(SegmentTokens = 2, MemoryTokens = 0)]", BeforeItFades,
        "mixer.decay_down.weight", "mixer.decay_up.weight", "mixer.shared_decay_down.weight", "mixer.shared_decay_up.weight", "mixer.decay_bias")]
    [InlineData("[LinearMemory(Heads = 2, Rule = MemoryRule.BonusDecay)][RecurrentMemory(SegmentTokens = 3, MemoryTokens = 0)]", null)]
    public void TheyAreNamed(string mixers, string? said, params string[] weights)
    {
        string source = Declarations.Model(mixers, "VocabSize = 8, Dim = 8, Layers = 1");
        using nn.Module<Tensor, Tensor> module = BuiltModel.New(source, CPU, ScalarType.Float64);
        using var model = new SmallModel(module, source, new Random(1));
        Assert.Equal(weights.Order(), model.Untrained(2, 23).Select(name => name.Replace("layers.0.", "")).Order());
        string[] lines = [.. Compile.EmittedFile(source).Split('\n').TakeWhile(line => line != "// </auto-generated>").Select(line => line.TrimStart('/', ' '))];
        if (said is null) Assert.DoesNotContain(lines, line => line.Contains("nothing trains", StringComparison.Ordinal));
        else Assert.Contains(said, lines);
    }
}
