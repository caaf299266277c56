using Memory.Gen.Runtime.Kernels;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.State;

public sealed class MemoryStateTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    [Fact]
    public void AFreshStateIsZerosAndCountsItsBytes()
    {
        using var state = new SmallState(2, ScalarType.BFloat16);
        Assert.All(state.Content, values => Assert.All(values, value => Assert.Equal(0, value)));
        Assert.Equal(ScalarType.Float32, state.Layer.Sum.Value.dtype);
        Assert.Equal(ScalarType.BFloat16, state.Layer.Last.Value.dtype);
        Assert.Equal(2 * (2 * 4 + 3 * 2 + 8), state.Bytes);

        state.Advance(Random(2, 5).to(ScalarType.Float32));

        Assert.Equal(2 * (2 * 4 + 3 * 2 + 5 * 2 + 8), state.Bytes);
        Assert.Equal(ScalarType.BFloat16, state.Layer.All.Value.dtype);
    }

    [Fact]
    public void WhatIsNotCommittedIsDiscarded()
    {
        using var state = new SmallState(2);
        state.Advance(Random(2, 4));
        var before = state.Content;

        Assert.Throws<InvalidOperationException>(new Action(() =>
        {
            using var step = state.Begin(2, 3);
            state.Layer.Read(Random(2, 3));
            throw new InvalidOperationException("in the middle of a layer");
        }));

        Assert.Equal(before, state.Content);
        state.Advance(Random(2, 1));
        Assert.Equal([5.0, 5.0], state.Content[3]);
    }

    [Fact]
    public void OneCallAtATimeAndOnlyInsideACall()
    {
        using var state = new SmallState(1);
        Assert.Contains("Prefill or Step", Assert.Throws<InvalidOperationException>(() => state.Layer.Sum.Update(zeros(1, 2))).Message);
        using var step = state.Begin(1, 1);
        Assert.Throws<InvalidOperationException>(() => state.Begin(1, 1));
        Assert.Throws<InvalidOperationException>(() => state.Reset());
        Assert.Throws<InvalidOperationException>(() => state.Save("never"));
        Assert.Throws<ArgumentException>(() => state.Layer.Sum.Update(zeros(1, 3)));
        step.Commit();
        Assert.Throws<ObjectDisposedException>(step.Commit);
    }

    // What was made in inference mode is copied when a call outside it begins; a tensor that is gone stands for memory that is short.
    [Fact]
    public void ACallThatCannotBeginLeavesTheStateFree()
    {
        using var state = new SmallState(1);
        using (inference_mode()) state.Advance(Random(1, 2));
        state.Layer.Last.Value.Dispose();
        Assert.ThrowsAny<Exception>(() => state.Begin(1, 1));
        state.Reset();
        state.Advance(Random(1, 2));
        Assert.Equal([2.0], state.Content[3]);
    }

    [Theory]
    [InlineData(0)]
    [InlineData(1)]
    [InlineData(3)]
    [InlineData(7)]
    public void ACacheDropsItsOldestForWhatIsAppendedAndAGrowingOneKeepsAll(long length)
    {
        using var state = new SmallState(2);
        Tensor first = Random(2, 5), next = Random(2, length);
        state.Advance(first);
        state.Advance(next);

        Tensor all = cat([first, next], 1);
        Assert.Equal(all.contiguous().data<double>().ToArray(), state.Layer.All.Value.contiguous().data<double>().ToArray());
        Assert.Equal(all[.., ^3..].contiguous().data<double>().ToArray(), state.Layer.Last.Value.contiguous().data<double>().ToArray());
    }

    // Without gradients caches have room behind them, which nobody may notice.
    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void CachesAreTheLastEntriesOfAllHoweverTheyWereAppended(long rows)
    {
        using var quiet = no_grad();
        using var state = new SmallState(rows);
        List<Tensor> read = [zeros(rows, 3, dtype: ScalarType.Float64)];
        var random = new Random(7);
        for (int i = 0; i < 300; i++)
        {
            Tensor next = Random(rows, random.Next(5) == 0 ? 4 : 1), before = state.Layer.Last.Value, kept = before.clone();
            if (i % 7 == 0)
            {
                using var givenUp = state.Begin(rows, next.shape[1]);
                state.Layer.Read(next);
                state.Layer.Read(next);
            }

            if (i % 11 == 0)
            {
                using var loud = enable_grad();
                _ = state.Layer.Last.Value;
            }

            if (i % 50 == 49)
            {
                state.Detach();
                before = state.Layer.Last.Value;
            }

            if (i % 13 == 0)
            {
                using SmallState copy = state.Clone();
                copy.Advance(next);
            }

            Assert.Equal(Values(kept), Values(before));
            using (var step = state.Begin(rows, next.shape[1]))
            {
                state.Layer.Read(next);
                Assert.Equal(Values(kept), Values(before));
                step.Commit();
            }

            read.Add(next);
            Tensor all = cat(read, 1);
            Assert.Equal(Values(all[.., 3..]), Values(state.Layer.All.Value));
            Assert.Equal(Values(all[.., ^3..]), Values(state.Layer.Last.Value));
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public unsafe void AnEntryIsWrittenBehindTheOthersAndTheyStayWhereTheyAre(long rows)
    {
        using var quiet = no_grad();
        using var state = new SmallState(rows);
        state.Advance(Random(rows, 2));
        nint last = (nint)KernelLibrary.Data(state.Layer.Last.Value), all = (nint)KernelLibrary.Data(state.Layer.All.Value);
        for (int i = 1; i <= 20; i++)
        {
            state.Advance(Random(rows, 1));
            Assert.Equal(last + (i * sizeof(double)), (nint)KernelLibrary.Data(state.Layer.Last.Value));
            Assert.Equal(all, (nint)KernelLibrary.Data(state.Layer.All.Value));
        }
    }

    [Fact]
    public void RowsOfACacheWithRoomAreWrittenToo()
    {
        using var quiet = no_grad();
        using var state = new SmallState(2);
        Tensor read = Random(2, 5);
        for (int i = 0; i < 5; i++) state.Advance(read.narrow(1, i, 1));
        using (var step = state.Begin(2, 0))
        {
            // Entry 1 of row 0, and entry 2 of row 1.
            state.Layer.Last.UpdateRows(tensor(new long[] { 1, 5 }), tensor(new[] { 7.0, 8 }).view(2, 1));
            step.Commit();
        }

        Tensor expected = read.narrow(1, 2, 3).clone();
        expected[0, 1] = 7.0;
        expected[1, 2] = 8.0;
        Assert.Equal(Values(expected), Values(state.Layer.Last.Value));
    }

    private static double[] Values(Tensor x) => x.contiguous().view(-1).data<double>().ToArray();

    [Fact]
    public void WhatIsAppendedMustFitBehindAndCarriesGradients()
    {
        using var state = new SmallState(2);
        Assert.Contains("Prefill or Step", Assert.Throws<InvalidOperationException>(() => state.Layer.Last.Append(zeros(2, 1, 1))).Message);
        using var step = state.Begin(2, 1);
        Assert.Contains("[2, 1, 2] behind it", Assert.Throws<ArgumentException>(() => state.Layer.Last.Append(zeros(2, 1, 2))).Message);
        Assert.Throws<ArgumentException>(() => state.Layer.Last.Append(zeros(1, 1, 1)));
        Assert.Throws<ArgumentException>(() => state.Layer.All.Append(zeros(2)));

        Tensor next = Random(2, 2).unsqueeze(-1).requires_grad_(true);
        state.Layer.Last.Append(next);
        (state.Layer.Last.Value * arange(1, 4, dtype: ScalarType.Float64).view(1, 3, 1)).sum().backward();
        Assert.Equal([2.0, 3.0, 2.0, 3.0], next.grad!.contiguous().data<double>().ToArray());
    }

    [Fact]
    public void OfCallsThatBeginAtOnceOneGetsTheState()
    {
        const int Callers = 4;
        using var state = new SmallState(1);
        using var together = new Barrier(Callers);
        var began = new StateTransaction?[Callers];
        var counts = new List<int>();
        Thread[] threads = [.. Enumerable.Range(0, Callers).Select(caller => new Thread(() =>
        {
            for (int round = 0; round < 3000; round++)
            {
                together.SignalAndWait();
                try
                {
                    began[caller] = state.Begin(1, 1);
                }
                catch (InvalidOperationException)
                {
                    began[caller] = null;
                }

                together.SignalAndWait();
                if (caller > 0) continue;
                counts.Add(began.Count(each => each is not null));
                foreach (StateTransaction? each in began) each?.Dispose();
            }
        }))];
        foreach (Thread thread in threads) thread.Start();
        foreach (Thread thread in threads) thread.Join();
        Assert.All(counts, count => Assert.Equal(1, count));
    }

    [Fact]
    public void RowsOfTheCallMustBeRowsOfTheState()
    {
        using var state = new SmallState(3);
        Assert.Contains("NewState(2)", Assert.Throws<ArgumentException>(() => state.Begin(2, 1)).Message);
        Assert.Throws<ArgumentOutOfRangeException>(() => new SmallState(-1));
    }

    [Fact]
    public void ResetTouchesOnlyItsRowsAndAResetRowIsAFreshOne()
    {
        using var state = new SmallState(3);
        state.Advance(Random(3, 6));
        using var before = state.Clone();
        state.Reset(1);

        foreach (var (tensor, old) in state.Tensors.Zip(before.Tensors))
        {
            Assert.Equal(Row(old.Value, 0), Row(tensor.Value, 0));
            Assert.Equal(Row(old.Value, 2), Row(tensor.Value, 2));
            Assert.All(Row(tensor.Value, 1), value => Assert.Equal(0, value));
        }
        Assert.Equal([6.0, 0.0, 6.0], state.Content[3]);

        state.Reset();
        using var fresh = new SmallState(3);
        Assert.Equal(fresh.Content, state.Content);
    }

    [Fact]
    public void ResetOfNoRowsIsNoReset()
    {
        using var state = new SmallState(2);
        state.Advance(Random(2, 2));
        var before = state.Content;
        state.Reset([]);
        Assert.Equal(before, state.Content);
        Assert.Contains("rows 0 to 1", Assert.Throws<ArgumentOutOfRangeException>(() => state.Reset(0, 2)).Message);
        Assert.Equal(before, state.Content);
    }

    [Fact]
    public void AResetForgetsEvenWhatIsNotANumber()
    {
        using var state = new SmallState(2);
        state.Advance(tensor(new[,] { { double.NaN }, { 1.0 } }));
        state.Reset(0);
        Assert.All(Row(state.Layer.Sum.Value, 0), value => Assert.Equal(0, value));
    }

    [Fact]
    public void GrowingCachesDropWhatNoRowNeedsAnyMore()
    {
        using var state = new SmallState(2);
        state.Advance(Random(2, 6));
        state.Reset(0, 1);
        state.Advance(Random(2, 2));
        Assert.Equal([2, 2, 1], state.Layer.All.Value.shape);
        state.Reset(0);
        state.Advance(Random(2, 1));
        Assert.Equal([2, 3, 1], state.Layer.All.Value.shape);
        Assert.Equal([1.0, 3.0], state.Content[3]);
    }

    [Fact]
    public void ACloneIsDeepAndLivesOn()
    {
        var state = new SmallState(2);
        state.Advance(Random(2, 3));
        using var copy = state.Clone();
        var kept = copy.Content;
        state.Advance(Random(2, 2));
        state.Layer.Sum.Value.zero_();
        state.Dispose();
        Assert.Equal(kept, copy.Content);
        Assert.StartsWith("This state of Small was disposed; make another one with NewState.", Assert.Throws<ObjectDisposedException>(() => state.Layer.Sum.Value).Message);
    }

    [Fact]
    public void GradientsFlowThroughAResetAndACloneUntilDetach()
    {
        using var state = new SmallState(2);
        Tensor values = Random(2, 3).requires_grad_();
        state.Advance(values);
        state.Reset(0);
        using var copy = state.Clone();
        Tensor gradient = autograd.grad([copy.Layer.Sum.Value.sum()], [values])[0];
        Assert.Equal([0.0, 0, 0, 2, 2, 2], Doubles(gradient));

        Assert.True(state.Layer.Sum.Value.requires_grad);
        state.Detach();
        Assert.False(state.Layer.Sum.Value.requires_grad);
    }

    // In the call idle rows stand where the first other does, so that none has to be read apart; behind it they stand where they did.
    [Theory, InlineData(true), InlineData(false)]
    public void IdleRowsKeepTheirPlaceWhetherTheCallEndsOrNot(bool commits)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        using var state = new SmallState(3);
        state.Advance(tensor(new[] { 1.0, 2, 3 }).view(3, 1));
        state.Advance(tensor(new[] { 1.0, 2, 3 }).view(3, 1));
        state.Reset(1);
        double[][] before = state.Content;
        state.MarkIdle([0, 2]);
        using (StateTransaction step = state.Begin(3, 1))
        {
            Assert.Equal([0, 0, 0], state.Positions.data<long>().ToArray());
            state.Layer.Read(tensor(new[] { 7.0, 8, 9 }).view(3, 1));
            if (commits) step.Commit();
        }

        Assert.Equal(commits ? [2, 1, 2] : [2, 0, 2], state.Positions.data<long>().ToArray());
        Assert.Equal(commits ? [1.5, 1.5, 8, 8, 4.5, 4.5] : before[0], state.Content[0]);
        Assert.Equal(commits ? [1.0, 1, 0, 8, 3, 3] : before[2], state.Content[2]);
        state.MarkIdle(null);
    }

    [Fact]
    public void AWindowDoesNotKeepTheTextItWasCutFrom()
    {
        using var state = new SmallState(1);
        state.Advance(Random(1, 1000));
        Assert.Equal(0, state.Layer.Last.Value.storage_offset());
        Assert.True(state.Layer.Last.Value.is_contiguous());
    }

    private static Tensor Random(long rows, long tokens) => randn([rows, tokens], dtype: ScalarType.Float64);

    private static double[] Row(Tensor tensor, long row) => Doubles(tensor.select(0, row));

    private static double[] Doubles(Tensor tensor) => tensor.detach().contiguous().data<double>().ToArray();
}
