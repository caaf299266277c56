using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.State;

public sealed class RaggedSegmentTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    [Fact]
    public void WithoutAStateEverySpanIsASegmentAndTheLastIsTheRest() =>
        Assert.Equal([(0, 4, null), (4, 4, null), (8, 2, null)], Spans(10, null));

    [Fact]
    public void SpansEndWhereASegmentEndsInAnyRow()
    {
        using var state = new Two();
        state.Read(3);
        state.Reset(1);
        Assert.Equal([(0, 1, "3 0"), (1, 3, "0 1"), (4, 1, "3 0"), (5, 2, "0 1")], Spans(7, state.Layer));
    }

    [Fact]
    public void NoTokensAreOneEmptySpanThatBeginsNothing()
    {
        using var state = new Two();
        Assert.Equal([(0, 0, null)], Spans(0, state.Layer));
        RaggedSegment span = Assert.Single(RaggedSegment.Of(0, 4, state.Layer));
        Tensor kept = zeros(2, 3);
        Assert.Same(kept, span.Begins(ones(2, 3), kept));
    }

    [Fact]
    public void OnlyRowsThatBeginASegmentTakeWhatIsNew()
    {
        using var state = new Two();
        state.Read(3);
        state.Reset(1);
        RaggedSegment span = RaggedSegment.Of(1, 4, state.Layer).First();
        Assert.Equal([0f, 1], span.Begins(ones(2, 1), zeros(2, 1)).data<float>().ToArray());
        Assert.Equal([3L, 0], span.Positions(zeros(2, 1, 1)).data<long>().ToArray());
    }

    private static IEnumerable<(long, long, string?)> Spans(long tokens, LayerState? layer) => RaggedSegment.Of(tokens, 4, layer)
        .Select(span => (span.Start, span.Length, span.Read is null ? null : string.Join(' ', span.Read.data<long>().ToArray()))).ToArray();

    private sealed class Two : MemoryState
    {
        public Two() : base("two rows", "", 2, CPU, ScalarType.Float32) => Layer = new Empty(this);

        public LayerState Layer { get; }

        public void Read(long tokens)
        {
            using StateTransaction advance = Begin(2, tokens);
            advance.Commit();
        }

        private sealed class Empty(MemoryState owner) : LayerState(owner, "layer");
    }
}
