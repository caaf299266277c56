using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Models.Segments;

/// <summary>The emitted models against the equations written out, in float64.</summary>
public sealed class HierarchicalOracleTests : IDisposable
{
    private const double Limit = 1e-11;
    private readonly DisposeScope scope = NewDisposeScope();

    public void Dispose() => scope.Dispose();

    [Fact]
    public void RecallSensoryTokensAndSummariesAreThoseOfTheEquations()
    {
        using var model = new SegmentCase<RecallingModel>(new RecallingModel(dtype: ScalarType.Float64));
        var oracle = new SegmentOracle(model.Model, 2) { NewTokens = 4, Sensory = 2, Slots = 3, Summary = 2 };
        Check(model, oracle, 27);
        using var state = model.Model.NewState(1);
        Tensor text = model.Text(1, 27);
        oracle.Read(text[0]);
        model.Model.Prefill(text, state);
        // Six whole segments: the last three memories are kept, and what the seventh recalled.
        for (int i = 0; i < 3; i++)
            Numbers.Near(oracle.Memories[3 + i], state.Of("memory.memories").Value[0].narrow(0, i, 1), Limit, $"memory {i}");
        Numbers.Near(oracle.Prompts[6], state.Of("memory.prompt").Value[0], Limit, "prompt");
        Assert.Equal(text[0].narrow(0, 25, 2).data<long>().ToArray(), state.Of("memory.recent").Value[0].data<long>().ToArray());
    }

    [Fact]
    public void ASummaryWithOneEndHasItsRowBehindTheTokens()
    {
        using var model = new SegmentCase<OneEndedSummaryModel>(new OneEndedSummaryModel(dtype: ScalarType.Float64));
        Check(model, new SegmentOracle(model.Model, 2) { NewTokens = 4, Sensory = 2, Slots = 3, Summary = 2, IsOneEnded = true }, 27);
    }

    [Fact]
    public void ThePapersRecallAsksWithTheSegmentsOwnFirstTokens()
    {
        using var model = new SegmentCase<PaperHierarchicalModel>(new PaperHierarchicalModel(dtype: ScalarType.Float64));
        Check(model, new SegmentOracle(model.Model, 2) { NewTokens = 6, Sensory = 2, Slots = 4, Summary = 3, Causal = false }, 32);
    }

    [Fact]
    public void ScoresAreScaledAndSummariesAreAsLongAsDeclared()
    {
        using var longer = new SegmentCase<LongSummaryModel>(new LongSummaryModel(dtype: ScalarType.Float64));
        using var shorter = new SegmentCase<ShortSummaryModel>(new ShortSummaryModel(dtype: ScalarType.Float64));
        using var whole = new SegmentCase<WholeSummaryModel>(new WholeSummaryModel(dtype: ScalarType.Float64));
        Check(longer, new SegmentOracle(longer.Model, 2) { NewTokens = 5, Sensory = 2, Slots = 3, Summary = 4, Scale = 1.7 }, 33);
        Check(shorter, new SegmentOracle(shorter.Model, 2) { NewTokens = 5, Sensory = 2, Slots = 3, Summary = 1, Scale = 0.2 }, 33);
        Check(whole, new SegmentOracle(whole.Model, 2) { NewTokens = 5, Sensory = 2, Slots = 3, Summary = 5, Scale = 0.2, Causal = false }, 33);

        // The numbers tell these options from their neighbours.
        Tensor text = longer.Text(1, 33), actual = longer.Model.call(text)[0];
        foreach (var other in new[] { Other(4, 1.6), Other(3, 1.7), Other(5, 1.7) })
            Assert.True(Numbers.Error(other.Read(text[0]), actual) > 1e-6);

        SegmentOracle Other(long summary, double scale) => new(longer.Model, 2) { NewTokens = 5, Sensory = 2, Slots = 3, Summary = summary, Scale = scale };
    }

    [Fact]
    public void ThePapersRecallLetsATokenSeeTheSummarysOthersAndNoLaterOnes()
    {
        using var model = new SegmentCase<PaperHierarchicalModel>(new PaperHierarchicalModel(dtype: ScalarType.Float64));
        Tensor text = model.Text(1, 24), expected = model.Model.call(text);
        // Of segment 2 (12 to 17, the first with two memories) tokens 12 to 14 make the summary.
        Assert.True(Numbers.Error(Changed(14).narrow(1, 12, 2), expected.narrow(1, 12, 2)) > 0);
        Assert.Equal(0, Numbers.Error(Changed(14).narrow(1, 0, 12), expected.narrow(1, 0, 12)));
        Assert.Equal(0, Numbers.Error(Changed(15).narrow(1, 0, 15), expected.narrow(1, 0, 15)));
        // With one memory there is nothing to mix.
        Assert.True(Numbers.Error(Changed(8).narrow(1, 0, 8), expected.narrow(1, 0, 8)) < 1e-14);

        Tensor Changed(long token)
        {
            Tensor other = text.clone();
            other[0, token] = (other[0, token] + 1).remainder(11);
            return model.Model.call(other);
        }
    }

    [Fact]
    public void ThePapersRecallIsTheSameInPiecesThatHoldTheSummary()
    {
        using var model = new SegmentCase<PaperHierarchicalModel>(new PaperHierarchicalModel(dtype: ScalarType.Float64));
        Tensor text = model.Text(2, 27), expected = model.Model.call(text);
        using var state = model.Model.NewState(2);
        var outputs = new List<Tensor>();
        long start = 0;
        foreach (long length in new[] { 3L, 2, 1, 6, 5, 4, 6 })
        {
            outputs.Add(model.Model.Prefill(text.narrow(1, start, length), state));
            start += length;
        }

        Numbers.Near(expected, cat(outputs, 1), Limit, "pieces");
    }

    [Fact]
    public void WithoutMemoryRowsAndWithSensoryTokensWindowsAreAPlainTransformers()
    {
        using var relay = new SegmentCase<SensoryRelayModel>(new SensoryRelayModel(dtype: ScalarType.Float64));
        Check(relay, new SegmentOracle(relay.Model, 2) { NewTokens = 4, Sensory = 2 }, 18);

        // The same equations without the rows of the memory, and the emitted transformer on overlapping windows.
        using var plain = new SegmentCase<PlainModel>(new PlainModel(dtype: ScalarType.Float64)).With(relay.Model);
        Tensor text = relay.Text(1, 18);
        Tensor masked = new SegmentOracle(relay.Model, 2) { NewTokens = 4, Sensory = 2, HasMemory = false }.Read(text[0]);
        Numbers.Near(Windows(plain.Model, text, 4, 2)[0], masked, Limit, "overlapping windows");
        Tensor apart = new SegmentOracle(relay.Model, 2) { NewTokens = 4, HasMemory = false }.Read(text[0]);
        Numbers.Near(Windows(plain.Model, text, 4, 0)[0], apart, Limit, "independent windows");
    }

    [Fact]
    public void SegmentsWithoutMemoryRowsArePlainTransformersOnIndependentWindows()
    {
        using var segments = new SegmentCase<BareSegmentsModel>(new BareSegmentsModel(dtype: ScalarType.Float64));
        using var plain = new SegmentCase<PlainModel>(new PlainModel(dtype: ScalarType.Float64)).With(segments.Model);
        Tensor text = segments.Text(2, 18);
        Numbers.Near(Windows(plain.Model, text, 4, 0), segments.Model.call(text), Limit, "independent windows");
    }

    [Fact]
    public void AnEmptyMemoryIsNoRowForALinearBackbone()
    {
        using var relay = new SegmentCase<LinearRelayModel>(new LinearRelayModel(dtype: ScalarType.Float64));
        using var plain = new SegmentCase<PlainLinearModel>(new PlainLinearModel(dtype: ScalarType.Float64)).With(relay.Model);
        using var quiet = no_grad();
        relay.Weight("initial_memory").zero_();
        Tensor text = relay.Text(2, 18);
        using var state = relay.Model.NewState(2);
        var outputs = new List<Tensor>();
        for (long start = 0; start < 18; start += 4)
        {
            outputs.Add(relay.Model.Prefill(text.narrow(1, start, Math.Min(4, 18 - start)), state));
            state.Of("memory.memory").Replace(value => zeros_like(value));
        }

        Numbers.Near(Windows(plain.Model, text, 4, 2), cat(outputs, 1), Limit, "windows without a memory");
    }

    [Fact]
    public void OneSlotIsTheRelayOfTheFirstStageAndOfARecurrentMemory()
    {
        using var slot = new SegmentCase<OneSlotModel>(new OneSlotModel(dtype: ScalarType.Float64));
        using var relay = new SegmentCase<SensoryRelayModel>(new SensoryRelayModel(dtype: ScalarType.Float64)).With(slot.Model);
        Tensor text = slot.Text(2, 23), logits = slot.Model.call(text);
        Numbers.Near(relay.Model.call(text), logits, Limit, "first stage");
        var gradients = autograd.grad([logits.square().sum()], [slot.Weight("recall_query.weight"), slot.Weight("recall_key.weight")]);
        Assert.All(gradients, gradient => Assert.Equal(0, gradient.abs().max().item<double>()));

        using var bare = new SegmentCase<RelayModel>(new RelayModel(dtype: ScalarType.Float64)).With(slot.Model);
        using var row = new SegmentCase<OneRowModel>(new OneRowModel(dtype: ScalarType.Float64)).With(slot.Model);
        Numbers.Near(row.Model.call(text), bare.Model.call(text), 0, "recurrent memory of one row");
    }

    [Fact]
    public void WithoutQuestionsTheRecallIsTheMean()
    {
        using var model = new SegmentCase<RecallingModel>(new RecallingModel(dtype: ScalarType.Float64));
        using var quiet = no_grad();
        model.Weight("recall_query.weight").zero_();
        using var state = model.Model.NewState(2);
        for (int n = 0; n < 7; n++)
        {
            Tensor memories = state.Of("memory.memories").Value.clone();
            model.Model.Prefill(model.Text(2, 4), state);
            int count = Math.Min(n, 3);
            if (count > 0)
                Numbers.Near(memories.narrow(1, 3 - count, count).mean([1], true), state.Of("memory.prompt").Value, 1e-14, $"segment {n}");
        }
    }

    [Fact]
    public void TheOrderOfMemoriesDoesNotMatter()
    {
        using var model = new SegmentCase<RecallingModel>(new RecallingModel(dtype: ScalarType.Float64));
        using var quiet = no_grad();
        using var state = model.Model.NewState(2);
        model.Model.Prefill(model.Text(2, 16), state);
        using var other = state.Clone();
        foreach (string name in new[] { "memory.memories", "memory.keys" })
            other.Of(name).Replace(value => value.index_select(1, tensor(new[] { 2L, 0, 1 })));
        Tensor next = model.Text(2, 4);
        Numbers.Near(model.Model.Prefill(next, state), model.Model.Prefill(next, other), 1e-13, "logits");
    }

    [Fact]
    public void WhatIsRecalledLiesBetweenTheMemories()
    {
        using var model = new SegmentCase<RecallingModel>(new RecallingModel(dtype: ScalarType.Float64));
        using var quiet = no_grad();
        using var state = model.Model.NewState(1);
        model.Model.Prefill(model.Text(1, 16), state);
        double[][] memories = [.. Enumerable.Range(0, 3).Select(i => state.Of("memory.memories").Value[0][i].data<double>().ToArray())];
        model.Model.Prefill(model.Text(1, 1), state);
        double[] P = state.Of("memory.prompt").Value[0][0].data<double>().ToArray();

        double[] a = Solved(memories, P);
        Assert.All(a, weight => Assert.InRange(weight, 0, 1));
        Assert.Equal(1, a.Sum(), 1e-10);
        for (int d = 0; d < P.Length; d++)
            Assert.Equal(P[d], a.Zip(memories, (weight, memory) => weight * memory[d]).Sum(), 1e-10);
    }

    [Fact]
    public void TheStateHasOneSizeAndTheOldestMemoryFallsOut()
    {
        using var model = new SegmentCase<RecallingModel>(new RecallingModel(dtype: ScalarType.Float64));
        using var quiet = no_grad();
        using var state = model.Model.NewState(2);
        long bytes = state.Bytes;
        for (int n = 0; n < 9; n++)
        {
            Tensor before = state.Of("memory.memories").Value.clone();
            model.Model.Prefill(model.Text(2, 3), state);
            Assert.Equal(bytes, state.Bytes);
            model.Model.Prefill(model.Text(2, 1), state);
            Assert.Equal(bytes, state.Bytes);
            Numbers.Near(before.narrow(1, 1, 2), state.Of("memory.memories").Value.narrow(1, 0, 2), 0, $"after segment {n}");
        }
    }

    [Fact]
    public void KeysMadeOnceAreThoseMadeAgain()
    {
        using var model = new SegmentCase<RecallingModel>(new RecallingModel(dtype: ScalarType.Float64));
        Tensor text = model.Text(2, 30), again = model.Model.call(text);
        using var quiet = no_grad();
        Numbers.Near(again, model.Model.call(text), 1e-13, "logits");
        using var state = model.Model.NewState(2);
        model.Model.Prefill(text, state);
        Tensor expected = state.Of("memory.memories").Value.matmul(model.Weight("recall_key.weight").t());
        Numbers.Near(expected, state.Of("memory.keys").Value, 1e-14, "keys");

        // And they are what is read: other keys recall something else.
        using var other = state.Clone();
        other.Of("memory.keys").Replace(value => -value);
        Tensor next = model.Text(2, 3);
        Assert.True(Numbers.Error(model.Model.Prefill(next, state), model.Model.Prefill(next, other)) > 1e-6);
    }

    [Fact]
    public void RowsThatDifferInEveryWayAreReadAsIfAlone()
    {
        using var model = new SegmentCase<RecallingModel>(new RecallingModel(dtype: ScalarType.Float64));
        using var quiet = no_grad();
        long[] begins = [0, 3, 4, 9, 20];
        Tensor text = model.Text(5, 31);
        using var state = model.Model.NewState(5);
        long at = 0;
        foreach (long begin in begins)
        {
            model.Model.Prefill(text.narrow(1, at, begin - at), state);
            state.Reset([.. begins.Select((b, row) => (b, row)).Where(each => each.b == begin).Select(each => (long)each.row)]);
            at = begin;
        }

        Tensor together = model.Model.Prefill(text.narrow(1, at, 31 - at), state);
        for (int row = 0; row < 5; row++)
        {
            Tensor alone = model.Model.call(text.narrow(0, row, 1).narrow(1, begins[row], 31 - begins[row]));
            Numbers.Near(alone.narrow(1, 20 - begins[row], 11), together.narrow(0, row, 1), Limit, $"row {row}");
        }
    }

    [Fact]
    public void AMixtureInTheBackboneIsTheSameInPiecesAndWeighsItsLossByTokens()
    {
        using var subject = new Subject(nameof(HierarchicalMixtureModel));
        Tensor text = subject.Input(2, 24);
        using (no_grad())
        {
            Tensor expected = subject.Forward(text);
            using var pieces = subject.NewState(2);
            Numbers.Near(expected, subject.Read(text, pieces, [5, 1, 1, 2, 7, 0, 1, 7], () => true), 1e-10, "pieces");
        }

        using var state = subject.NewState(2);
        using var other = subject.NewState(2);
        subject.Prefill(text.narrow(1, 0, 6), state);
        double whole = state.AuxiliaryLoss!.item<double>();
        subject.Prefill(text.narrow(1, 0, 3), other);
        double first = other.AuxiliaryLoss!.item<double>();
        subject.Prefill(text.narrow(1, 3, 3), other);
        Assert.Equal((first + other.AuxiliaryLoss!.item<double>()) / 2, whole, 1e-12);
    }

    [Fact]
    public void EveryWindowBeginsItsOwnFadingMemoryAndSlots()
    {
        using var hierarchical = new SegmentCase<HierarchicalBMojoModel>(new HierarchicalBMojoModel(dtype: ScalarType.Float64));
        Check(hierarchical, new SegmentOracle(hierarchical.Model, 2) { NewTokens = 6, Sensory = 3, Slots = 3, Summary = 3, HasOtherLayers = true }, 40);
        using var recurrent = new SegmentCase<RecurrentFadingModel>(new RecurrentFadingModel(dtype: ScalarType.Float64));
        Check(recurrent, new SegmentOracle(recurrent.Model, 2) { NewTokens = 16, HasOtherLayers = true }, 40);
    }

    [Fact]
    public void SlotsInTheBackboneAreTheSameInPieces()
    {
        using var subject = new Subject(nameof(HierarchicalBMojoModel));
        using var quiet = no_grad();
        Tensor text = subject.Input(2, 40), expected = subject.Forward(text);
        using var state = subject.NewState(2);
        Numbers.Near(expected, subject.Read(text, state, [5, 1, 1, 2, 7, 0, 1, 7, 12, 4], () => true), 1e-10, "pieces");
    }

    private static void Check<TModel>(SegmentCase<TModel> model, SegmentOracle oracle, long tokens)
        where TModel : nn.Module<Tensor, Tensor>, IMemoryModel
    {
        Tensor text = model.Text(2, tokens), actual = model.Model.call(text);
        for (int row = 0; row < 2; row++)
            Numbers.Near(oracle.Read(text[row]), actual[row], Limit, $"row {row}");
    }

    /// <summary>Logits of a plain model that reads every segment in a window of its own, with so many tokens before it.</summary>
    private static Tensor Windows(nn.Module<Tensor, Tensor> plain, Tensor text, long segment, long before)
    {
        var outputs = new List<Tensor>();
        for (long start = 0; start < text.shape[1]; start += segment)
        {
            long length = Math.Min(segment, text.shape[1] - start), seen = Math.Min(start, before);
            outputs.Add(plain.call(text.narrow(1, start - seen, seen + length)).narrow(1, seen, length));
        }

        return cat(outputs, 1);
    }

    /// <summary>Weights of vectors whose sum comes nearest to a target: the normal equations, by elimination.</summary>
    private static double[] Solved(double[][] vectors, double[] target)
    {
        int n = vectors.Length;
        double Dot(double[] a, double[] b) => a.Zip(b, (x, y) => x * y).Sum();
        double[][] rows = [.. vectors.Select(a => (double[])[.. vectors.Select(b => Dot(a, b)), Dot(a, target)])];
        for (int i = 0; i < n; i++)
            for (int j = 0; j < n; j++)
                if (j != i)
                {
                    double factor = rows[j][i] / rows[i][i];
                    for (int k = 0; k <= n; k++)
                        rows[j][k] -= factor * rows[i][k];
                }

        return [.. rows.Select((row, i) => row[n] / row[i])];
    }
}
