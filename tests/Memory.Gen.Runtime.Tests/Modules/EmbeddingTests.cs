using System.Runtime.InteropServices;
using Memory.Gen.Runtime.Modules;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Modules;

public sealed class EmbeddingTests
{
    [Fact]
    public void SymbolsReadTheirRowsAndGradientsAddUp()
    {
        using var scope = NewDisposeScope();
        using var table = new Embedding(4, 3, dtype: ScalarType.Float64);
        Tensor rows = table.call(tensor(new long[,] { { 3, 2 }, { 3, 0 } }));
        Assert.Equal([2, 2, 3], rows.shape);
        Assert.True(rows[0, 0].eq(table.Weight[3]).all().item<bool>());

        rows.sum().backward();

        Assert.Equal([1, 1, 1, 0, 0, 0, 1, 1, 1, 2, 2, 2], table.Weight.grad!.data<double>().ToArray());
        Assert.Equal([2, 0, 3], table.call(zeros(2, 0, dtype: int64)).shape);
    }

    [Theory]
    [InlineData(4)]
    [InlineData(-1)]
    public void ASymbolWithoutARowIsRefused(long symbol)
    {
        using var scope = NewDisposeScope();
        using var table = new Embedding(4, 3);
        Assert.Throws<ExternalException>(() => table.call(tensor(new[] { symbol })));
    }

    [Fact]
    public void ATableIsConvertedAndOutlivesTheScopeItWasMadeIn()
    {
        Embedding table;
        using (NewDisposeScope()) table = new Embedding(4, 3);
        table.to(ScalarType.Float64);
        Assert.Equal(ScalarType.Float64, table.Weight.dtype);
        Assert.Same(table.Weight, Assert.Single(table.parameters()));
        table.Dispose();
    }

    [Fact]
    public void AMetaTableTakesNoMemory()
    {
        using var table = new Embedding(1 << 20, 1 << 20, META);
        Assert.Equal([1 << 20, 1 << 20], table.Weight.shape);
    }
}
