using Memory.Gen.Tests.Harness;

namespace Memory.Gen.Tests.Diagnostics;

/// <summary>Mistakes in a memory around a model's layers.</summary>
public class WrapperDiagnosticTests
{
    private const string Attention = "[SlidingAttention(Heads = 4)] ";

    [Theory]
    [InlineData("HierarchicalMemory", "MEMGEN101", "HierarchicalMemory")]
    [InlineData("HierarchicalMemory(SegmentTokens = 0)", "MEMGEN101", "SegmentTokens = 0")]
    [InlineData("HierarchicalMemory(SegmentTokens = 2)", "MEMGEN110", "SegmentTokens = 2")]
    [InlineData("HierarchicalMemory(SegmentTokens = 34, SensoryTokens = 32)", "MEMGEN110", "SegmentTokens = 34")]
    [InlineData("HierarchicalMemory(SegmentTokens = 2000000000)", "MEMGEN108", "SegmentTokens = 2000000000")]
    [InlineData("HierarchicalMemory(SegmentTokens = 64, SensoryTokens = -1)", "MEMGEN108", "SensoryTokens = -1")]
    [InlineData("HierarchicalMemory(SegmentTokens = 64, SensoryTokens = 32)", "MEMGEN112", "SensoryTokens = 32")]
    [InlineData("HierarchicalMemory(SegmentTokens = 64, RecallSlots = 0)", "MEMGEN101", "RecallSlots = 0")]
    [InlineData("HierarchicalMemory(SegmentTokens = 64, RecallSlots = 2000000)", "MEMGEN108", "RecallSlots = 2000000")]
    [InlineData("HierarchicalMemory(SegmentTokens = 64, RecallDim = -4)", "MEMGEN101", "RecallDim = -4")]
    [InlineData("HierarchicalMemory(SegmentTokens = 64, RecallScale = 0)", "MEMGEN108", "RecallScale = 0")]
    [InlineData("HierarchicalMemory(SegmentTokens = 64, SummaryFraction = 1.5)", "MEMGEN108", "SummaryFraction = 1.5")]
    [InlineData("HierarchicalMemory(SegmentTokens = 64, SummaryFraction = double.NaN)", "MEMGEN108", "SummaryFraction = double.NaN")]
    [InlineData("HierarchicalMemory(SegmentTokens = 64, Recall = false, RecallSlots = 8)", "MEMGEN204", "RecallSlots = 8")]
    [InlineData("HierarchicalMemory(SegmentTokens = 64, Recall = false, CausalRecall = false)", "MEMGEN204", "CausalRecall = false")]
    [InlineData("HierarchicalMemory(SegmentTokens = 64, Recall = false, OneEndedSummary = true)", "MEMGEN204", "OneEndedSummary = true")]
    [InlineData("HierarchicalMemory(SegmentTokens = 64, BackpropSegments = -1)", "MEMGEN108", "BackpropSegments = -1")]
    [InlineData("HierarchicalMemory(SegmentTokens = 64, LossScope = (LossScope)7)", "MEMGEN108", "LossScope = (LossScope)7")]
    [InlineData("HierarchicalMemory(SegmentTokens = 64, LossScope = LossScope.LastNTokens)", "MEMGEN101", "HierarchicalMemory")]
    [InlineData("HierarchicalMemory(SegmentTokens = 64, LossTokens = 4)", "MEMGEN204", "LossTokens = 4")]
    [InlineData("RecurrentMemory(SegmentTokens = 64)", "MEMGEN101", "RecurrentMemory")]
    [InlineData("RecurrentMemory(SegmentTokens = 8, MemoryTokens = 4)", "MEMGEN110", "SegmentTokens = 8")]
    [InlineData("RecurrentMemory(SegmentTokens = 64, MemoryTokens = -1)", "MEMGEN108", "MemoryTokens = -1")]
    [InlineData("RecurrentMemory(SegmentTokens = 64, MemoryTokens = 2, WriteInit = (WriteInit)3)", "MEMGEN108", "WriteInit = (WriteInit)3")]
    [InlineData("RecurrentMemory(SegmentTokens = 1, MemoryTokens = 0)", "MEMGEN204", "SegmentTokens = 1")]
    [InlineData("RecurrentMemory(SegmentTokens = 64, MemoryTokens = 0, WriteInit = WriteInit.Learned)", "MEMGEN204", "WriteInit = WriteInit.Learned")]
    public async Task AValueOfAWrapper(string wrapper, string id, string at) =>
        await DiagnosticAssert.One(Declarations.Model(Attention + $"[{wrapper}]"), id, at);

    [Theory]
    [InlineData("[SlidingAttention(Heads = 4, Window = 65)] [HierarchicalMemory(SegmentTokens = 64)]", "MEMGEN111", "Window = 65")]
    [InlineData("[TitansMemory(TitansVariant.Gate, Heads = 4, Window = 80)] [RecurrentMemory(SegmentTokens = 64, MemoryTokens = 1)]", "MEMGEN111", "Window = 80")]
    [InlineData(Attention + "[HierarchicalMemory(SegmentTokens = 64)] [RecurrentMemory(SegmentTokens = 64, MemoryTokens = 1)]", "MEMGEN221", "RecurrentMemory")]
    public async Task AWrapperThatDoesNotFit(string attributes, string id, string at) =>
        await DiagnosticAssert.One(Declarations.Model(attributes), id, at);

    [Theory]
    [InlineData("[SlidingAttention(Heads = 4, Window = 512)] [RecurrentMemory(MemoryTokens = 1)]", "SegmentTokens is not given; it must be a positive number of rows, for example SegmentTokens = 512")]
    [InlineData("[BMojoMemory(Heads = 4, Window = 256, EideticTokens = 8, FadingTokens = 2)] [RecurrentMemory(MemoryTokens = 1)]", "SegmentTokens is not given; it must be a positive number of rows, for example SegmentTokens = 513")]
    public async Task ASegmentThatTheLayersHaveRoomIn(string attributes, string message) =>
        Assert.Equal(message, await DiagnosticAssert.One(Declarations.Model(attributes), "MEMGEN101", "RecurrentMemory"));

    // A segment ends before what is written in it, or faded from it, would be read.
    [Theory]
    [InlineData("TitansMemory(TitansVariant.MemoryOnly, Heads = 4, Reads = TitansRead.BlockStart", 17, "MEMGEN204", "Reads = TitansRead.BlockStart")]
    [InlineData("TitansMemory(TitansVariant.Gate, Heads = 4, Window = 4, Block = 9, PersistentTokens = 3, Reads = TitansRead.BlockStart", 10, "MEMGEN204", "Reads = TitansRead.BlockStart")]
    [InlineData("TitansMemory(TitansVariant.Context, Heads = 4, Window = 8, Block = 8, Reads = TitansRead.BlockStart", 9, "MEMGEN204", "Reads = TitansRead.BlockStart")]
    [InlineData("BMojoMemory(Heads = 4, Window = 8, FadingTokens = 2", 9, "MEMGEN204", "FadingTokens = 2")]
    [InlineData("BMojoMemory(Heads = 4, Window = 8, FadingTokens = 2, FadingOffset = 10", 11, "MEMGEN204", "FadingTokens = 2")]
    [InlineData("BMojoMemory(Heads = 4, Window = 8, FadingTokens = 2, WindowMode = BMojoWindow.Blocked", 17, "MEMGEN204", "FadingTokens = 2")]
    public async Task WhatNoSegmentReads(string mixer, int enough, string id, string at)
    {
        string Declared(int rows) => Declarations.Model($"[{mixer})] [RecurrentMemory(SegmentTokens = {rows}, MemoryTokens = 1)]");
        Assert.Empty(await Compile.Diagnostics(Compile.Library(Declared(enough))));
        await DiagnosticAssert.One(Declared(enough - 1), id, at);
    }

    // Blocked: with 2 Window + 1 rows the first token that has left the window is in a slot when the last one is read.
    [Theory]
    [InlineData("Window = 8, EideticTokens = 8", 17, 16)]
    [InlineData("Window = 8, EideticTokens = 9", 25, 24)]
    [InlineData("Window = 8, EideticTokens = 16", 25, 17)]
    [InlineData("Window = 8, EideticTokens = 1, WindowMode = BMojoWindow.Sliding", 9, 8)]
    [InlineData("Window = 8, EideticTokens = 2, WindowMode = BMojoWindow.Sliding", 17, 16)]
    [InlineData("Window = 8, EideticTokens = 2, WindowMode = BMojoWindow.Sliding, RefreshTokens = 3", 10, 9)]
    [InlineData("Window = 8, EideticTokens = 3, WindowMode = BMojoWindow.Sliding, RefreshTokens = 1", 11, 10)]
    public async Task SlotsThatASegmentDoesNotFill(string slots, int enough, int tooFew)
    {
        string Declared(int rows) => Declarations.Model($"[BMojoMemory(Heads = 4, {slots}, FadingTokens = 2)] [RecurrentMemory(SegmentTokens = {rows}, MemoryTokens = 1)]");
        Assert.Empty(await Compile.Diagnostics(Compile.Library(Declared(enough))));
        await DiagnosticAssert.One(Declared(tooFew), "MEMGEN114", System.Text.RegularExpressions.Regex.Match(slots, "EideticTokens = [0-9]+").Value);
    }

    [Fact]
    public async Task AWrapperAroundALayer() =>
        await DiagnosticAssert.One(Declarations.Layer(Attention + "[RecurrentMemory(SegmentTokens = 64, MemoryTokens = 1)]"), "MEMGEN222", "RecurrentMemory");

    [Fact]
    public async Task AWrapperOnAnyClass() => await DiagnosticAssert.One(
        "[Memory.Gen.HierarchicalMemory(SegmentTokens = 64)] public sealed partial class LM;", "MEMGEN008", "Memory.Gen.HierarchicalMemory");

    [Fact]
    public async Task AMemberInTheWayOfAWrapper() => await DiagnosticAssert.One(
        Declarations.Model(Attention + "[HierarchicalMemory(SegmentTokens = 64)]").Replace("class Model;", "class Model { public int Recall => 1; }"), "MEMGEN006", "Recall");

    [Fact]
    public async Task CodeThatUsesAModelWithAWrongWrapperStillCompiles() => await DiagnosticAssert.One(
        Declarations.Model(Attention + "[RecurrentMemory(SegmentTokens = 64, MemoryTokens = -1)]") + Declarations.Use
            + "internal static class Segments { public static Memory.Gen.Runtime.ISegmentedModel Of(Model model) => model; }",
        "MEMGEN108", "MemoryTokens = -1");

    [Fact]
    public async Task MessagesSayWhatWorks()
    {
        Assert.Equal(
            "SegmentTokens = 34 leaves no room for new tokens beside 32 sensory tokens and the 2 rows of the memory; write SegmentTokens = 66 or more",
            await DiagnosticAssert.One(Declarations.Model(Attention + "[HierarchicalMemory(SegmentTokens = 34, SensoryTokens = 32)]"), "MEMGEN110", "SegmentTokens = 34"));
        Assert.Equal(
            "SensoryTokens = 32 is more than the 30 new tokens of a segment, the last of which they are; with SegmentTokens = 64, SensoryTokens = 31 works",
            await DiagnosticAssert.One(Declarations.Model(Attention + "[HierarchicalMemory(SegmentTokens = 64, SensoryTokens = 32)]"), "MEMGEN112", "SensoryTokens = 32"));
        Assert.Equal(
            "MemoryTokens is not given; it must be a positive number of rows, for example MemoryTokens = 3",
            await DiagnosticAssert.One(Declarations.Model(Attention + "[RecurrentMemory(SegmentTokens = 8)]"), "MEMGEN101", "RecurrentMemory"));
    }
}
