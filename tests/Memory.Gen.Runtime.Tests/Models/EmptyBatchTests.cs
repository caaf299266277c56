using Memory.Gen.Runtime.Tests.Harness;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models;

/// <summary>A batch without a row, as the last one of a filtered data set, is read as any other: it gives none.</summary>
public sealed class EmptyBatchTests : IDisposable
{
    private readonly DisposeScope scope = NewDisposeScope();

    public static TheoryData<string> All => [.. from object[] row in Subject.All select (string)row[0], nameof(HierarchicalMixtureModel), nameof(PaperHierarchicalModel)];

    public void Dispose() => scope.Dispose();

    [Theory, MemberData(nameof(All))]
    public void NoRowsGiveNoRows(string name)
    {
        using var subject = new Subject(name);
        foreach (long tokens in new[] { 0L, 1, 13 })
        {
            Tensor output = subject.Forward(subject.Input(0, tokens));
            Assert.Equal([0, tokens, subject.IsModel ? 11 : subject.Input(1, 1).shape[2]], output.shape);
            output.sum().backward();
        }
    }

    [Theory, MemberData(nameof(All))]
    public void AStateOfNoRowsReadsOn(string name)
    {
        using var subject = new Subject(name);
        using MemoryState state = subject.NewState(0);
        Tensor loss = zeros([], dtype: ScalarType.Float64);
        foreach (long[] pieces in new long[][] { [1, 13, 0, 2], [7] })
        {
            Tensor input = subject.Input(0, pieces.Sum());
            loss = loss + subject.Read(input, state, pieces, () => true).sum();
            if (state.AuxiliaryLoss is { } asked) loss = loss + asked;
        }

        Assert.Equal(0, loss.item<double>());
        loss.backward();
        Assert.All(subject.Module.parameters(), p => Assert.True(p.grad is null || p.grad.count_nonzero().item<long>() == 0));
        using var folder = new TemporaryFolder();
        state.Save(folder.File("memory"));
        using MemoryState copy = state.Clone(), loaded = subject.LoadState(folder.File("memory")), one = subject.NewState(1), joined = MemoryState.Join(loaded, one, copy);
        Assert.Equal(0, loaded.Batch);
        Assert.Equal(1, subject.Prefill(subject.Input(1, 3), joined).shape[0]);
    }
}
