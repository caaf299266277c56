using Memory.Gen.Runtime;
using Memory.Gen.Tests.Harness;
using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Tests.Models;

/// <summary>Every declared architecture reads a sequence at once, in pieces and token by token with the same numbers.</summary>
public class StreamingTests
{
    private const double Limit = 1e-10;

    [Theory]
    [InlineData("SlidingAttention(Heads = 2, Window = 4)")]
    [InlineData("SlidingAttention(Heads = 2, Window = 1, RotaryBase = 0)")]
    [InlineData("SlidingAttention(Heads = 4, KeyValueHeads = 2)")]
    [InlineData("LinearMemory(Heads = 2)")]
    [InlineData("LinearMemory(Heads = 2, NegativeEigenvalues = true, OutputGate = false)")]
    [InlineData("LinearMemory(Heads = 2, Rule = MemoryRule.Delta, ConvWidth = 0)")]
    [InlineData("LinearMemory(Heads = 2, Rule = MemoryRule.ChannelDecay, KeyDim = 3, ValueDim = 5)")]
    [InlineData("LinearMemory(Heads = 2, Rule = MemoryRule.ScalarDecay, ConvWidth = 2)")]
    [InlineData("LinearMemory(Heads = 2, Rule = MemoryRule.Linear, UnitLength = true)")]
    [InlineData("LinearMemory(Heads = 2, Rule = MemoryRule.Linear, FeatureMap = FeatureMap.Relu)")]
    [InlineData("LinearMemory(Heads = 2, Rule = MemoryRule.Linear, FeatureMap = FeatureMap.EluPlusOne, Normalized = true)")]
    public void AModelStreams(string mixer)
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        random.manual_seed(1);
        var model = BuiltModel.New(Declarations.Model($"[{mixer}]", "VocabSize = 11, Dim = 8, Layers = 2"), CPU, ScalarType.Float64);
        IMemoryModel streaming = model.AsModel();
        Tensor tokens = randint(0, 11, [2, 13], dtype: ScalarType.Int64);
        Tensor whole = model.call(tokens);
        Assert.Equal([2, 13, 11], whole.shape);

        foreach (int[] pieces in new[] { new[] { 13 }, [5, 0, 1, 7], [.. Enumerable.Repeat(1, 13)] })
        {
            using MemoryState state = streaming.NewState(2);
            var read = new List<Tensor>();
            int at = 0;
            foreach (int length in pieces)
            {
                Tensor piece = tokens.narrow(1, at, length);
                read.Add(length == 1 ? streaming.Step(piece.squeeze(1), state).unsqueeze(1) : streaming.Prefill(piece, state));
                at += length;
            }

            Assert.True(Error(cat(read, 1), whole) < Limit, $"{mixer} in pieces of {string.Join(", ", pieces)}");
            Assert.Equal([13L, 13L], state.Positions.data<long>().ToArray());
        }
    }

    [Fact]
    public void ALayerStreams()
    {
        using var scope = NewDisposeScope();
        random.manual_seed(1);
        var layer = BuiltModel.New(Declarations.Layer("[LinearMemory(Heads = 2)]", "Dim = 8", "Model"), CPU, ScalarType.Float64);
        Tensor x = randn([2, 9, 8], dtype: ScalarType.Float64);
        using MemoryState state = layer.AsLayer().NewState(2);
        Tensor first = layer.AsLayer().Prefill(x.narrow(1, 0, 8), state), last = layer.AsLayer().Step(x.select(1, 8), state);
        Assert.True(Error(cat(new[] { first, last.unsqueeze(1) }, 1), layer.call(x)) < Limit);
    }

    [Fact]
    public void AStateIsClonedSavedAndLoaded()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        string mixers = "[LinearMemory('D', Heads = 2)] [SlidingAttention('A', Heads = 2, Window = 3)] [SlidingAttention('C', Heads = 2)]";
        var model = BuiltModel.New(Declarations.Model(mixers, "VocabSize = 11, Dim = 8, Pattern = \"DAC\""), CPU, ScalarType.Float64);
        IMemoryModel streaming = model.AsModel();
        Tensor tokens = randint(0, 11, [2, 7], dtype: ScalarType.Int64);
        using MemoryState state = streaming.NewState(2);
        streaming.Prefill(tokens, state);
        string path = Path.Combine(Path.GetTempPath(), Path.GetRandomFileName());
        try
        {
            state.Save(path);
            using MemoryState loaded = streaming.LoadState(path);
            using var clone = (MemoryState)((dynamic)state).Clone();
            Tensor next = tensor(new long[] { 3, 4 });
            Tensor expected = streaming.Step(next, state);
            Assert.Equal(0, Error(streaming.Step(next, loaded), expected));
            Assert.Equal(0, Error(streaming.Step(next, clone), expected));
        }
        finally
        {
            File.Delete(path);
        }
    }

    private static double Error(Tensor a, Tensor b) =>
        ((a - b).abs().max() / b.abs().max().clamp_min(1.0)).to(ScalarType.Float64).item<double>();
}
