using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models.Segments;

/// <summary>Recurrent memories in float64.</summary>
public sealed class RecurrentMemoryTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    [Fact]
    public void SegmentsAndMemoriesAreThoseOfTheEquations()
    {
        using var rows = new SegmentCase<TwoRowModel>(new TwoRowModel(dtype: ScalarType.Float64));
        using var row = new SegmentCase<OneRowModel>(new OneRowModel(dtype: ScalarType.Float64));
        Tensor text = rows.Text(1, 23);
        Numbers.Near(new SegmentOracle(rows.Model, 2) { NewTokens = 4 }.Read(text[0]), rows.Model.call(text)[0], 1e-11, "two rows, learned");
        Numbers.Near(new SegmentOracle(row.Model, 2) { NewTokens = 4 }.Read(text[0]), row.Model.call(text)[0], 1e-11, "one row");
    }

    [Fact]
    public void RowsThatAreWrittenAlterNoLogitOfTheirSegment()
    {
        using var model = new SegmentCase<TwoRowModel>(new TwoRowModel(dtype: ScalarType.Float64));
        using var quiet = no_grad();
        Tensor text = model.Text(2, 8), before = model.Model.call(text);
        model.Weight("write_memory").add_(1);
        Tensor after = model.Model.call(text);
        Numbers.Near(before.narrow(1, 0, 4), after.narrow(1, 0, 4), 0, "the first segment");
        Assert.True(Numbers.Error(after.narrow(1, 4, 4), before.narrow(1, 4, 4)) > 1e-6);
    }

    [Fact]
    public void ATokenReachesTheNextSegmentThroughTheMemoryAlone()
    {
        using var model = new SegmentCase<OneRowModel>(new OneRowModel(dtype: ScalarType.Float64));
        using var quiet = no_grad();
        Tensor text = model.Text(1, 8), other = text.clone();
        other[0, 2] = (other[0, 2] + 1).remainder(11);
        using var state = model.Model.NewState(1);
        using var changed = model.Model.NewState(1);
        model.Model.Prefill(text.narrow(1, 0, 4), state);
        model.Model.Prefill(other.narrow(1, 0, 4), changed);
        using var frozen = changed.Clone();
        frozen.Of("memory.memory").Set(state.Of("memory.memory").Value.clone());

        Tensor next = text.narrow(1, 4, 4), expected = model.Model.Prefill(next, state);
        Assert.True(Numbers.Error(model.Model.Prefill(next, changed), expected) > 1e-6);
        Numbers.Near(expected, model.Model.Prefill(next, frozen), 0, "with the memory of the text that was not changed");
    }
}
