using Memory.Gen;
using Memory.Gen.Runtime.Files;
using Memory.Gen.Runtime.Tests.Harness;
using Memory.Gen.Training;
using Memory.Gen.Training.Data;
using Memory.Gen.Training.Tokenizers;
using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Training;

[MemoryModel(VocabSize = 256, Dim = 16, Layers = 1, FeedForward = 32)]
[SlidingAttention(Heads = 2)]
[HierarchicalMemory(SegmentTokens = 12, SensoryTokens = 2, RecallSlots = 4)]
public sealed partial class TinyHierarchical;

[MemoryModel(VocabSize = 256, Dim = 16, Layers = 1, FeedForward = 32)]
[SlidingAttention(Heads = 2)]
[HierarchicalMemory(SegmentTokens = 12, SensoryTokens = 2, Recall = false)]
public sealed partial class TinyFirstStage;

[MemoryModel(VocabSize = 256, Dim = 16, Layers = 1, FeedForward = 32)]
[SlidingAttention(Heads = 2)]
[RecurrentMemory(SegmentTokens = 10, MemoryTokens = 1, LossScope = LossScope.LastSegment)]
public sealed partial class TinyLastSegment;

[MemoryModel(VocabSize = 256, Dim = 16, Layers = 1, FeedForward = 32)]
[SlidingAttention(Heads = 2)]
[RecurrentMemory(SegmentTokens = 10, MemoryTokens = 1, LossScope = LossScope.LastNTokens, LossTokens = 5)]
public sealed partial class TinyLastTokens;

[MemoryModel(VocabSize = 256, Dim = 64, Layers = 2, FeedForward = 192)]
[SlidingAttention(Heads = 4)]
[HierarchicalMemory(SegmentTokens = 128, SensoryTokens = 14, RecallSlots = 16, BackpropSegments = 1)]
public sealed partial class LongTextModel;

[MemoryModel(VocabSize = 256, Dim = 16, Pattern = "mA", FeedForward = 32)]
[MixtureOfMemories('m', Heads = 2, Memories = 3, BalanceLoss = 0)]
[SlidingAttention('A', Heads = 2)]
[HierarchicalMemory(SegmentTokens = 10, SensoryTokens = 2, RecallSlots = 4, BackpropSegments = 1)]
public sealed partial class TinyStretches;

[MemoryModel(VocabSize = 256, Dim = 16, Layers = 1, FeedForward = 32)]
[SlidingAttention(Heads = 2)]
[RecurrentMemory(SegmentTokens = 6, MemoryTokens = 1, BackpropSegments = 2, LossScope = LossScope.LastNTokens, LossTokens = 9)]
public sealed partial class TinyCountedStretches;

[MemoryModel(VocabSize = 256, Dim = 16, Layers = 2, FeedForward = 32)]
[TitansMemory(TitansVariant.Context, Heads = 2, Window = 4, Block = 4, BackpropSegments = 2)]
public sealed partial class TinyContextStretches;

[MemoryModel(VocabSize = 256, Dim = 16, Layers = 1, FeedForward = 32)]
[TitansMemory(TitansVariant.Layer, Heads = 2, Window = 6, Block = 32, Muon = true, Momentum = false, MaxStep = 0.05)]
public sealed partial class TinyMuon;

/// <summary>What the trainer and its data do for models that read in segments.</summary>
[Collection("Alone")]
public class SegmentTrainingTests
{
    private static readonly TrainingOptions Options = new() { Batch = 3, Window = 24, Steps = 4, LearningRate = 1e-2, Seed = 5 };

    /// <summary>A memory that is written where its block ends has no part in a window before that: its gradients are null, and a step leaves it as it was.</summary>
    [Fact]
    public void AWindowThatIsShorterThanABlockTrainsTheRest()
    {
        using var model = new TinyMuon();
        using var scope = NewDisposeScope();
        var before = model.parameters().Select(p => p.clone()).ToArray();
        using var trainer = new Trainer(model, TrainerTests.Text, new ByteTokenizer(), Options with { Steps = 1 });
        bool[] none = [];
        trainer.ReduceGradients = _ => none = [.. model.parameters().Select(p => p.grad is null)];
        Assert.Equal(TrainingOutcome.Finished, trainer.Run());
        bool[] stayed = [.. model.parameters().Zip(before, (p, b) => (p - b).abs().max().item<float>() == 0)];
        Assert.Contains(true, none);
        Assert.Contains(false, stayed);
        Assert.All(none.Zip(stayed), each => Assert.True(!each.First || each.Second));
    }

    // Two rows of a window of 20: one goes on at token 20 of its text, one begins and ends after 11 tokens; segments have 8.
    private static Batch Dealt()
    {
        long[] targets = [.. Enumerable.Range(0, 40).Select(i => i < 31 ? i % 7 : DocumentBatches.Ignored)];
        return new Batch(new long[40], targets, [1], [20, 0], 31, 31);
    }

    [Fact]
    public void AllPredictionsCountUnlessAModelSaysOtherwise()
    {
        using var model = new TinyHierarchical();
        Batch dealt = Dealt();
        Assert.Same(dealt, CountedPredictions.Of(dealt, model, 20, Bytes));
        using var plain = new TinyHybrid();
        Assert.Same(dealt, CountedPredictions.Of(dealt, plain, 20, Bytes));
    }

    [Fact]
    public void TheLastSegmentOfEachRowCounts()
    {
        using var model = new TinyLastSegment();
        Batch counted = CountedPredictions.Of(Dealt(), model, 20, Bytes);
        // Row 0 reads tokens 20 to 39, of which 32 to 39 are a segment; row 1 tokens 0 to 10, of which 8 to 10 are one.
        Assert.Equal([.. Enumerable.Range(12, 8), 28, 29, 30], Places(counted));
        Assert.Equal(11, counted.Tokens);
        Assert.Equal(Places(counted).Sum(at => Bytes[at % 7]), counted.Bytes);
    }

    [Fact]
    public void TheLastTokensOfEachRowCount()
    {
        using var model = new TinyLastTokens();
        Assert.Equal([15, 16, 17, 18, 19, 26, 27, 28, 29, 30], Places(CountedPredictions.Of(Dealt(), model, 20, Bytes)));
    }

    [Fact]
    public void TheTrainerReportsWhatCounts()
    {
        using var model = new TinyLastSegment();
        using var trainer = new Trainer(model, TrainerTests.Text, new ByteTokenizer(), Options);
        TrainingProgress? last = null;
        trainer.Run(p => last = p);
        Assert.InRange(trainer.Tokens, 1, 4 * 3 * 8);
        Assert.True(double.IsFinite(last!.Loss));
    }

    [Fact]
    public void AHierarchicalModelLearns()
    {
        random.manual_seed(3);
        using var model = new TinyHierarchical();
        using var trainer = new Trainer(model, TrainerTests.Text, new ByteTokenizer(), Options with { Steps = 120 });
        var reports = new List<TrainingProgress>();
        trainer.Run(reports.Add);
        Assert.True(reports[^1].BitsPerByte < 3, $"{reports[^1].BitsPerByte}");
    }

    [Fact]
    public void TwoDocumentsAreReadByTurns()
    {
        TextDocument[] documents = [new("a", "aaaaaaa"), new("b", "bbbb"), new("c", "ccc")];
        TokenizedText text = TokenizedText.Encode(documents, new ByteTokenizer());
        Assert.Same(text, text.Interleaved(0));
        Assert.Equal(["aabbaabbaaa", "ccc"], text.Interleaved(2).Documents.Select(d => string.Concat(d.Select(token => (char)token))));
        Assert.Equal((text.Tokens, text.Bytes, text.StartToken), (text.Interleaved(3).Tokens, text.Interleaved(3).Bytes, text.Interleaved(3).StartToken));
        Assert.Throws<ArgumentOutOfRangeException>(() => text.Interleaved(-1));
    }

    [Fact]
    public void ARunOnInterleavedDocumentsIsResumedOnThem()
    {
        using var folder = new TemporaryFolder();
        TrainingOptions options = Options with { InterleaveTokens = 10 };
        using (var model = new TinyHierarchical())
        using (var trainer = new Trainer(model, TrainerTests.Text, new ByteTokenizer(), options, folder.Path))
            trainer.Run();
        var checkpoint = new Checkpoints(folder.Path).LoadLatest();
        using var twin = new TinyHierarchical();
        Assert.Contains("interleaving (10)", Assert.Throws<TrainingException>(
            () => Trainer.Resume(twin, TrainerTests.Text, checkpoint, options: options with { InterleaveTokens = 0 })).Message);
        using var resumed = Trainer.Resume(twin, TrainerTests.Text, checkpoint, options: options with { Steps = 6 });
        Assert.Equal(TrainingOutcome.Finished, resumed.Run());
    }

    [Fact]
    public void TheSecondStageBeginsWithTheWeightsOfTheFirst()
    {
        using var scope = NewDisposeScope();
        using var folder = new TemporaryFolder();
        string path = Path.Combine(folder.Path, "weights"), other = Path.Combine(folder.Path, "other");
        using var first = new TinyFirstStage();
        using var second = new TinyHierarchical();
        using (no_grad())
            first.get_parameter("embedding.weight")!.mul_(50);
        first.SaveWeights(path);
        Tensor query = second.get_parameter("recall_query.weight")!.clone();

        second.LoadFirstStage(path);

        foreach (var (name, parameter) in first.named_parameters())
            Assert.True(parameter.eq(second.get_parameter(name)!).all().item<bool>(), name);
        Assert.True(query.eq(second.get_parameter("recall_query.weight")!).all().item<bool>());
        // Drawn with the deviation of the embedding, 1, not with that of a fresh one, 0.02.
        Assert.InRange(second.get_parameter("summary_prompt")!.square().mean().sqrt().item<float>(), 0.4f, 1.8f);

        second.SaveWeights(other);
        Assert.Contains("Unexpected: recall_key.weight", Assert.Throws<MemoryFileException>(() => second.LoadFirstStage(other)).Message);
    }

    [Fact]
    public void ALongTextNeedsNoMoreMemoryThanAShortOne()
    {
        long few = Peak(8), many = Peak(64);
        Assert.True(many <= 1.2 * few, $"{many / 1e6:f0} MB for 64 segments, {few / 1e6:f0} MB for 8");
    }

    [Fact]
    public void AWindowReadByStretchesGivesTheGradientsOfTheWhole()
    {
        Compare(() => new TinyCountedStretches(dtype: ScalarType.Float64));
        Compare(() => new TinyStretches(dtype: ScalarType.Float64));
        Compare(() => new TinyContextStretches(dtype: ScalarType.Float64));

        static void Compare(Func<nn.Module<Tensor, Tensor>> create)
        {
            using var scope = NewDisposeScope();
            var (parts, partLosses) = Gradients(create, trainer => Assert.Equal(12, trainer.Stretch));
            var (whole, losses) = Gradients(create, trainer => trainer.Stretch = Options.Window);
            Assert.All(losses.Zip(partLosses), pair => Assert.Equal(pair.First, pair.Second, 1e-12));
            for (int i = 0; i < whole.Count; i++)
                Assert.True((whole[i] - parts[i]).abs().max().item<double>() < 1e-12, $"gradient {i}");
        }

        static (List<Tensor> Gradients, List<double> Losses) Gradients(Func<nn.Module<Tensor, Tensor>> create, Action<Trainer> prepare)
        {
            random.manual_seed(3);
            using var model = create();
            using var trainer = new Trainer((Memory.Gen.Runtime.IMemoryModel)model, TrainerTests.Text, new ByteTokenizer(), Options);
            prepare(trainer);
            var gradients = new List<Tensor>();
            var losses = new List<double>();
            trainer.ReduceGradients = parameters => gradients.AddRange(parameters.Select(p => (p.grad is { } g ? g.clone() : zeros_like(p)).MoveToOuterDisposeScope()));
            trainer.Run(p => losses.Add(p.Loss));
            return (gradients, losses);
        }
    }

    // Reads a text by windows of one stretch, with a backward pass for each and without a detach: memories are cut where stretches begin.
    private static long Peak(int segments)
    {
        random.manual_seed(1);
        using var model = new LongTextModel();
        using var state = model.NewState(4);
        long peak = 0, live = 0;
        for (int read = 0; read < segments; read += 2)
        {
            using (NewDisposeScope())
            {
                Tensor tokens = randint(0, 256, [4, 2 * 112], dtype: ScalarType.Int64);
#pragma warning disable MEMGEN304 // The stretches cut the gradients here.
                model.Prefill(tokens, state).square().mean().backward();
#pragma warning restore MEMGEN304
            }

            peak = Math.Max(peak, Environment.WorkingSet);
            if (read == 2)
                live = Tensor.TotalCount;
        }

        Assert.InRange(Tensor.TotalCount, live - 20, live + 20);
        return peak;
    }

    private static int[] Bytes { get; } = [.. Enumerable.Range(0, 256).Select(token => 1 + token % 3)];

    private static int[] Places(Batch batch) => [.. Enumerable.Range(0, batch.Targets.Length).Where(at => batch.Targets[at] != DocumentBatches.Ignored)];
}
