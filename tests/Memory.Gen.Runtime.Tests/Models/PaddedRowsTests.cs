using Memory.Gen.Runtime.Kernels;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models;

/// <summary>Batches in which some tokens are as if they were not there.</summary>
public sealed class PaddedRowsTests : IDisposable
{
    // X is skipped. Rows padded on the right, on the left, within, not at all, wholly, and one of the first's length.
    private static readonly string[] Masks = [".........XXXXXXXX", "XXXXXX...........", "X..XX.....X...X..", ".................", "XXXXXXXXXXXXXXXXX", "XX.X.X.X.X.XX...."];

    private readonly DisposeScope scope = NewDisposeScope();

    public static TheoryData<string> All => Subject.All;

    public void Dispose() => scope.Dispose();

    [Theory, MemberData(nameof(All)), InlineData(nameof(PaperHierarchicalModel))]
    public void PaddedRowsAreReadAsIfTheyWereAloneAndUnpadded(string name)
    {
        using var subject = new Subject(name);
        using var quiet = no_grad();
        long B = Masks.Length, T = Masks[0].Length;
        Tensor before = subject.Input(B, 5), padded = subject.Input(B, T), after = subject.Input(B, 6);
        using var state = subject.NewState(B);
        subject.Prefill(before, state);
        state.Reset(2, 5);
        using MemoryState begun = Rows(state, arange(B, dtype: ScalarType.Int64));
        Tensor output = subject.Prefill(padded, state, Mask());
        using MemoryState read = Rows(state, arange(B, dtype: ScalarType.Int64));
        Tensor next = subject.Prefill(after, state);
        for (int row = 0; row < B; row++)
        {
            using var alone = subject.NewState(1);
            if (row is not (2 or 5)) subject.Prefill(before.narrow(0, row, 1), alone);
            Tensor places = tensor(Places(row));
            Numbers.Near(
                subject.Prefill(padded.narrow(0, row, 1).index_select(1, places), alone), output.narrow(0, row, 1).index_select(1, places), 1e-10, $"row {row}");
            using MemoryState together = Rows(read, tensor(new[] { (long)row }));
            if (places.numel() == 0)
            {
                using MemoryState untouched = Rows(begun, tensor(new[] { (long)row }));
                Same(untouched, together, 0, row);
            }

            Same(alone, together, 1e-10, row);
            Numbers.Near(subject.Prefill(after.narrow(0, row, 1), alone), next.narrow(0, row, 1), 1e-10, $"row {row}, read on");
            Assert.Equal(alone.Positions.item<long>(), state.Positions[row].item<long>());
        }

        Assert.Equal(0, (output * Mask().unsqueeze(2)).abs().max().item<double>());
        Assert.Equal(subject.Card.StateBytes(state.Positions.max().item<long>(), ScalarType.Float64) * B, state.Bytes);

        MemoryState Rows(MemoryState of, Tensor rows)
        {
            MemoryState copy = subject.NewState(rows.shape[0]);
            copy.CopyRows(of, rows);
            return copy;
        }

        // A cache that grows is as long as its longest row, and what a row has is on the right.
        static void Same(MemoryState expected, MemoryState actual, double limit, int row)
        {
            foreach (var (wanted, found) in expected.Tensors.Zip(actual.Tensors))
            {
                long surplus = wanted.Value.dim() > 1 ? found.Value.shape[1] - wanted.Value.shape[1] : 0;
                Tensor own = surplus > 0 ? found.Value.narrow(1, surplus, wanted.Value.shape[1]) : found.Value;
                Numbers.Near(Numbers.Finite(wanted.Value), Numbers.Finite(own), limit, $"{wanted.Name} of row {row}");
            }
        }
    }

    [Theory]
    [InlineData(nameof(CausalModel))]
    [InlineData(nameof(TitansGateModel))]
    [InlineData(nameof(HierarchicalModel))]
    [InlineData(nameof(BMojoModel))]
    [InlineData(nameof(GatedDeltaLayer))]
    public void GradientsAreThoseOfTheRowsAlone(string name)
    {
        using var subject = new Subject(name);
        long B = Masks.Length, T = Masks[0].Length;
        Tensor before = subject.Input(B, 5), padded = subject.Input(B, T);
        Parameter[] parameters = subject.Trained;
        using var state = subject.NewState(B);
        subject.Prefill(before, state);
        Tensor output = subject.Prefill(padded, state, Mask()), weights = subject.Normal(output.shape);
        IList<Tensor> together = autograd.grad([(output * weights).sum()], [.. parameters]);

        Tensor loss = zeros([], dtype: ScalarType.Float64);
        for (int row = 0; row < B; row++)
        {
            using var alone = subject.NewState(1);
            subject.Prefill(before.narrow(0, row, 1), alone);
            Tensor places = tensor(Places(row));
            loss = loss + (subject.Prefill(padded.narrow(0, row, 1).index_select(1, places), alone) * weights.narrow(0, row, 1).index_select(1, places)).sum();
        }
        IList<Tensor> apart = autograd.grad([loss], [.. parameters]);
        for (int i = 0; i < parameters.Length; i++) Numbers.Near(apart[i], together[i], 1e-10, $"parameter {i}");
    }

    // Without gradients rows that read no token are put back; with them rows are moved. Each row is idle at some steps, the longest among
    // them, and one that never read begins late; what stands at an idle row may be anything.
    [Theory, MemberData(nameof(All)), InlineData(nameof(PaperHierarchicalModel))]
    public void IdleRowsAreLeftAsTheyWere(string name)
    {
        using var subject = new Subject(name);
        using MemoryState moved = subject.NewState(3), state = subject.NewState(3);
        Tensor before = subject.Input(3, 9);
        foreach (MemoryState each in new[] { moved, state })
        {
            subject.Prefill(before, each).Dispose();
            each.Reset(1);
            each.Detach();
        }

        foreach (string mask in new[] { ".X.", "XX.", "XX.", "...", "X..", "..X", "X.X", "X.X", ".XX", "X..", "X..", "X..", "X..", ".X.", ".X." })
        {
            Tensor token = subject.Input(3, 1), skip = tensor(mask.Select(each => each == 'X').ToArray()).view(3, 1);
            Tensor anything = subject.IsModel ? token.masked_fill(skip, -5) : token.masked_fill(skip.unsqueeze(2), double.NaN);
            Tensor expected = subject.Prefill(anything, moved, skip);
            moved.Detach();
            using var quiet = no_grad();
            Numbers.Near(expected, subject.Prefill(anything, state, skip), 1e-10, mask);
            Numbers.Near(moved, state, 1e-10, $"the state after {mask}");
        }
    }

    [Fact]
    public unsafe void WhereARowIsIdleNoOtherIsMoved()
    {
        using var subject = new Subject(nameof(CausalModel));
        using var quiet = no_grad();
        using MemoryState state = subject.NewState(3);
        Tensor input = subject.Input(3, 9), skip = tensor(new[] { false, true, false }).view(3, 1);
        nint? at = null;
        for (int i = 0; i < 9; i++)
        {
            subject.Prefill(input.narrow(1, i, 1), state, skip);
            nint now = (nint)KernelLibrary.Data(state.Tensors[0].Value);
            Assert.Equal(at ?? now, now);
            at = now;
        }

        Assert.Equal([9, 0, 9], state.Positions.data<long>().ToArray());
        Assert.Throws<ArgumentException>(() => subject.Prefill(full([3, 1], 11, dtype: ScalarType.Int64), state, skip));
        subject.Step(input.select(1, 0), state);
        Assert.Equal([10, 1, 10], state.Positions.data<long>().ToArray());
    }

    [Fact]
    public unsafe void WhereNothingIsSkippedNoRowIsMoved()
    {
        using var subject = new Subject(nameof(CausalModel));
        using var quiet = no_grad();
        using MemoryState state = subject.NewState(3), plain = subject.NewState(3);
        Tensor input = subject.Input(3, 9), none = zeros([3, 1], dtype: ScalarType.Bool);
        nint? at = null;
        for (int i = 0; i < 9; i++)
        {
            Tensor token = input.narrow(1, i, 1);
            Numbers.Near(subject.Prefill(token, plain), subject.Prefill(token, state, none), 0, $"token {i}");
            // All keys stay where the first was written.
            nint now = (nint)KernelLibrary.Data(state.Tensors[0].Value);
            Assert.Equal(at ?? now, now);
            at = now;
        }

        Numbers.Near(plain, state, 0, "the state");
        Assert.Throws<ArgumentException>(() => subject.Prefill(input, state, zeros([3, 8], dtype: ScalarType.Bool)));
        Assert.Contains("has 3; make one with NewState(2)", Assert.Throws<ArgumentException>(() => subject.Prefill(input.narrow(0, 0, 2), state, zeros([2, 9], dtype: ScalarType.Bool))).Message);
    }

    [Fact]
    public void WhatIsSkippedMayBeAnything()
    {
        using var subject = new Subject(nameof(GatedDeltaLayer));
        using var quiet = no_grad();
        Tensor input = subject.Input(1, 6), skip = tensor(new[] { false, false, true, true, false, false }).view(1, 6);
        using var state = subject.NewState(1);
        Tensor output = subject.Prefill(input.masked_fill(skip.unsqueeze(2), double.NaN), state, skip);
        Assert.True(output.isfinite().all().item<bool>());
    }

    [Fact]
    public void TheBalanceLossIsThatOfTheTokensThere()
    {
        using var subject = new Subject(nameof(MixtureModel));
        Tensor input = subject.Input(2, 9);
        using var padded = subject.NewState(2);
        using var plain = subject.NewState(2);
        subject.Prefill(cat([subject.Input(2, 3), input], 1), padded, cat([ones([2, 3], dtype: ScalarType.Bool), zeros([2, 9], dtype: ScalarType.Bool)], 1));
        subject.Prefill(input, plain);
        Numbers.Near(plain.AuxiliaryLoss!, padded.AuxiliaryLoss!, 1e-12, "balance loss");
    }

    // Row 0 has nine tokens and row 1 four: both read four together, then row 0 five more.
    [Fact]
    public void TheBalanceLossOfRowsThatDifferIsTheMeanOfWhatIsReadTogether()
    {
        using var subject = new Subject(nameof(MixtureModel));
        Tensor input = subject.Input(2, 9), skip = tensor(".........XX.XX.X..".Select(token => token == 'X').ToArray()).view(2, 9);
        using var padded = subject.NewState(2);
        using var both = subject.NewState(2);
        using var longer = subject.NewState(1);
        subject.Prefill(input, padded, skip);
        subject.Prefill(stack([input[0].narrow(0, 0, 4), input[1].index_select(0, tensor(new long[] { 2, 5, 7, 8 }))], 0), both);
        longer.CopyRows(both, tensor(new long[] { 0 }));
        subject.Prefill(input.narrow(0, 0, 1).narrow(1, 4, 5), longer);
        Numbers.Near((both.AuxiliaryLoss! * 8 + longer.AuxiliaryLoss! * 5) / 13, padded.AuxiliaryLoss!, 1e-12, "balance loss");
    }

    [Fact]
    public void AMaskThatDoesNotFitIsRefusedAndNothingHasChanged()
    {
        using var subject = new Subject(nameof(CausalModel));
        using var quiet = no_grad();
        using var state = subject.NewState(2);
        subject.Prefill(subject.Input(2, 4), state);
        using var before = subject.NewState(2);
        before.CopyRows(state, arange(2, dtype: ScalarType.Int64));
        string Refusal(Tensor input, Tensor skip) => Assert.Throws<ArgumentException>(() => subject.Prefill(input, state, skip)).Message;

        Assert.Contains("skip is Int64 [2, 3]; expected Bool [2, 3]", Refusal(subject.Input(2, 3), zeros([2, 3], dtype: ScalarType.Int64)), StringComparison.Ordinal);
        Assert.Contains("skip is Bool [2, 4]; expected Bool [2, 3]", Refusal(subject.Input(2, 3), zeros([2, 4], dtype: ScalarType.Bool)), StringComparison.Ordinal);
        Assert.Contains("The input is [3]", Refusal(subject.Input(1, 3).view(3), zeros([3], dtype: ScalarType.Bool)), StringComparison.Ordinal);
        Assert.Contains("has 3 rows but this state", Refusal(subject.Input(3, 3), zeros([3, 3], dtype: ScalarType.Bool)), StringComparison.Ordinal);
        Assert.Throws<ArgumentNullException>(() => subject.Prefill(subject.Input(2, 3), state, null!));
        state.MarkPadding(zeros([2, 3], dtype: ScalarType.Bool));
        Assert.Contains("marked as padding", Refusal(subject.Input(2, 3), zeros([2, 3], dtype: ScalarType.Bool)), StringComparison.Ordinal);
        // A token that the vocabulary lacks, met when other rows have been read.
        Assert.ThrowsAny<Exception>(() => subject.Prefill(cat([subject.Input(2, 2), full([2, 1], 11, dtype: ScalarType.Int64)], 1), state, tensor(new[] { false, false, true, false, false, false }).view(2, 3)));
        Numbers.Near(before, state, 0, "after refusals");
        Assert.Equal<long>([2, 2, 11], subject.Prefill(subject.Input(2, 2), state).shape);
    }

    private static Tensor Mask() => tensor(Masks.SelectMany(mask => mask.Select(token => token == 'X')).ToArray()).view(Masks.Length, -1);

    private static long[] Places(int row) => [.. Enumerable.Range(0, Masks[row].Length).Where(at => Masks[row][at] != 'X').Select(at => (long)at)];
}
