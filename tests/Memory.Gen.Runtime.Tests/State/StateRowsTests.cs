using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.State;

/// <summary>Updates of some rows of a state tensor, and the loss that layers add.</summary>
public sealed class StateRowsTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void RowsAreWrittenAndTheOthersStay(bool gradients)
    {
        using var mode = gradients ? enable_grad() : no_grad();
        using var state = new SlotState();
        Write(state, [4, 0], [[1, 2], [3, 4]]);
        Write(state, [0, 3], [[5, 6], [7, 8]]);
        Assert.Equal([5.0, 6, 0, 0, 0, 0, 7, 8, 1, 2, 0, 0], Content(state));
        Assert.Equal([2L, 2], state.Positions.data<long>().ToArray());
    }

    [Fact]
    public void WithoutGradientsOnlyTheFirstWriteCopies()
    {
        using var quiet = no_grad();
        using var state = new SlotState();
        Replace(state, 1);
        Write(state, [1], [[2, 2]]);
        Tensor own = state.Slots.Value;
        Write(state, [2], [[3, 3]]);
        Assert.Same(own, state.Slots.Value);
        Assert.Equal([1.0, 1, 2, 2, 3, 3, 1, 1, 1, 1, 1, 1], Content(state));
    }

    [Fact]
    public void NothingCommittedChangesInsideATransaction()
    {
        using var quiet = no_grad();
        using var state = new SlotState();
        Write(state, [0], [[1, 1]]);
        Tensor committed = state.Slots.Value;
        using (state.Begin(2, 1))
        {
            state.Slots.UpdateRows(tensor(new[] { 0L }), Rows([[9, 9]]));
            Assert.Equal(1, committed[0, 0, 0].item<double>());
            Assert.Equal(9, state.Slots.Value[0, 0, 0].item<double>());
            Assert.Equal(1, committed[0, 0, 0].item<double>());
        }
        Assert.Equal([1.0, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0], Content(state));
    }

    [Fact]
    public void SeveralWritesOfOneCallAddUp()
    {
        using var quiet = no_grad();
        using var state = new SlotState();
        using (var step = state.Begin(2, 1))
        {
            state.Slots.UpdateRows(tensor(new[] { 0L, 1 }), Rows([[1, 1], [2, 2]]));
            state.Slots.UpdateRows(tensor(new[] { 1L, 5 }), Rows([[3, 3], [4, 4]]));
            step.Commit();
        }
        Assert.Equal([1.0, 1, 3, 3, 0, 0, 0, 0, 0, 0, 4, 4], Content(state));
        using (var step = state.Begin(2, 1))
        {
            state.Slots.UpdateRows(tensor(new[] { 0L }), Rows([[9, 9]]));
            state.Slots.Update(full([2, 3, 2], 7.0, dtype: ScalarType.Float64));
            step.Commit();
        }
        Assert.All(Content(state), value => Assert.Equal(7, value));
    }

    [Fact]
    public void AGraphThatKeepsAStateIsNotWrittenInto()
    {
        using var state = new SlotState();
        Tensor factor = tensor(3.0).requires_grad_();
        using (var step = state.Begin(2, 1))
        {
            state.Slots.Update((state.Slots.Value + 1) * factor);
            step.Commit();
        }
        Tensor loss = state.Slots.Value.pow(2).sum();   // keeps the state for its gradient
        state.Detach();
        using (no_grad())
        {
            Write(state, [0], [[100, 100]]);
            Write(state, [1], [[200, 200]]);
        }
        loss.backward();
        Assert.Equal(12 * 2 * 3.0, factor.grad!.item<double>());

        Tensor later = (state.Slots.Value * factor).sum();   // keeps what was written in place just before
        using (no_grad())
            Write(state, [2], [[300, 300]]);
        Tensor gradient = autograd.grad([later], [factor])[0];
        Assert.Equal(200.0 + 400 + 8 * 3, gradient.item<double>());
    }

    [Fact]
    public void GradientsFlowThroughRows()
    {
        using var state = new SlotState();
        Tensor first = Rows([[1, 2]]).requires_grad_(), second = Rows([[3, 4]]).requires_grad_();
        Write(state, [4], first * 2);
        Write(state, [5], second * 2);
        foreach (Tensor gradient in autograd.grad([state.Slots.Value.pow(2).sum()], [first, second]))
            Assert.True(gradient.ne(0).all().item<bool>());
    }

    [Fact]
    public void RowsThatDoNotFitAreRefused()
    {
        using var state = new SlotState();
        Assert.Throws<InvalidOperationException>(() => state.Slots.UpdateRows(tensor(new[] { 0L }), Rows([[1, 1]])));
        using var step = state.Begin(2, 1);
        Assert.Contains("is [2, 3, 2]", Assert.Throws<ArgumentException>(() => state.Slots.UpdateRows(tensor(new[] { 0L }), Rows([[1, 1, 1]]))).Message);
        Assert.Throws<ArgumentException>(() => state.Slots.UpdateRows(tensor(new[] { 0L, 1 }), Rows([[1, 1]])));
    }

    [Fact]
    public void LossesOfOneCallAddUpAndTheNextCallBeginsAnew()
    {
        using var state = new SlotState();
        Assert.Null(state.AuxiliaryLoss);
        Tensor a = tensor(2.0).requires_grad_();
        Advance(state, a * 3, a * a);
        Assert.Equal(10, state.AuxiliaryLoss!.item<double>());
        Assert.Equal(3 + 2 * 2.0, autograd.grad([state.AuxiliaryLoss!], [a])[0].item<double>());

        Advance(state, a.clone());
        Assert.Equal(2, state.AuxiliaryLoss!.item<double>());
        Assert.True(state.AuxiliaryLoss!.requires_grad);
        state.Detach();
        Assert.False(state.AuxiliaryLoss!.requires_grad);
        using (state.Begin(2, 1))
            state.Layer.AddLoss(a * 100);
        Assert.Equal(2, state.AuxiliaryLoss!.item<double>());
        Advance(state);
        Assert.Null(state.AuxiliaryLoss);
        Assert.Throws<InvalidOperationException>(() => state.Layer.AddLoss(a));
        Assert.Throws<ArgumentException>(() => Advance(state, Rows([[1, 2]])));
    }

    [Fact]
    public void PaddingIsMarkedForOneCall()
    {
        using var state = new SlotState();
        state.MarkPadding(zeros([2, 1], dtype: ScalarType.Bool));
        using (state.Begin(2, 1))
            Assert.NotNull(state.Layer.Padding);
        using (state.Begin(2, 1))
            Assert.Null(state.Layer.Padding);
        state.MarkPadding(zeros([2, 3], dtype: ScalarType.Bool));
        Assert.Contains("[2, 3]", Assert.Throws<ArgumentException>(() => state.Begin(2, 1)).Message);
        Assert.Throws<ArgumentException>(() => state.MarkPadding(zeros([2, 1])));
    }

    private static void Advance(SlotState state, params Tensor[] losses)
    {
        using var step = state.Begin(2, 1);
        foreach (Tensor loss in losses)
            state.Layer.AddLoss(loss);
        step.Commit();
    }

    private static void Replace(SlotState state, double value)
    {
        using var step = state.Begin(2, 1);
        state.Slots.Update(full([2, 3, 2], value, dtype: ScalarType.Float64));
        step.Commit();
    }

    private static void Write(SlotState state, long[] rows, double[][] values) => Write(state, rows, Rows(values));

    private static void Write(SlotState state, long[] rows, Tensor values)
    {
        using var step = state.Begin(2, 1);
        state.Slots.UpdateRows(tensor(rows), values);
        step.Commit();
    }

    private static Tensor Rows(double[][] values) => tensor(values.SelectMany(v => v).ToArray()).view(values.Length, -1);

    private static double[] Content(SlotState state) => state.Slots.Value.detach().contiguous().data<double>().ToArray();

    /// <summary>Two rows of three slots of two numbers.</summary>
    private sealed class SlotState : MemoryState
    {
        public SlotState() : base("Slots", "0", 2, CPU, ScalarType.Float64) => Layer = new SlotLayer(this);

        public SlotLayer Layer { get; }

        public StateTensor Slots => Layer.Slots;
    }

    private sealed class SlotLayer : LayerState
    {
        public SlotLayer(MemoryState owner) : base(owner, "layers.0") => Slots = Memory("slots", 3, 2);

        public StateTensor Slots { get; }
    }
}
