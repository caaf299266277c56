using Memory.Gen.Runtime.Tests.Harness;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models;

/// <summary>Conversations that enter a batch and leave it: every row goes on as it would alone.</summary>
public sealed class StateRowsOfModelsTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public static TheoryData<string> All => Subject.All;

    public void Dispose() => scope.Dispose();

    [Theory, MemberData(nameof(All))]
    public void RowsThatEnterAndLeaveABatchGoOnAsAlone(string name)
    {
        using var subject = new Subject(name);
        using var quiet = no_grad();
        Tensor first = subject.Input(3, 7), second = subject.Input(3, 4), late = subject.Input(1, 17), next = subject.Input(5, 8);
        using MemoryState batch = subject.NewState(3), guest = subject.NewState(1), fresh = subject.NewState(1);
        subject.Prefill(first, batch);
        batch.Reset(1);
        subject.Prefill(second, batch);
        subject.Prefill(late, guest);

        // Row 1 is the shorter one, row 2 is there twice, and row 0 leaves.
        using MemoryState stay = batch.Rows(2, 1, 2);
        using MemoryState joined = MemoryState.Join(stay, guest, fresh);
        Assert.Equal(batch.GetType(), joined.GetType());
        Assert.Equal([11L, 4, 11, 17, 0], joined.Positions.data<long>().ToArray());
        Tensor[][] read = [[first, second], [second], [first, second], [late], []];
        int[] source = [2, 1, 2, 0, 0];

        int steps = 0;
        Tensor output = subject.Read(next, joined, [3, 1, 0, 4], () => steps++ >= 0);
        for (int row = 0; row < 5; row++)
        {
            using MemoryState alone = subject.NewState(1);
            foreach (Tensor part in read[row]) subject.Prefill(part.narrow(0, source[row], 1), alone);
            Numbers.Near(subject.Prefill(next.narrow(0, row, 1), alone), output.narrow(0, row, 1), 1e-10, $"row {row}");
            using MemoryState taken = joined.Rows(row);
            Assert.Equal(alone.Positions.item<long>(), taken.Positions.item<long>());
            Assert.Equal(subject.Card.StateBytes(taken.Positions.item<long>(), ScalarType.Float64), taken.Bytes);
            foreach (var (expected, found) in alone.Tensors.Zip(taken.Tensors))
                Numbers.Near(Numbers.Finite(expected.Value), Numbers.Finite(found.Value), 1e-10, $"{expected.Name} of row {row}");
        }
    }

    [Theory, MemberData(nameof(All))]
    public void WhatWasTakenFromStaysAsItWas(string name)
    {
        using var subject = new Subject(name);
        using var quiet = no_grad();
        Tensor text = subject.Input(2, 9), next = subject.Input(4, 5);
        using MemoryState prompt = subject.NewState(2), twin = subject.NewState(2);
        subject.Prefill(text, prompt);
        subject.Prefill(text, twin);
        using MemoryState copies = MemoryState.Join(prompt.Rows(0, 0), prompt);
        subject.Prefill(next, copies);
        foreach (var (expected, found) in twin.Tensors.Zip(prompt.Tensors))
            Assert.True(expected.Value.equal(found.Value).all().item<bool>(), expected.Name);
        // And what goes on in the sources does not reach the copies.
        using MemoryState before = copies.Clone();
        subject.Prefill(next.narrow(0, 0, 2), prompt);
        foreach (var (expected, found) in before.Tensors.Zip(copies.Tensors))
            Assert.True(expected.Value.equal(found.Value).all().item<bool>(), expected.Name);
    }

    [Theory]
    [InlineData(nameof(CausalModel))]
    [InlineData(nameof(TitansGateModel))]
    [InlineData(nameof(HierarchicalModel))]
    [InlineData(nameof(BMojoModel))]
    [InlineData(nameof(MixtureModel))]
    [InlineData(nameof(GatedDeltaLayer))]
    public void GradientsReachWhatTheRowsHaveRead(string name)
    {
        using var subject = new Subject(name);
        Tensor prompt = subject.Input(1, 6), other = subject.Input(1, 3), next = subject.Input(3, 4);
        Parameter[] parameters = subject.Trained;
        Tensor? weights = null;

        Tensor Loss(Tensor output, int row)
        {
            weights ??= subject.Normal([3, .. output.shape[1..]]);
            return (output * weights.narrow(0, row, output.shape[0])).sum();
        }

        using MemoryState asked = subject.NewState(1), second = subject.NewState(1);
        subject.Prefill(prompt, asked);
        subject.Prefill(other, second);
        using MemoryState forked = asked.Rows(0, 0);
        using MemoryState joined = MemoryState.Join(forked, second);
        IList<Tensor> together = autograd.grad([Loss(subject.Prefill(next, joined), 0)], [.. parameters]);

        Tensor sum = zeros([], dtype: ScalarType.Float64);
        for (int row = 0; row < 3; row++)
        {
            using MemoryState alone = subject.NewState(1);
            subject.Prefill(row < 2 ? prompt : other, alone);
            sum = sum + Loss(subject.Prefill(next.narrow(0, row, 1), alone), row);
        }

        IList<Tensor> apart = autograd.grad([sum], [.. parameters]);
        for (int i = 0; i < parameters.Length; i++) Numbers.Near(apart[i], together[i], 1e-10, $"parameter {i}");
    }

    [Fact]
    public void AnEmittedStateKeepsItsType()
    {
        using var model = new HybridModel();
        using HybridModel.State state = model.NewState(2);
        using HybridModel.State rows = state.Rows(1, 0, 1), joined = HybridModel.State.Join(state, rows), copy = joined.Clone();
        Assert.Equal(5, copy.Batch);
        using var layer = new GatedDeltaLayer();
        using GatedDeltaLayer.State part = layer.NewState(2).Rows(1);
        Assert.Equal(1, part.Batch);
    }

    [Fact]
    public void WhatCannotBeJoinedIsRefused()
    {
        using var model = new GatedDeltaModel();
        using var other = new LinearModel();
        using var wide = new GatedDeltaModel(dtype: ScalarType.Float64);
        using MemoryState state = model.NewState(2), foreign = other.NewState(1), exact = wide.NewState(1);
        Refused<ArgumentOutOfRangeException>("There is no row 2; this state of GatedDeltaModel has rows 0 to 1.", () => state.Rows(0, 2));
        Refused<ArgumentOutOfRangeException>("There is no row -1; this state of GatedDeltaModel has rows 0 to 1.", () => state.Rows(-1));
        Refused<ArgumentException>("No row is named; name at least one.", () => state.Rows());
        Refused<ArgumentNullException>("", () => state.Rows(null!));
        Refused<ArgumentException>("There is no state to join.", () => MemoryState.Join());
        Refused<ArgumentNullException>("", () => MemoryState.Join(null!));
        Refused<ArgumentNullException>("State 1 of those to join is null.", () => MemoryState.Join(state, null!));
        Refused<ArgumentException>("State 1 of those to join is one of LinearModel in Float32 on cpu; the first is one of GatedDeltaModel in Float32 on cpu.", () => MemoryState.Join(state, foreign));
        Refused<ArgumentException>("State 1 of those to join is one of GatedDeltaModel in Float64 on cpu; the first is one of GatedDeltaModel in Float32 on cpu.", () => MemoryState.Join(state, exact));
        using (state.Begin(2, 1))
        {
            Refused<InvalidOperationException>("This state of GatedDeltaModel is in use", () => state.Rows(0));
            Refused<InvalidOperationException>("This state of GatedDeltaModel is in use", () => MemoryState.Join(state));
        }

        state.Dispose();
        Assert.Throws<ObjectDisposedException>(() => state.Rows(0));
        Assert.Throws<ObjectDisposedException>(() => MemoryState.Join(state));

        static void Refused<TError>(string message, Func<object> call) where TError : Exception =>
            Assert.StartsWith(message, Assert.Throws<TError>(call).Message);
    }
}

/// <summary>Copies of rows own what they hold, and nothing else stays.</summary>
[Collection(AloneCollection.Name)]
public sealed class StateRowsLeakTests
{
    [Theory]
    [InlineData(nameof(HybridModel))]
    [InlineData(nameof(HierarchicalTitansModel))]
    public void NothingStaysOfThem(string name)
    {
        using var subject = new Subject(name);
        using var quiet = no_grad();
        using Tensor input = subject.Input(2, 9);
        using MemoryState state = subject.NewState(2);
        subject.Prefill(input, state).Dispose();
        Run();
        long before = ResourceTests.Settled();
        Run();
        Assert.Equal(before, Tensor.TotalCount);

        void Run()
        {
            using MemoryState rows = state.Rows(1, 0), joined = MemoryState.Join(rows, state), copy = joined.Clone();
            Assert.Throws<ArgumentOutOfRangeException>(() => state.Rows(7));
        }
    }
}
