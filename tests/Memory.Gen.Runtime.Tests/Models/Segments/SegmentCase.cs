using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models.Segments;

// Windows of the same size, so that weights of one fit the others: four new tokens in each.

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 2, FeedForward = 5)]
[SlidingAttention(Heads = 2)]
[HierarchicalMemory(SegmentTokens = 8, SensoryTokens = 2, RecallSlots = 3, RecallDim = 5)]
public sealed partial class RecallingModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 2, FeedForward = 5)]
[SlidingAttention(Heads = 2)]
[HierarchicalMemory(SegmentTokens = 8, SensoryTokens = 2, RecallSlots = 1, RecallDim = 5)]
public sealed partial class OneSlotModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 2, FeedForward = 5)]
[SlidingAttention(Heads = 2)]
[HierarchicalMemory(SegmentTokens = 8, SensoryTokens = 2, Recall = false)]
public sealed partial class SensoryRelayModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 2, FeedForward = 5)]
[SlidingAttention(Heads = 2)]
[HierarchicalMemory(SegmentTokens = 6, Recall = false)]
public sealed partial class RelayModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 2, FeedForward = 5)]
[SlidingAttention(Heads = 2)]
[RecurrentMemory(SegmentTokens = 6, MemoryTokens = 1)]
public sealed partial class OneRowModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 2, FeedForward = 5)]
[SlidingAttention(Heads = 2)]
[RecurrentMemory(SegmentTokens = 4, MemoryTokens = 0)]
public sealed partial class BareSegmentsModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 2, FeedForward = 5)]
[SlidingAttention(Heads = 2)]
[RecurrentMemory(SegmentTokens = 8, MemoryTokens = 2, WriteInit = WriteInit.Learned)]
public sealed partial class TwoRowModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 2, FeedForward = 5)]
[SlidingAttention(Heads = 2)]
[HierarchicalMemory(SegmentTokens = 8, SensoryTokens = 2, RecallSlots = 3, RecallDim = 5, BackpropSegments = 2)]
public sealed partial class TruncatedModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 2, FeedForward = 5)]
[SlidingAttention(Heads = 2)]
[RecurrentMemory(SegmentTokens = 6, MemoryTokens = 1, BackpropSegments = 1)]
public sealed partial class TruncatedOneRowModel;

[MemoryModel(VocabSize = 11, Dim = 4, Layers = 1, FeedForward = 3)]
[SlidingAttention(Heads = 1)]
[HierarchicalMemory(SegmentTokens = 5, SensoryTokens = 1, RecallSlots = 3)]
public sealed partial class TinyRecallingModel;

/// <summary>Five new tokens, of which 3.5 are four.</summary>
[MemoryModel(VocabSize = 11, Dim = 8, Layers = 2, FeedForward = 5)]
[SlidingAttention(Heads = 2)]
[HierarchicalMemory(SegmentTokens = 9, SensoryTokens = 2, RecallSlots = 3, RecallDim = 5, RecallScale = 1.7, SummaryFraction = 0.7)]
public sealed partial class LongSummaryModel;

/// <summary>Five new tokens, of which 0.5 are one: fewer than the sensory tokens.</summary>
[MemoryModel(VocabSize = 11, Dim = 8, Layers = 2, FeedForward = 5)]
[SlidingAttention(Heads = 2)]
[HierarchicalMemory(SegmentTokens = 9, SensoryTokens = 2, RecallSlots = 3, RecallDim = 5, RecallScale = 0.2, SummaryFraction = 0.1)]
public sealed partial class ShortSummaryModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 2, FeedForward = 5)]
[SlidingAttention(Heads = 2)]
[HierarchicalMemory(SegmentTokens = 9, SensoryTokens = 2, RecallSlots = 3, RecallDim = 5, RecallScale = 0.2, SummaryFraction = 1, CausalRecall = false)]
public sealed partial class WholeSummaryModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 2, FeedForward = 5)]
[SlidingAttention(Heads = 2)]
[HierarchicalMemory(SegmentTokens = 8, SensoryTokens = 2, RecallSlots = 3, RecallDim = 5, OneEndedSummary = true)]
public sealed partial class OneEndedSummaryModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 2, FeedForward = 5)]
[SlidingAttention(Heads = 2)]
public sealed partial class PlainModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 2, FeedForward = 5)]
[LinearMemory(Rule = MemoryRule.GatedDelta, Heads = 2)]
[HierarchicalMemory(SegmentTokens = 8, SensoryTokens = 2, Recall = false)]
public sealed partial class LinearRelayModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 2, FeedForward = 5)]
[LinearMemory(Rule = MemoryRule.GatedDelta, Heads = 2)]
public sealed partial class PlainLinearModel;

/// <summary>A model in float64 with weights of ordinary size, and a text for it.</summary>
internal sealed class SegmentCase<TModel> : IDisposable
    where TModel : nn.Module<Tensor, Tensor>, IMemoryModel
{
    private readonly Generator random = new(7, CPU);

    public SegmentCase(TModel model)
    {
        Model = model;
        RandomWeights.Fill(model, 0.4, shape => randn(shape, dtype: ScalarType.Float64, generator: random));
    }

    public TModel Model { get; }

    public Tensor Text(long rows, long tokens) => randint(0, 11, [rows, tokens], dtype: ScalarType.Int64, generator: random);

    public Tensor Weight(string name) => Model.get_parameter(name)!;

    /// <summary>Takes over another model's weights of the same names; those it lacks stay.</summary>
    public SegmentCase<TModel> With(nn.Module other)
    {
        using var quiet = no_grad();
        foreach (var (key, parameter) in Model.named_parameters())
            if (other.get_parameter(key) is { } given)
                parameter.copy_(given);
        return this;
    }

    public void Dispose()
    {
        Model.Dispose();
        random.Dispose();
    }
}

internal static class SegmentStates
{
    public static StateTensor Of(this MemoryState state, string name) => state.Tensors.Single(t => t.Name == name);
}
