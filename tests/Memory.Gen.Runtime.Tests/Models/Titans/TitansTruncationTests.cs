using Memory.Gen.Runtime.Tests.Models.Segments;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models.Titans;

/// <summary>Stretches of eight tokens.</summary>
[MemoryModel(VocabSize = 11, Dim = 8, Layers = 2, FeedForward = 5)]
[TitansMemory(TitansVariant.Context, Heads = 2, Window = 4, Block = 2, BackpropSegments = 1, PersistentTokens = 2)]
public sealed partial class TruncatedContextModel;

[MemoryModel(VocabSize = 11, Dim = 8, Layers = 2, FeedForward = 5)]
[TitansMemory(TitansVariant.Context, Heads = 2, Window = 4, Block = 2, BackpropSegments = 1_048_576, PersistentTokens = 2)]
public sealed partial class WholeContextModel;

/// <summary>How far back a loss reaches through the segments of Titans' Context.</summary>
public sealed class TitansTruncationTests : IDisposable
{
    private const long Stretch = 8, Tokens = 29;
    private readonly DisposeScope scope = NewDisposeScope();
    private readonly SegmentCase<TruncatedContextModel> truncated = new(new TruncatedContextModel(dtype: ScalarType.Float64));

    private Tensor[] Parameters => [.. truncated.Model.parameters()];

    public void Dispose()
    {
        truncated.Dispose();
        scope.Dispose();
    }

    [Fact]
    public void GradientsAreThoseOfCallsWithDetachBetweenStretches()
    {
        using var uncut = new SegmentCase<WholeContextModel>(new WholeContextModel(dtype: ScalarType.Float64)).With(truncated.Model);
        Tensor text = truncated.Text(2, Tokens), whole = truncated.Model.call(text);
        using var state = uncut.Model.NewState(2);
        var parts = new List<Tensor>();
        for (long start = 0; start < Tokens; start += Stretch)
        {
            state.Detach();
            parts.Add(uncut.Model.Prefill(text.narrow(1, start, Math.Min(Stretch, Tokens - start)), state));
        }

        Tensor stretches = cat(parts, 1);
        Numbers.Near(stretches, whole, 1e-12, "logits");
        Tensor[] expected = Gradients(stretches, [.. uncut.Model.parameters()]), reached = Gradients(uncut.Model.call(text), [.. uncut.Model.parameters()]);
        Check(expected, Gradients(whole, Parameters), "in one call");
        Assert.Contains(expected.Zip(reached), pair => Numbers.Error(pair.First, pair.Second) > 1e-3);

        using var calls = truncated.Model.NewState(2);
        Tensor[] split = [.. new[] { (0L, 3L), (3, 6), (9, 0), (9, 7), (16, 1), (17, 12) }.Select(part => truncated.Model.Prefill(text.narrow(1, part.Item1, part.Item2), calls))];
        Check(expected, Gradients(cat(split, 1), Parameters), "in several calls");
    }

    [Fact]
    public void EveryRowIsCutWhereItsOwnStretchesBegin()
    {
        Tensor before = truncated.Text(2, 5), text = truncated.Text(2, 21);
        using var state = truncated.Model.NewState(2);
        Tensor first = truncated.Model.Prefill(before, state);
        state.Reset(1);
        Tensor rest = truncated.Model.Prefill(text, state);
        // The first row has read 5 tokens more than the second.
        Tensor both = cat([first[0], rest[0], rest[1]], 0);
        Tensor alone = cat([truncated.Model.call(cat([before, text], 1).narrow(0, 0, 1))[0], truncated.Model.call(text.narrow(0, 1, 1))[0]], 0);
        Numbers.Near(alone, both, 1e-12, "logits");
        Check(Gradients(alone, Parameters), Gradients(both, Parameters), "rows together");
    }

    private static Tensor[] Gradients(Tensor logits, Tensor[] parameters) => [.. autograd.grad([logits.square().sum()], parameters)];

    private static void Check(Tensor[] expected, Tensor[] actual, string what)
    {
        for (int i = 0; i < expected.Length; i++)
            Numbers.Near(expected[i], actual[i], 1e-10, $"{what}, parameter {i}");
    }
}
