using Memory.Gen.Tests.Harness;
using Microsoft.CodeAnalysis;

namespace Memory.Gen.Tests.Diagnostics;

/// <summary>Mistakes in the values of the attributes.</summary>
public class ValueDiagnosticTests
{
    private const string Attention = "[SlidingAttention(Heads = 4)]";

    [Theory]
    [InlineData("VocabSize = 0, Dim = 64, Layers = 2", "MEMGEN101", "VocabSize = 0")]
    [InlineData("Dim = 64, Layers = 2", "MEMGEN101", "MemoryModel")]
    [InlineData("VocabSize = 256, Dim = -64, Layers = 2", "MEMGEN101", "Dim = -64")]
    [InlineData("VocabSize = 256, Dim = 64, Layers = 0", "MEMGEN101", "Layers = 0")]
    [InlineData("VocabSize = 256, Dim = 64, Layers = 5000", "MEMGEN108", "Layers = 5000")]
    [InlineData("VocabSize = 256, Dim = 2000000, Layers = 2", "MEMGEN108", "Dim = 2000000")]
    [InlineData("VocabSize = 256, Dim = 64, Layers = 2, FeedForward = -1", "MEMGEN108", "FeedForward = -1")]
    public async Task AModelsNumbers(string model, string id, string at) =>
        await DiagnosticAssert.One(Declarations.Model(Attention, model), id, at);

    // An end would be a choice nobody made: a momentum of 0 turns it off.
    [Fact]
    public async Task WhatIsNoNumberIsAnsweredWithTheDefault() => Assert.Equal(
        "MaxMomentum = NaN is outside 0 to 0.9999; supported: no MaxMomentum",
        await DiagnosticAssert.One(Declarations.Model("[TitansMemory(TitansVariant.MemoryOnly, Heads = 4, MaxMomentum = double.NaN)]"), "MEMGEN108", "MaxMomentum = double.NaN"));

    [Theory]
    [InlineData("SlidingAttention()", "MEMGEN101", "SlidingAttention")]
    [InlineData("SlidingAttention(Heads = -1)", "MEMGEN101", "Heads = -1")]
    [InlineData("SlidingAttention(Heads = 12)", "MEMGEN102", "Heads = 12")]
    [InlineData("SlidingAttention(Heads = 128)", "MEMGEN102", "Heads = 128")]
    [InlineData("SlidingAttention(Heads = 4, Window = 0)", "MEMGEN103", "Window = 0")]
    [InlineData("SlidingAttention(Heads = 4, Window = 2000000000)", "MEMGEN108", "Window = 2000000000")]
    [InlineData("SlidingAttention(Heads = 4, KeyValueHeads = 3)", "MEMGEN121", "KeyValueHeads = 3")]
    [InlineData("SlidingAttention(Heads = 4, KeyValueHeads = 0)", "MEMGEN101", "KeyValueHeads = 0")]
    [InlineData("SlidingAttention(Heads = 64)", "MEMGEN122", "Heads = 64")]
    [InlineData("SlidingAttention(Heads = 64, RotaryBase = 500)", "MEMGEN122", "RotaryBase = 500")]
    [InlineData("SlidingAttention(Heads = 4, RotaryBase = double.NaN)", "MEMGEN108", "RotaryBase = double.NaN")]
    [InlineData("SlidingAttention(Heads = 4, FeedForward = -5)", "MEMGEN108", "FeedForward = -5")]
    [InlineData("LinearMemory(Heads = 12)", "MEMGEN102", "Heads = 12")]
    [InlineData("LinearMemory(Heads = 12, KeyDim = 8)", "MEMGEN102", "Heads = 12")]
    [InlineData("LinearMemory(Heads = 4, KeyDim = 0)", "MEMGEN101", "KeyDim = 0")]
    [InlineData("LinearMemory(Heads = 4, ValueDim = 100000)", "MEMGEN108", "ValueDim = 100000")]
    [InlineData("LinearMemory(Heads = 4, ConvWidth = 1)", "MEMGEN108", "ConvWidth = 1")]
    [InlineData("LinearMemory(Heads = 4, Rule = (MemoryRule)42)", "MEMGEN108", "Rule = (MemoryRule)42")]
    [InlineData("LinearMemory(Heads = 4, FeatureMap = FeatureMap.Relu)", "MEMGEN204", "FeatureMap = FeatureMap.Relu")]
    [InlineData("LinearMemory(Heads = 4, Normalized = true)", "MEMGEN204", "Normalized = true")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.Linear, Normalized = true)", "MEMGEN204", "Normalized = true")]
    [InlineData("LinearMemory(Heads = 4, UnitLength = false)", "MEMGEN204", "UnitLength = false")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.ChannelDelta, UnitLength = false)", "MEMGEN204", "UnitLength = false")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.ChannelDelta, StateSpace = true)", "MEMGEN204", "StateSpace = true")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.Linear, UnitLength = true, FeatureMap = FeatureMap.Relu)", "MEMGEN204", "UnitLength = true")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.ChannelDecay, NegativeEigenvalues = true)", "MEMGEN204", "NegativeEigenvalues = true")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.Titans)", "MEMGEN204", "Rule = MemoryRule.Titans")]
    [InlineData("LinearMemory(Heads = 4, Decay = DecaySchedule.RetNet)", "MEMGEN204", "Decay = DecaySchedule.RetNet")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.Linear, Decay = DecaySchedule.Learned)", "MEMGEN204", "Decay = DecaySchedule.Learned")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.ScalarDecay, Decay = (DecaySchedule)3)", "MEMGEN108", "Decay = (DecaySchedule)3")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.ScalarDecay, StateSpace = true, Decay = DecaySchedule.Lightning)", "MEMGEN204", "Decay = DecaySchedule.Lightning")]
    [InlineData("LinearMemory(Heads = 4, RotaryBase = -1)", "MEMGEN108", "RotaryBase = -1")]
    [InlineData("LinearMemory(Heads = 64, RotaryBase = 10)", "MEMGEN122", "RotaryBase = 10")]
    [InlineData("LinearMemory(Heads = 64, RotaryBase = 10, KeyDim = 7)", "MEMGEN204", "KeyDim = 7")]
    [InlineData("LinearMemory(Heads = 4, RotaryBase = 10, Rule = MemoryRule.ChannelDecay)", "MEMGEN204", "RotaryBase = 10")]
    [InlineData("LinearMemory(Heads = 4, RotaryBase = 10, Rule = MemoryRule.Linear, FeatureMap = FeatureMap.EluPlusOne, Normalized = true)", "MEMGEN204", "RotaryBase = 10")]
    [InlineData("LinearMemory(Heads = 4, RotaryBase = 10, Rule = MemoryRule.ScalarDecay, StateSpace = true)", "MEMGEN204", "RotaryBase = 10")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.TiedDecay, UnitLength = true)", "MEMGEN204", "UnitLength = true")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.TiedDecay, RotaryBase = 10)", "MEMGEN204", "RotaryBase = 10")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.ChannelDelta, RotaryBase = 10)", "MEMGEN204", "RotaryBase = 10")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.GeneralizedDelta, UnitLength = true)", "MEMGEN204", "UnitLength = true")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.GeneralizedDelta, NegativeEigenvalues = true)", "MEMGEN204", "NegativeEigenvalues = true")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.GeneralizedDelta, RotaryBase = 10)", "MEMGEN204", "RotaryBase = 10")]
    [InlineData("MixtureOfMemories(Heads = 4, Rule = MemoryRule.GeneralizedDelta, UnitLength = true)", "MEMGEN204", "UnitLength = true")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.BonusDecay, RotaryBase = 10)", "MEMGEN204", "RotaryBase = 10")]
    [InlineData("MixtureOfMemories(Heads = 4, Rule = MemoryRule.GatedSlots, Slots = 1)", "MEMGEN108", "Slots = 1")]
    [InlineData("MixtureOfMemories(Heads = 4, Rule = MemoryRule.GatedSlots, Slots = 4097)", "MEMGEN108", "Slots = 4097")]
    [InlineData("MixtureOfMemories(Heads = 4, Slots = 8)", "MEMGEN204", "Slots = 8")]
    [InlineData("MixtureOfMemories(Heads = 4, Rule = MemoryRule.GatedSlots, KeyHeads = 2)", "MEMGEN204", "KeyHeads = 2")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.GatedSlots, Slots = 1)", "MEMGEN108", "Slots = 1")]
    [InlineData("LinearMemory(Heads = 4, Slots = 8)", "MEMGEN204", "Slots = 8")]
    [InlineData("LinearMemory(Heads = 4, Householders = 0)", "MEMGEN108", "Householders = 0")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.Delta, Householders = 9)", "MEMGEN108", "Householders = 9")]
    [InlineData("LinearMemory(Heads = 1024, KeyDim = 8, ValueDim = 8, Householders = 5)", "MEMGEN204", "Householders = 5")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.ChannelDelta, Householders = 2)", "MEMGEN204", "Householders = 2")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.ScalarDecay, StateSpace = true, Householders = 2)", "MEMGEN204", "Householders = 2")]
    [InlineData("LinearMemory(Heads = 4, KeyHeads = 0)", "MEMGEN101", "KeyHeads = 0")]
    [InlineData("LinearMemory(Heads = 4, KeyHeads = 4097)", "MEMGEN108", "KeyHeads = 4097")]
    [InlineData("LinearMemory(Heads = 4, KeyHeads = 3)", "MEMGEN204", "KeyHeads = 3")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.Linear, KeyHeads = 8)", "MEMGEN204", "KeyHeads = 8")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.ChannelDecay, KeyHeads = 2)", "MEMGEN204", "KeyHeads = 2")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.BonusDecay, KeyHeads = 2)", "MEMGEN204", "KeyHeads = 2")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.TiedDecay, KeyHeads = 2)", "MEMGEN204", "KeyHeads = 2")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.ChannelDelta, KeyHeads = 2)", "MEMGEN204", "KeyHeads = 2")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.GeneralizedDelta, KeyHeads = 2)", "MEMGEN204", "KeyHeads = 2")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.GatedSlots, KeyHeads = 2)", "MEMGEN204", "KeyHeads = 2")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.ScalarDecay, StateSpace = true, KeyHeads = 2)", "MEMGEN204", "KeyHeads = 2")]
    [InlineData("MixtureOfMemories(Heads = 4, Rule = MemoryRule.TiedDecay, UnitLength = true)", "MEMGEN204", "UnitLength = true")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.Linear, FeatureMap = FeatureMap.Taylor, KeyDim = 65)", "MEMGEN204", "FeatureMap = FeatureMap.Taylor")]
    [InlineData("LinearMemory(Heads = 4, FeatureMap = FeatureMap.Hedgehog)", "MEMGEN204", "FeatureMap = FeatureMap.Hedgehog")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.Linear, FeatureMap = FeatureMap.Taylor, RotaryBase = 10)", "MEMGEN204", "RotaryBase = 10")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.Linear, FeatureMap = FeatureMap.Hedgehog, RotaryBase = 10)", "MEMGEN204", "RotaryBase = 10")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.Linear, FeatureMap = FeatureMap.Hedgehog, UnitLength = true)", "MEMGEN204", "UnitLength = true")]
    [InlineData("LinearMemory(Heads = 4, StateSpace = true)", "MEMGEN204", "StateSpace = true")]
    [InlineData("LinearMemory(Heads = 4, Groups = 2)", "MEMGEN204", "Groups = 2")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.ScalarDecay, StateSpace = true, Groups = 0)", "MEMGEN101", "Groups = 0")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.ScalarDecay, StateSpace = true, Groups = 3)", "MEMGEN204", "Groups = 3")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.ScalarDecay, StateSpace = true, Groups = 8)", "MEMGEN204", "Groups = 8")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.ScalarDecay, StateSpace = true, ConvWidth = 0)", "MEMGEN204", "ConvWidth = 0")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.ScalarDecay, StateSpace = true, OutputGate = false)", "MEMGEN204", "OutputGate = false")]
    [InlineData("LinearMemory(Heads = 4, Rule = MemoryRule.ScalarDecay, StateSpace = true, UnitLength = true)", "MEMGEN204", "UnitLength = true")]
    [InlineData("LinearMemory(Heads = 12, Rule = MemoryRule.ScalarDecay, StateSpace = true, KeyDim = 8)", "MEMGEN102", "Heads = 12")]
    [InlineData("SelectiveStateSpace(Expansion = 0)", "MEMGEN101", "Expansion = 0")]
    [InlineData("SelectiveStateSpace(Expansion = 9)", "MEMGEN108", "Expansion = 9")]
    [InlineData("SelectiveStateSpace(StateDim = -1)", "MEMGEN101", "StateDim = -1")]
    [InlineData("SelectiveStateSpace(StateDim = 2048)", "MEMGEN108", "StateDim = 2048")]
    [InlineData("SelectiveStateSpace(ConvWidth = 0)", "MEMGEN108", "ConvWidth = 0")]
    [InlineData("SelectiveStateSpace(StepRank = 0)", "MEMGEN101", "StepRank = 0")]
    [InlineData("SelectiveStateSpace(StepRank = 100000)", "MEMGEN108", "StepRank = 100000")]
    [InlineData("MixtureOfMemories", "MEMGEN101", "MixtureOfMemories")]
    [InlineData("MixtureOfMemories(Heads = 12)", "MEMGEN102", "Heads = 12")]
    [InlineData("MixtureOfMemories(Heads = 2048, KeyDim = 8, ValueDim = 8)", "MEMGEN108", "Heads = 2048")]
    [InlineData("MixtureOfMemories(Heads = 4, KeyDim = 8192)", "MEMGEN108", "KeyDim = 8192")]
    [InlineData("MixtureOfMemories(Heads = 4, Memories = 0)", "MEMGEN101", "Memories = 0")]
    [InlineData("MixtureOfMemories(Heads = 4, Memories = 65)", "MEMGEN108", "Memories = 65")]
    [InlineData("MixtureOfMemories(Heads = 4, TopK = 5)", "MEMGEN104", "TopK = 5")]
    [InlineData("MixtureOfMemories(Heads = 4, TopK = 0)", "MEMGEN104", "TopK = 0")]
    [InlineData("MixtureOfMemories(Heads = 4, Memories = 1)", "MEMGEN104", "Memories = 1")]
    [InlineData("MixtureOfMemories(Heads = 4, ConvWidth = 257)", "MEMGEN108", "ConvWidth = 257")]
    [InlineData("MixtureOfMemories(Heads = 4, BalanceLoss = -1e-3)", "MEMGEN108", "BalanceLoss = -1e-3")]
    [InlineData("MixtureOfMemories(Heads = 4, BalanceLoss = double.NaN)", "MEMGEN108", "BalanceLoss = double.NaN")]
    [InlineData("MixtureOfMemories(Heads = 4, Rule = (MemoryRule)42)", "MEMGEN108", "Rule = (MemoryRule)42")]
    [InlineData("MixtureOfMemories(Heads = 4, Householders = 0)", "MEMGEN108", "Householders = 0")]
    [InlineData("MixtureOfMemories(Heads = 4, Rule = MemoryRule.Delta, Householders = 9)", "MEMGEN108", "Householders = 9")]
    [InlineData("MixtureOfMemories(Heads = 256, KeyDim = 8, ValueDim = 8, Householders = 5)", "MEMGEN204", "Householders = 5")]
    [InlineData("MixtureOfMemories(Heads = 4, Rule = MemoryRule.Titans, Householders = 2)", "MEMGEN204", "Householders = 2")]
    [InlineData("MixtureOfMemories(Heads = 4, Rule = MemoryRule.BonusDecay, Householders = 2)", "MEMGEN204", "Householders = 2")]
    [InlineData("MixtureOfMemories(Heads = 4, Rule = MemoryRule.GeneralizedDelta, Householders = 2)", "MEMGEN204", "Householders = 2")]
    [InlineData("MixtureOfMemories(Heads = 4, Rule = MemoryRule.ScalarDecay, NegativeEigenvalues = true)", "MEMGEN204", "NegativeEigenvalues = true")]
    [InlineData("MixtureOfMemories(Heads = 4, Rule = MemoryRule.GeneralizedDelta, NegativeEigenvalues = true)", "MEMGEN204", "NegativeEigenvalues = true")]
    [InlineData("MixtureOfMemories(Heads = 4, Rule = MemoryRule.GeneralizedDelta, KeyHeads = 2)", "MEMGEN204", "KeyHeads = 2")]
    [InlineData("MixtureOfMemories(Heads = 4, Rule = MemoryRule.Titans, NegativeEigenvalues = true)", "MEMGEN204", "NegativeEigenvalues = true")]
    [InlineData("MixtureOfMemories(Heads = 4, KeyHeads = 0)", "MEMGEN101", "KeyHeads = 0")]
    [InlineData("MixtureOfMemories(Heads = 4, KeyHeads = 1025)", "MEMGEN108", "KeyHeads = 1025")]
    [InlineData("MixtureOfMemories(Heads = 4, KeyHeads = 3)", "MEMGEN204", "KeyHeads = 3")]
    [InlineData("MixtureOfMemories(Heads = 4, Rule = MemoryRule.Titans, KeyHeads = 8)", "MEMGEN204", "KeyHeads = 8")]
    [InlineData("MixtureOfMemories(Heads = 4, Rule = MemoryRule.ChannelDecay, KeyHeads = 2)", "MEMGEN204", "KeyHeads = 2")]
    [InlineData("MixtureOfMemories(Heads = 4, Rule = MemoryRule.ChannelDelta, KeyHeads = 2)", "MEMGEN204", "KeyHeads = 2")]
    [InlineData("MixtureOfMemories(Heads = 4, Rule = MemoryRule.BonusDecay, KeyHeads = 2)", "MEMGEN204", "KeyHeads = 2")]
    [InlineData("MixtureOfMemories(Heads = 4, Rule = MemoryRule.TiedDecay, KeyHeads = 2)", "MEMGEN204", "KeyHeads = 2")]
    [InlineData("MixtureOfMemories(Heads = 4, Rule = MemoryRule.Titans, UnitLength = false)", "MEMGEN204", "UnitLength = false")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly)", "MEMGEN101", "TitansMemory")]
    [InlineData("TitansMemory((TitansVariant)9, Heads = 4)", "MEMGEN108", "(TitansVariant)9")]
    [InlineData("TitansMemory(TitansVariant.Gate, Heads = 4)", "MEMGEN101", "TitansMemory")]
    [InlineData("TitansMemory(TitansVariant.Gate, Heads = 4, Window = 0)", "MEMGEN101", "Window = 0")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, Window = 8)", "MEMGEN204", "Window = 8")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, RotaryBase = 500)", "MEMGEN204", "RotaryBase = 500")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, Squash = TitansSquash.Memory)", "MEMGEN204", "Squash = TitansSquash.Memory")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, PersistentTokens = 2, Persistent = TitansPersistent.KeyValue)", "MEMGEN204", "Persistent = TitansPersistent.KeyValue")]
    [InlineData("TitansMemory(TitansVariant.Gate, Heads = 4, Window = 8, Persistent = TitansPersistent.KeyValue)", "MEMGEN204", "Persistent = TitansPersistent.KeyValue")]
    [InlineData("TitansMemory(TitansVariant.Gate, Heads = 64, Window = 8)", "MEMGEN122", "Heads = 64")]
    [InlineData("TitansMemory(TitansVariant.Layer, Heads = 4, Window = 8, Squash = TitansSquash.Memory)", "MEMGEN204", "Squash = TitansSquash.Memory")]
    [InlineData("TitansMemory(TitansVariant.Context, Heads = 4, Window = 16, Attention = TitansAttention.Sliding)", "MEMGEN204", "Attention = TitansAttention.Sliding")]
    [InlineData("TitansMemory(TitansVariant.Context, Heads = 4, Window = 16, BackpropSegments = -1)", "MEMGEN108", "BackpropSegments = -1")]
    [InlineData("TitansMemory(TitansVariant.Gate, Heads = 4, Window = 16, Attention = TitansAttention.Segmented, BackpropSegments = 7)", "MEMGEN204", "BackpropSegments = 7")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, BackpropSegments = 0)", "MEMGEN204", "BackpropSegments = 0")]
    [InlineData("TitansMemory(TitansVariant.Context, Heads = 4, Window = 40)", "MEMGEN105", "Window = 40")]
    [InlineData("TitansMemory(TitansVariant.Context, Heads = 4, Window = 8, Block = 16)", "MEMGEN105", "Block = 16")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, Block = 0)", "MEMGEN101", "Block = 0")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, MemoryDepth = 5)", "MEMGEN108", "MemoryDepth = 5")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, MemoryDepth = 0)", "MEMGEN106", "MemoryDepth = 0")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, Muon = true, Reads = TitansRead.AfterWrite)", "MEMGEN204", "Reads = TitansRead.AfterWrite")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, Muon = true, AdaptiveStep = false)", "MEMGEN204", "AdaptiveStep = false")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 64, Muon = true)", "MEMGEN204", "Muon = true")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, Muon = true, Block = 1, Momentum = false)", "MEMGEN204", "Block = 1")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, Muon = true, Block = 8), RecurrentMemory(SegmentTokens = 16, MemoryTokens = 1)", "MEMGEN204", "Block = 8")]
    [InlineData("TitansMemory(TitansVariant.Context, Heads = 4, Window = 64, Muon = true)", "MEMGEN204", "Muon = true")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, Muon = true), RecurrentMemory(SegmentTokens = 128, MemoryTokens = 1)", "MEMGEN204", "Muon = true")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, Muon = true, Momentum = false), RecurrentMemory(SegmentTokens = 4, MemoryTokens = 1)", "MEMGEN204", "Muon = true")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, WeightNorm = true)", "MEMGEN204", "WeightNorm = true")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, GatedLinearUnit = true, MemoryDepth = 1)", "MEMGEN204", "MemoryDepth = 1")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, GatedLinearUnit = true, MemoryDepth = 3)", "MEMGEN204", "MemoryDepth = 3")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, GatedLinearUnit = true, InnerClip = 0)", "MEMGEN113", "InnerClip = 0")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, MemoryDepth = 3, InnerClip = 0)", "MEMGEN107", "InnerClip = 0")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, MemoryDepth = 3, Block = 1, InnerClip = 0)", "MEMGEN107", "InnerClip = 0")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, InnerClip = 0)", "MEMGEN113", "InnerClip = 0")]
    [InlineData("TitansMemory(TitansVariant.Gate, Heads = 4, Window = 8, Momentum = false, InnerClip = 0)", "MEMGEN113", "InnerClip = 0")]
    [InlineData("TitansMemory(TitansVariant.Context, Heads = 4, Window = 8, Block = 2, MaxStep = 1.001, InnerClip = 0.0)", "MEMGEN113", "InnerClip = 0.0")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, MemoryDepth = 2, InnerClip = 0)", "MEMGEN113", "InnerClip = 0")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, MemoryDepth = 2, Expansion = 9)", "MEMGEN108", "Expansion = 9")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, Expansion = 2)", "MEMGEN204", "Expansion = 2")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, Activation = TitansActivation.Gelu)", "MEMGEN204", "Activation = TitansActivation.Gelu")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, MaxStep = 0)", "MEMGEN108", "MaxStep = 0")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, MaxStep = 2.5)", "MEMGEN108", "MaxStep = 2.5")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, MaxStep = double.NaN)", "MEMGEN108", "MaxStep = double.NaN")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, MaxMomentum = 1)", "MEMGEN108", "MaxMomentum = 1")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, Momentum = false, MaxMomentum = 0.5)", "MEMGEN204", "MaxMomentum = 0.5")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, InnerClip = -1)", "MEMGEN108", "InnerClip = -1")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, Forgetting = false, DecayTo = TitansDecayTarget.Initial)", "MEMGEN204", "DecayTo = TitansDecayTarget.Initial")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, PersistentTokens = -1)", "MEMGEN108", "PersistentTokens = -1")]
    [InlineData("BMojoMemory(Window = 8)", "MEMGEN101", "BMojoMemory")]
    [InlineData("BMojoMemory(Heads = 4)", "MEMGEN101", "BMojoMemory")]
    [InlineData("BMojoMemory(Heads = 12, Window = 8)", "MEMGEN102", "Heads = 12")]
    [InlineData("BMojoMemory(Heads = 64, Window = 8)", "MEMGEN122", "Heads = 64")]
    [InlineData("BMojoMemory(Heads = 4, KeyValueHeads = 3, Window = 8)", "MEMGEN121", "KeyValueHeads = 3")]
    [InlineData("BMojoMemory(Heads = 4, Window = -1)", "MEMGEN108", "Window = -1")]
    [InlineData("BMojoMemory(Heads = 4, Window = 0)", "MEMGEN204", "Window = 0")]
    [InlineData("BMojoMemory(Heads = 4, Window = 0, EideticTokens = 4, FadingTokens = 1)", "MEMGEN109", "EideticTokens = 4")]
    [InlineData("BMojoMemory(Heads = 4, Window = 0, FadingTokens = 1, WindowMode = BMojoWindow.Blocked)", "MEMGEN204", "WindowMode = BMojoWindow.Blocked")]
    [InlineData("BMojoMemory(Heads = 4, Window = 0, FadingTokens = 1, TiedProjections = false)", "MEMGEN204", "TiedProjections = false")]
    [InlineData("BMojoMemory(Heads = 4, Window = 8, WindowMode = (BMojoWindow)7)", "MEMGEN108", "WindowMode = (BMojoWindow)7")]
    [InlineData("BMojoMemory(Heads = 4, Window = 8, EideticTokens = 70000, FadingTokens = 1)", "MEMGEN108", "EideticTokens = 70000")]
    [InlineData("BMojoMemory(Heads = 4, Window = 8, EideticTokens = 4)", "MEMGEN204", "EideticTokens = 4")]
    [InlineData("BMojoMemory(Heads = 4, Window = 8, EideticTokens = 4, FadingTokens = 2, Fading = FadingState.None)", "MEMGEN204", "EideticTokens = 4")]
    [InlineData("BMojoMemory(Heads = 4, Window = 8, EideticTokens = 4, Fading = FadingState.None, Score = BMojoScore.DeltaResidual)", "MEMGEN204", "Score = BMojoScore.DeltaResidual")]
    [InlineData("BMojoMemory(Heads = 4, Window = 8, FadingTokens = 2, Fading = FadingState.None)", "MEMGEN204", "FadingTokens = 2")]
    [InlineData("BMojoMemory(Heads = 4, Window = 8, Fading = FadingState.GatedDelta)", "MEMGEN204", "Fading = FadingState.GatedDelta")]
    [InlineData("BMojoMemory(Heads = 4, Window = 8, FadingTokens = 2, Fading = (FadingState)9)", "MEMGEN108", "Fading = (FadingState)9")]
    [InlineData("BMojoMemory(Heads = 4, Window = 8, FadingTokens = 2, FadingStride = 0)", "MEMGEN108", "FadingStride = 0")]
    [InlineData("BMojoMemory(Heads = 4, Window = 8, FadingTokens = 1000000, FadingStride = 1000)", "MEMGEN108", "FadingStride = 1000")]
    [InlineData("BMojoMemory(Heads = 4, Window = 8, FadingTokens = 1, FadingStride = 2)", "MEMGEN204", "FadingStride = 2")]
    [InlineData("BMojoMemory(Heads = 4, Window = 8, FadingStride = 2)", "MEMGEN204", "FadingStride = 2")]
    [InlineData("BMojoMemory(Heads = 4, Window = 8, FadingTokens = 2, FadingOffset = -1)", "MEMGEN108", "FadingOffset = -1")]
    [InlineData("BMojoMemory(Heads = 4, Window = 8, WindowMode = BMojoWindow.Blocked, FadingTokens = 2, FadingOffset = 3)", "MEMGEN204", "FadingOffset = 3")]
    [InlineData("BMojoMemory(Heads = 4, Window = 8, EideticTokens = 4, FadingTokens = 2, RefreshTokens = 4)", "MEMGEN204", "RefreshTokens = 4")]
    [InlineData("BMojoMemory(Heads = 4, Window = 8, RefreshTokens = 4)", "MEMGEN204", "RefreshTokens = 4")]
    [InlineData("BMojoMemory(Heads = 4, Window = 8, Score = BMojoScore.Norm)", "MEMGEN204", "Score = BMojoScore.Norm")]
    [InlineData("BMojoMemory(Heads = 4, Window = 8, EideticTokens = 4, Score = (BMojoScore)9)", "MEMGEN108", "Score = (BMojoScore)9")]
    [InlineData("BMojoMemory(Heads = 4, Window = 8, EideticTokens = 4, Score = BMojoScore.Norm, PredictionLoss = 1)", "MEMGEN204", "PredictionLoss = 1")]
    [InlineData("BMojoMemory(Heads = 4, Window = 8, EideticTokens = 4, FadingTokens = 2, PredictionLoss = -1)", "MEMGEN108", "PredictionLoss = -1")]
    [InlineData("BMojoMemory(Heads = 4, Window = 8, EideticTokens = 4, FadingTokens = 2, Threshold = double.NaN)", "MEMGEN108", "Threshold = double.NaN")]
    [InlineData("BMojoMemory(Heads = 4, Window = 8, EideticTokens = 4, FadingTokens = 2, ScoreDecay = 1.5)", "MEMGEN108", "ScoreDecay = 1.5")]
    [InlineData("BMojoMemory(Heads = 4, Window = 8, EideticTokens = 4, FadingTokens = 2, Threshold = 1, ScoreDecay = 0.5, Eviction = BMojoEviction.Fifo)", "MEMGEN204", "ScoreDecay = 0.5")]
    [InlineData("BMojoMemory(Heads = 4, Window = 8, EideticTokens = 4, Score = BMojoScore.Recency, Threshold = 1)", "MEMGEN204", "Threshold = 1")]
    [InlineData("BMojoMemory(Heads = 4, Window = 8, EideticTokens = 4, FadingTokens = 2, RotaryBase = 0, Positions = BMojoPositions.Absolute)", "MEMGEN204", "Positions = BMojoPositions.Absolute")]
    [InlineData("BMojoMemory(Heads = 4, Window = 8, EideticTokens = 4, FadingTokens = 2, Eviction = BMojoEviction.Fifo)", "MEMGEN204", "Eviction = BMojoEviction.Fifo")]
    [InlineData("LinearMemory(Heads = 64, Rule = MemoryRule.Linear, FeatureMap = FeatureMap.EluPlusOne, Normalized = true)", "MEMGEN204", "Normalized = true")]
    [InlineData("MixtureOfMemories(Heads = 4, Memories = 2, BalanceLoss = 0.01)", "MEMGEN204", "BalanceLoss = 0.01")]
    [InlineData("MixtureOfMemories(Heads = 4, Memories = 2, SharedProjections = true)", "MEMGEN204", "SharedProjections = true")]
    [InlineData("MixtureOfMemories(Heads = 4, Memories = 1, TopK = 1, SharedProjections = true)", "MEMGEN204", "SharedProjections = true")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, MaxMomentum = 0)", "MEMGEN204", "MaxMomentum = 0")]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 64, Residual = true)", "MEMGEN204", "Residual = true")]
    public async Task AMixersNumbers(string mixer, string id, string at) =>
        await DiagnosticAssert.One(Declarations.Model($"[{mixer}]"), id, at);

    [Theory]
    [InlineData("[LinearMemory(Heads = 4)] [SlidingAttention(Heads = 4)]", "MEMGEN007", "SlidingAttention")]
    [InlineData("[LinearMemory('L', Heads = 4)]", "MEMGEN219", "'L'")]
    [InlineData("[LinearMemory(Heads = 4, FeedForward = 64)]", "MEMGEN204", "FeedForward = 64")]
    [InlineData("", "MEMGEN007", "MemoryLayer")]
    public async Task ALayer(string mixers, string id, string at) =>
        await DiagnosticAssert.One(Declarations.Layer(mixers), id, at);

    [Fact]
    public async Task MessagesSayWhatWasFoundTheRuleAndWhatWorks()
    {
        Assert.Equal(
            "Dim 64 is not divisible by Heads 12; supported: Heads = 8, or Heads = 16",
            await DiagnosticAssert.One(Declarations.Model("[SlidingAttention(Heads = 12)]"), "MEMGEN102", "Heads = 12"));
        Assert.Equal(
            "Heads is not given; it must be a positive number of heads, for example Heads = 8",
            await DiagnosticAssert.One(Declarations.Model("[LinearMemory]"), "MEMGEN101", "LinearMemory"));
        Assert.Equal(
            "Window 40 is not a multiple of Block 16; supported: Block = 10",
            await DiagnosticAssert.One(Declarations.Model("[TitansMemory(TitansVariant.Context, Heads = 4, Window = 40)]"), "MEMGEN105", "Window = 40"));
        Assert.Equal(
            "EideticTokens = 4 is not supported with FadingTokens = 0: the score is how badly a recurrence predicts a token, and only what is read of it trains it; supported: "
                + "Fading = FadingState.SelectiveScan with FadingTokens = 16, or Score = BMojoScore.Norm",
            await DiagnosticAssert.One(Declarations.Model("[BMojoMemory(Heads = 4, Window = 8, EideticTokens = 4)]"), "MEMGEN204", "EideticTokens = 4"));
        Assert.Equal(
            "RefreshTokens = 4 is not supported with WindowMode = BMojoWindow.Blocked: its slots are chosen where a chunk of 8 tokens begins; supported: "
                + "RefreshTokens = 8, or WindowMode = BMojoWindow.Sliding",
            await DiagnosticAssert.One(Declarations.Model("[BMojoMemory(Heads = 4, Window = 8, EideticTokens = 4, FadingTokens = 2, RefreshTokens = 4)]"), "MEMGEN204", "RefreshTokens = 4"));
        Assert.Equal(
            "ConvWidth = 1 is outside 2 to 256; supported: ConvWidth = 2",
            await DiagnosticAssert.One(Declarations.Model("[LinearMemory(Heads = 4, ConvWidth = 1)]"), "MEMGEN108", "ConvWidth = 1"));
        Assert.Equal(
            "TopK 5 must lie between 1 and Memories 4; supported: TopK = 4",
            await DiagnosticAssert.One(Declarations.Model("[MixtureOfMemories(Heads = 4, TopK = 5)]"), "MEMGEN104", "TopK = 5"));
        Assert.Equal(
            "Memories = 0; it must be a positive number of memories, for example Memories = 6",
            await DiagnosticAssert.One(Declarations.Model("[MixtureOfMemories(Heads = 4, Memories = 0, TopK = 6)]"), "MEMGEN101", "Memories = 0"));
        Assert.Contains(
            "[TitansMemory(TitansVariant.MemoryOnly)]",
            await DiagnosticAssert.One(Declarations.Model("[LinearMemory(Heads = 4, Rule = MemoryRule.Titans)]"), "MEMGEN204", "Rule = MemoryRule.Titans"));
    }

    // What goes with one option may not go with the next: an offer brings along what that takes.
    [Theory]
    [InlineData("SlidingAttention", "Dim = 65", "Heads is not given; it must be a positive number of heads, for example Heads = 5 with RotaryBase = 0")]
    [InlineData("SlidingAttention(Heads = 10)", "Dim = 45", "Dim 45 is not divisible by Heads 10; supported: Heads = 9 with RotaryBase = 0, or Heads = 15 with RotaryBase = 0")]
    [InlineData("SlidingAttention(Heads = 12)", "Dim = 30", "Dim 30 is not divisible by Heads 12; supported: Heads = 5, or Heads = 15")]
    [InlineData("SlidingAttention(Heads = 6)", "Dim = 18", "Rotary positions turn pairs of features, but a head has 3 (Dim 18 / Heads 6); supported: Heads = 3, or RotaryBase = 0")]
    [InlineData("SlidingAttention(KeyValueHeads = 16)", "Dim = 64", "Heads is not given; it must be a positive number of heads, for example Heads = 16")]
    [InlineData("SlidingAttention(KeyValueHeads = 3)", "Dim = 64", "Heads is not given; it must be a positive number of heads, for example Heads = 8 with KeyValueHeads = 2")]
    [InlineData("LinearMemory(Heads = 4, StateSpace = true, Groups = 2)", "Dim = 64", "StateSpace = true is not supported with Rule = MemoryRule.GatedDelta: a state space fades head by head and only adds; supported: "
        + "Rule = MemoryRule.ScalarDecay, or no StateSpace with no Groups")]
    [InlineData("LinearMemory(Heads = 1024, KeyDim = 8, ValueDim = 8, Householders = 5)", "Dim = 64", "Householders = 5 is not supported with Heads = 1024: the heads of a token write at most 4,096 times; supported: Householders = 4, or Heads = 819")]
    [InlineData("MixtureOfMemories(Heads = 4, Rule = MemoryRule.Titans, Householders = 2)", "Dim = 64", "Householders = 2 is not supported with Rule = MemoryRule.Titans: a token writes once under it; supported: Rule = MemoryRule.GatedDelta, or no Householders")]
    [InlineData("MixtureOfMemories(Heads = 8, KeyHeads = 3)", "Dim = 64", "KeyHeads = 3 is not supported with Heads = 8: each key head serves the same number of heads; supported: KeyHeads = 2")]
    [InlineData("MixtureOfMemories(Heads = 8, KeyHeads = 5000)", "Dim = 64", "KeyHeads = 5000 is outside 1 to 1024; supported: KeyHeads = 8")]
    [InlineData("LinearMemory(KeyHeads = 3)", "Dim = 64", "Heads is not given; it must be a positive number of heads, for example Heads = 8 with KeyHeads = 2")]
    [InlineData("LinearMemory(Heads = 8, KeyHeads = 3)", "Dim = 64", "KeyHeads = 3 is not supported with Heads = 8: each key head serves the same number of heads; supported: KeyHeads = 2")]
    [InlineData("LinearMemory(Heads = 8, KeyHeads = 5000)", "Dim = 64", "KeyHeads = 5000 is outside 1 to 4096; supported: KeyHeads = 8")]
    [InlineData("LinearMemory(Heads = 8, Rule = MemoryRule.ChannelDelta, KeyHeads = 3)", "Dim = 64", "KeyHeads = 3 is not supported with Rule = MemoryRule.ChannelDelta: "
        + "only heads that fade as a whole, or not at all, share keys; supported: no KeyHeads, or Rule = MemoryRule.GatedDelta with KeyHeads = 2")]
    [InlineData("LinearMemory(Heads = 4, Groups = 3)", "Dim = 64", "Groups = 3 is not supported with StateSpace = false: each head has keys and queries of its own, unless KeyHeads says otherwise; supported: "
        + "no Groups, or StateSpace = true with Rule = MemoryRule.ScalarDecay with Groups = 2")]
    [InlineData("TitansMemory(TitansVariant.Gate, Heads = 4), RecurrentMemory(SegmentTokens = 40, MemoryTokens = 1)", "Dim = 64", "Window is not given; it must be a positive number of tokens, for example Window = 40")]
    public async Task WhatIsOfferedGoesWithTheRest(string mixer, string dim, string message)
    {
        Diagnostic diagnostic = Assert.Single(await Compile.Diagnostics(Compile.Library(Declarations.Model($"[{mixer}]", $"VocabSize = 256, {dim}, Layers = 2"))));
        Assert.Equal(message, diagnostic.GetMessage(System.Globalization.CultureInfo.InvariantCulture));
    }

    [Fact]
    public async Task MessagesOfAMemoryThatLearnsSayWhichStepIsStable()
    {
        Assert.Equal(
            "MemoryDepth = 0, but a memory needs at least 1 layer; write MemoryDepth = 1 for a matrix, 2 for a perceptron",
            await DiagnosticAssert.One(Titans("MemoryDepth = 0"), "MEMGEN106", "MemoryDepth = 0"));
        Assert.Equal(
            "InnerClip = 0 leaves the gradients of a memory with MemoryDepth = 3 unbounded: it diverges where a text repeats itself; supported: InnerClip = 1, or no InnerClip",
            await DiagnosticAssert.One(Titans("MemoryDepth = 3, InnerClip = 0"), "MEMGEN107", "InnerClip = 0"));
        Assert.Equal(
            "InnerClip = 0 needs Block * MaxStep of 2 or less, but Block = 16 and MaxStep = 1 make 16: the memory diverges where a text repeats itself; supported: InnerClip = 1, or no InnerClip",
            await DiagnosticAssert.One(Titans("InnerClip = 0"), "MEMGEN113", "InnerClip = 0"));
        Assert.Equal(
            "InnerClip = 0 needs Block * MaxStep of 2 or less, but Block = 64 and MaxStep = 0.05 make 3.2: the memory diverges where a text repeats itself; supported: InnerClip = 1, or no InnerClip",
            await DiagnosticAssert.One(Titans("Block = 64, MaxStep = 0.05, InnerClip = 0"), "MEMGEN113", "InnerClip = 0"));
    }

    [Fact]
    public async Task LeavingTheBoundOutBoundsADeepMemoryWithoutABlockToo() => Assert.EndsWith(
        "; supported: InnerClip = 1, or no InnerClip", await DiagnosticAssert.One(Titans("MemoryDepth = 3, Block = 1, InnerClip = 0"), "MEMGEN107", "InnerClip = 0"));

    [Theory]
    [InlineData("Block = 1, MaxStep = 2, InnerClip = 0")]
    [InlineData("Block = 2, InnerClip = 0")]
    [InlineData("Block = 16, MaxStep = 0.125, InnerClip = 0")]
    [InlineData("Block = 16, InnerClip = 0.5")]
    [InlineData("MemoryDepth = 3, Residual = true, InnerClip = 0")]
    [InlineData("Block = 64")]
    [InlineData("Muon = true, Block = 64, InnerClip = 0")]
    [InlineData("Muon = true, MemoryDepth = 4, InnerClip = 0")]
    public async Task AStableStepIsNotWarnedAbout(string options) => Assert.Empty(await Compile.Diagnostics(Compile.Library(Titans(options))));

    [Fact]
    public async Task EveryMistakeIsReportedAtOnce() => Assert.Equal(
        [("MEMGEN101", "VocabSize = 0"), ("MEMGEN102", "Heads = 7"), ("MEMGEN103", "Window = -1")],
        await DiagnosticAssert.All(Compile.Library(Declarations.Model(
            "[SlidingAttention(Heads = 7, Window = -1)]", "VocabSize = 0, Dim = 64, Layers = 2"))));

    [Fact]
    public void AWarningKeepsNoFileFromBeingWritten() => Assert.Contains(
        "private sealed class NeuralMemory",
        Compile.EmittedFile(Titans("MemoryDepth = 3, InnerClip = 0")));

    [Fact]
    public async Task ACompilerErrorInAnArgumentIsNotRepeated() => Assert.Equal(
        [("CS0103", "Unknown")],
        await DiagnosticAssert.All(Compile.Library(Declarations.Model("[SlidingAttention(Heads = Unknown)]"))));

    [Fact]
    public async Task CodeThatUsesAWrongDeclarationStillCompiles() =>
        await DiagnosticAssert.One(Declarations.Model("[SlidingAttention(Heads = 7)]") + Declarations.Use, "MEMGEN102", "Heads = 7");

    private static string Titans(string options) => Declarations.Model($"[TitansMemory(TitansVariant.MemoryOnly, Heads = 4, {options})]");
}
