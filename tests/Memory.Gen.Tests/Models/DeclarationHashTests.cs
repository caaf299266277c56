using Memory.Gen.Tests.Harness;
using System.Text.RegularExpressions;

namespace Memory.Gen.Tests.Models;

/// <summary>Two ways to say the same have one hash; whatever changes parameters, numbers or state has another.</summary>
public class DeclarationHashTests
{
    private const string Model = "VocabSize = 96, Dim = 48, Layers = 3";

    [Theory]
    [InlineData("[LinearMemory(Heads = 3)]", Model, "[LinearMemory(Heads = 3, KeyHeads = 3, Rule = MemoryRule.GatedDelta, KeyDim = 16, ConvWidth = 4, UnitLength = true)]", Model)]
    [InlineData("[LinearMemory(Heads = 3)]", Model, "[LinearMemory('x', Heads = 3)]", "VocabSize = 96, Dim = 48, Pattern = \"x xx\"")]
    [InlineData("[SlidingAttention(Heads = 3)]", Model, "[SlidingAttention(Heads = 3, KeyValueHeads = 3, RotaryBase = 10000, FeedForward = 128)]", Model)]
    [InlineData("[SelectiveStateSpace]", Model, "[SelectiveStateSpace(Expansion = 2, StateDim = 16, ConvWidth = 4, StepRank = 3)]", Model)]
    [InlineData("[LinearMemory(Heads = 3, Rule = MemoryRule.ScalarDecay, StateSpace = true)]", Model, "[LinearMemory(Heads = 3, Rule = MemoryRule.ScalarDecay, StateSpace = true, Groups = 1, KeyDim = 128, ValueDim = 32)]", Model)]
    [InlineData("[LinearMemory(Heads = 3, Rule = MemoryRule.ScalarDecay)]", Model, "[LinearMemory(Heads = 3, Rule = MemoryRule.ScalarDecay, Decay = DecaySchedule.Learned)]", Model)]
    [InlineData("[LinearMemory(Heads = 3, Rule = MemoryRule.Linear, FeatureMap = FeatureMap.Taylor)]", Model, "[LinearMemory(Heads = 3, Rule = MemoryRule.Linear, FeatureMap = FeatureMap.Taylor, KeyDim = 16)]", Model)]
    [InlineData("[MixtureOfMemories(Heads = 3)]", Model, "[MixtureOfMemories(Heads = 3, Memories = 4, TopK = 2, SharedMemory = true, BalanceLoss = 0)]", Model)]
    [InlineData("[SlidingAttention(Heads = 3)] [HierarchicalMemory(SegmentTokens = 20)]", Model, "[SlidingAttention(Heads = 3, Window = 20)] [HierarchicalMemory(SegmentTokens = 20, RecallDim = 48, CausalRecall = true, BackpropSegments = 2, LossScope = LossScope.LastSegment)]", Model)]
    [InlineData("[TitansMemory(TitansVariant.Context, Heads = 3, Window = 16)]", Model, "[TitansMemory(TitansVariant.Context, Heads = 3, Window = 16, BackpropSegments = 2)]", Model)]
    public void TheSameInOtherWords(string mixers, string model, string otherMixers, string otherModel) =>
        Assert.Equal(Hash(mixers, model), Hash(otherMixers, otherModel));

    [Theory]
    [InlineData("[LinearMemory(Heads = 3, Rule = MemoryRule.Delta)]", Model)]
    [InlineData("[LinearMemory(Heads = 3, Rule = MemoryRule.ChannelDelta)]", Model)]
    [InlineData("[LinearMemory(Heads = 6)]", Model)]
    [InlineData("[LinearMemory(Heads = 3, ConvWidth = 3)]", Model)]
    [InlineData("[LinearMemory(Heads = 3, FeedForward = 0)]", Model)]
    [InlineData("[LinearMemory(Heads = 3)]", Model + ", TiedEmbeddings = true")]
    [InlineData("[LinearMemory(Heads = 3)]", "VocabSize = 97, Dim = 48, Layers = 3")]
    [InlineData("[LinearMemory(Heads = 3)]", "VocabSize = 96, Dim = 48, Layers = 4")]
    public void SomethingElse(string mixers, string model) =>
        Assert.NotEqual(Hash("[LinearMemory(Heads = 3)]", Model), Hash(mixers, model));

    [Theory]
    [InlineData("SensoryTokens = 2")]
    [InlineData("RecallSlots = 7")]
    [InlineData("RecallScale = 1")]
    [InlineData("CausalRecall = false")]
    [InlineData("OneEndedSummary = true")]
    [InlineData("Recall = false")]
    public void AnotherHierarchicalMemory(string option) => Assert.NotEqual(
        Hash("[LinearMemory(Heads = 3)] [HierarchicalMemory(SegmentTokens = 20)]", Model),
        Hash($"[LinearMemory(Heads = 3)] [HierarchicalMemory(SegmentTokens = 20, {option})]", Model));

    [Theory]
    [InlineData("Memories = 5")]
    [InlineData("TopK = 1")]
    [InlineData("SharedMemory = false")]
    [InlineData("SharedProjections = true")]
    [InlineData("Rule = MemoryRule.Titans")]
    [InlineData("Householders = 2")]
    [InlineData("KeyHeads = 1")]
    [InlineData("NegativeEigenvalues = true")]
    [InlineData("Rule = MemoryRule.GatedSlots, Slots = 8")]
    [InlineData("Rule = MemoryRule.TiedDecay")]
    [InlineData("Rule = MemoryRule.GeneralizedDelta")]
    public void AnotherMixture(string option) =>
        Assert.NotEqual(Hash("[MixtureOfMemories(Heads = 3)]", Model), Hash($"[MixtureOfMemories(Heads = 3, {option})]", Model));

    [Theory]
    [InlineData("Expansion = 3")]
    [InlineData("StateDim = 8")]
    [InlineData("ConvWidth = 3")]
    [InlineData("StepRank = 4")]
    public void AnotherStateSpace(string option) =>
        Assert.NotEqual(Hash("[SelectiveStateSpace]", Model), Hash($"[SelectiveStateSpace({option})]", Model));

    [Theory]
    [InlineData("StateSpace = true, KeyDim = 16, ValueDim = 16", "KeyDim = 16, ValueDim = 16")]
    [InlineData("StateSpace = true", "StateSpace = true, Groups = 3")]
    [InlineData("Decay = DecaySchedule.RetNet", "ConvWidth = 4")]
    [InlineData("RotaryBase = 100", "ConvWidth = 4")]
    [InlineData("RotaryBase = 100", "RotaryBase = 10")]
    [InlineData("Rule = MemoryRule.Delta, Householders = 2", "Rule = MemoryRule.Delta")]
    [InlineData("Rule = MemoryRule.Delta, Householders = 2", "Rule = MemoryRule.Delta, Householders = 3")]
    [InlineData("KeyHeads = 1", "KeyHeads = 3")]
    [InlineData("Decay = DecaySchedule.RetNet", "Decay = DecaySchedule.Lightning")]
    public void AnotherFormOfALinearMemory(string options, string other) => Assert.NotEqual(
        Hash($"[LinearMemory(Heads = 3, {Ruled(options)})]", Model),
        Hash($"[LinearMemory(Heads = 3, {Ruled(other)})]", Model));

    /// <summary>A saved state refers to the hash, so it may not change from one release to the next.</summary>
    [Fact]
    public void TheHashIsStable() => Assert.Equal("064d1e518441d2a4", Hash("[LinearMemory(Heads = 3)]", Model));

    private static string Ruled(string options) => options.Contains("Rule", StringComparison.Ordinal) ? options : "Rule = MemoryRule.ScalarDecay, " + options;

    private static string Hash(string mixers, string model) =>
        Regex.Match(Compile.EmittedFile(Declarations.Model(mixers, model)), "DeclarationHash = \"([0-9a-f]{16})\"").Groups[1].Value;
}
