using Memory.Gen.Runtime.Files;
using Memory.Gen.Runtime.Operators;
using Memory.Gen.Runtime.Tests.Harness;
using Memory.Gen.Runtime.Tests.Models;
using Memory.Gen.Training;
using Memory.Gen.Training.Data;
using Memory.Gen.Training.Tokenizers;
using TorchSharp;
using TorchSharp.Modules;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Training;

[Collection("Alone")]
public class TrainerTests
{
    private static readonly TrainingOptions Options = new() { Batch = 3, Window = 24, Steps = 12, LearningRate = 1e-2, Seed = 5 };

    internal static Corpus Text { get; } = Corpus.FromDocuments("test", Enumerable.Range(0, 12).Select(i => new TextDocument(
        $"{i}", string.Concat(Enumerable.Range(0, 20 + 9 * i).Select(j => $"{(char)('a' + i)}{j * i % 7} is here, ")))));

    internal static TinyHybrid NewModel(long seed = 3)
    {
        random.manual_seed(seed);
        return new TinyHybrid();
    }

    [Fact]
    public void LearnsARepetitiveText()
    {
        using var model = NewModel();
        using var trainer = new Trainer(model, Text, new ByteTokenizer(), Options with { Steps = 150, Validations = 2 });
        var reports = new List<TrainingProgress>();

        Assert.Equal(TrainingOutcome.Finished, trainer.Run(reports.Add));

        Assert.InRange(reports[0].BitsPerByte, 7, 9);
        Assert.True(reports[^1].BitsPerByte < 2, $"{reports[^1].BitsPerByte}");
        Assert.Equal(2, trainer.Validations.Count);
        Assert.Equal(150, trainer.Validations[1].Step);
        Assert.Equal(reports[^1].BitsPerByte, reports[^1].Loss / Math.Log(2), 9);
        Assert.Equal(trainer.Tokens, reports[^1].Tokens);
        Assert.Equal(1, reports[^1].Fraction);
        Assert.Equal(150, trainer.History.Count);
    }

    [Theory]
    [InlineData(0, 1)]
    [InlineData(1e6, -1)]
    public void WhatTheModelAsksForBesideTheTextIsTrainedToo(double pull, int direction)
    {
        // The text is the model's favourite letter, so that its loss pulls the slope up.
        using var model = new PositionModel(0.001, pull: pull);
        using var trainer = new Trainer(model, Corpus.FromDocuments("letters", [new TextDocument("a", new string('a', 400))]), new ByteTokenizer(), Options with { Steps = 1 });
        TrainingProgress? report = null;
        trainer.Run(p => report = p);
        Assert.Equal(direction, Math.Sign(model.get_parameter("slope")!.item<double>() - 0.001));
        Assert.InRange(report!.Loss, 5, 6);
    }

    /// <summary>The loss of a model that counts what it has read: exact only where every document begins with a state of its own.</summary>
    [Fact]
    public void EveryDocumentBeginsWithAFreshState()
    {
        const double slope = 0.05;
        const int window = 4;
        int[] lengths = [20, 28, 36];
        using var model = new PositionModel(slope);
        var corpus = Corpus.FromDocuments("letters", [.. lengths.Select((n, i) => new TextDocument($"{i}", new string('a', n)))]);
        int[] read = [.. TokenizedText.Encode(corpus.Training, new ByteTokenizer()).Documents.Select(d => d.Length)];
        int[][] windows = [.. read.SelectMany(n => Enumerable.Range(0, n).Chunk(window))];
        using var trainer = new Trainer(model, corpus, new ByteTokenizer(), new TrainingOptions { Batch = 1, Window = window, Steps = windows.Length, LearningRate = 1e-12 });
        var losses = new List<double>();
        trainer.Run(p => losses.Add(p.Loss));

        double Cost(int read) => Math.Log(1 + 255 * Math.Exp(-slope * read));
        Assert.True(read.Length > 1);
        Assert.Equal(windows.Select(w => w.Average(Cost)).Order(), losses.Order(), (x, y) => Math.Abs(x - y) < 1e-6);
    }

    [Fact]
    public void AResumedRunIsBitForBitTheSame()
    {
        using var folder = new TemporaryFolder();
        using var whole = NewModel();
        using var wholeTrainer = new Trainer(whole, Text, new ByteTokenizer(), Options, folder.File("whole"));
        var wholeLosses = new List<double>();
        wholeTrainer.Run(p => wholeLosses.Add(p.Loss));

        using var first = NewModel();
        using var firstTrainer = new Trainer(first, Text, new ByteTokenizer(), Options, folder.File("parts"));
        using var stop = new CancellationTokenSource();
        var losses = new List<double>();
        var outcome = firstTrainer.Run(p => { losses.Add(p.Loss); if (p.Step == 5) stop.Cancel(); }, stop.Token);
        Assert.Equal(TrainingOutcome.Stopped, outcome);
        Assert.Equal(5, firstTrainer.Step);

        using var second = NewModel(seed: 99);
        var checkpoint = new Checkpoints(folder.File("parts")).LoadLatest();
        using var secondTrainer = Trainer.Resume(second, Text, checkpoint, folder.File("parts"));
        Assert.Equal(TrainingOutcome.Finished, secondTrainer.Run(p => losses.Add(p.Loss)));

        Assert.Equal(wholeLosses, losses);
        string wholePath = wholeTrainer.LastCheckpoint!, partsPath = secondTrainer.LastCheckpoint!;
        Assert.Equal(Path.GetFileName(wholePath), Path.GetFileName(partsPath));
        foreach (string name in new[] { "model.safetensors", "optimizer.safetensors", "memory.safetensors" })
            Assert.Equal(File.ReadAllBytes(Path.Combine(wholePath, name)), File.ReadAllBytes(Path.Combine(partsPath, name)));
        Assert.Equal(wholeTrainer.History.Select(p => (p.Step, p.BitsPerByte)), secondTrainer.History.Select(p => (p.Step, p.BitsPerByte)));
    }

    [Fact]
    public void ProductsAreAsPreciseAsAskedForWhileTheRunGoesOn()
    {
        using var folder = new TemporaryFolder();
        using var model = NewModel();
        using var trainer = new Trainer(model, Text, new ByteTokenizer(), Options with { Steps = 2, MatmulPrecision = MatmulPrecision.BFloat16 }, folder.Path);
        var during = new List<MatmulPrecision>();

        trainer.Run(_ => during.Add(Projection.MatmulPrecision));

        Assert.Equal([MatmulPrecision.BFloat16, MatmulPrecision.BFloat16], during);
        Assert.Equal(MatmulPrecision.Float32, Projection.MatmulPrecision);
        Assert.Equal(MatmulPrecision.BFloat16, new Checkpoints(folder.Path).LoadLatest().Snapshot.Options.MatmulPrecision);
    }

    [Fact]
    public void AStepLeavesNoTensorBehind()
    {
        using var model = NewModel();
        using var trainer = new Trainer(model, Text, new ByteTokenizer(), Options with { Steps = 40 });
        var live = new List<long>();
        int without = LiveTensors.WithoutTensor(model);

        trainer.Run(at => live.Add(LiveTensors.Count() - (at.Step * without)));

        Assert.All(live.Skip(10), count => Assert.Equal(live[10], count));
    }

    [Fact]
    public void ATimeBudgetAnnealsByTheClock()
    {
        using var model = NewModel();
        var clock = new StepClock(TimeSpan.FromSeconds(0.5));
        var options = Options with { Steps = null, Duration = TimeSpan.FromSeconds(10), Validations = 2 };
        using var trainer = new Trainer(model, Text, new ByteTokenizer(), options) { Clock = clock };
        var reports = new List<TrainingProgress>();

        Assert.Equal(TrainingOutcome.Finished, trainer.Run(reports.Add));

        // Steps of half a second: 20 of them, each at the rate of its own end; the first does not know yet how long a step takes.
        Assert.Equal(20, reports.Count);
        for (int i = 1; i < 20; i++)
        {
            Assert.Equal(Schedule.LearningRate(options, (i + 1) / 20.0), reports[i].LearningRate, 12);
            Assert.Equal((i + 1) / 20.0, reports[i].Fraction, 12);
            Assert.Equal(9.5 - 0.5 * i, reports[i].Left.TotalSeconds, 6);
        }
        Assert.Equal([10, 20], trainer.Validations.Select(v => v.Step));
    }

    /// <summary>A clock that moves by one step's time whenever it is looked at.</summary>
    private sealed class StepClock(TimeSpan step) : TimeProvider
    {
        private long looks;

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => looks++ * step.Ticks;
    }

    [Fact]
    public void ALossThatIsNoNumberStopsAndKeepsTheLastCheckpoint()
    {
        using var folder = new TemporaryFolder();
        var text = Corpus.FromDocuments("test", [new TextDocument("a", new string('a', 400))]);
        using var model = new PositionModel(0.01);
        using var trainer = new Trainer(model, text, new ByteTokenizer(), Options with { Batch = 1, CheckpointInterval = TimeSpan.FromTicks(1) }, folder.Path);

        var error = Assert.Throws<TrainingException>(() => trainer.Run(p =>
        {
            if (p.Step == 3) using (no_grad()) model.get_parameter("slope")!.fill_(double.NaN);
        }));

        Assert.Contains("loss became NaN in step 4", error.Message);
        Assert.Contains("checkpoint-000003", error.Message);
        var kept = new Checkpoints(folder.Path).LoadLatest();
        Assert.True(kept.Snapshot.Step is 2 or 3);
    }

    [Fact]
    public void VectorsAreNotDecayed()
    {
        using var model = NewModel();
        var (decayed, plain) = Optimization.Groups(model);
        Assert.Equal(model.named_parameters().Select(p => p.name).Order(), decayed.Concat(plain).Select(p => p.Name).Order());
        Assert.All(decayed, p => Assert.True(p.Parameter.dim() >= 2));
        Assert.Contains(plain, p => p.Name == "norm.weight");

        // With gradients of zero only the decay moves a parameter: w - lr * decay * w.
        using var scope = NewDisposeScope();
        foreach (var (_, p) in decayed.Concat(plain)) (p * 0).sum().backward();
        Tensor matrix = decayed[0].Parameter.detach().clone(), vector = plain[0].Parameter.detach().clone();
        using var optimization = new Optimization(model, Options with { WeightDecay = 0.5 });
        optimization.Step(0.1);
        Assert.True((matrix * (1 - 0.1 * 0.5)).allclose(decayed[0].Parameter, 1e-6, 0));
        Assert.True(vector.equal(plain[0].Parameter).all().item<bool>());
    }

    /// <summary>Gains of norms and skips, whatever they are called: a decay would pull them from one toward nothing.</summary>
    [Theory, MemberData(nameof(Subject.All), MemberType = typeof(Subject))]
    public void WhatBeginsAtOneIsNotDecayed(string name)
    {
        using var model = Subject.Fresh(name);
        using var scope = NewDisposeScope();
        var (decayed, _) = Optimization.Groups(model);
        Assert.DoesNotContain(decayed, p => p.Parameter.eq(1).all().item<bool>());
    }

    /// <summary>A decay would lead the maps of queries and keys from the identity to zero, where all of them look alike.</summary>
    [Fact]
    public void WhatBeginsAsTheIdentityIsNotDecayed()
    {
        using var model = new HedgehogModel();
        var (_, plain) = Optimization.Groups(model);
        Assert.Equal(["key_map", "query_map"], plain.Where(p => p.Name.EndsWith("_map", StringComparison.Ordinal)).Select(p => p.Name.Split('.')[^1]).Distinct().Order());
    }

    [Fact]
    public void WhatSetsADecayIsNotDecayed()
    {
        using var model = new TinyStateSpaces();
        var (_, plain) = Optimization.Groups(model);
        string[] names = [.. from layer in new[] { 0, 1 } from part in new[] { "decay_rate", "step_bias", "skip" } select $"layers.{layer}.mixer.{part}"];
        Assert.Empty(names.Except(plain.Select(p => p.Name)));
    }

    [Fact]
    public void GradientsPassThroughTheReduction()
    {
        using var reduced = NewModel();
        using var plain = NewModel();
        long calls = 0;
        using var trainer = new Trainer(reduced, Text, new ByteTokenizer(), Options with { Steps = 3 })
        {
            ReduceGradients = parameters =>
            {
                calls++;
                Assert.Equal(reduced.parameters().Count(), parameters.Count);
                using var quiet = no_grad();
                foreach (var p in parameters) p.grad?.zero_();
            },
        };
        using (var unmoved = new Trainer(plain, Text, new ByteTokenizer(), Options)) trainer.Run();

        // Without gradients the norms' weights stay.
        Assert.Equal(3, calls);
        Parameter before = plain.get_parameter("norm.weight")!, after = reduced.get_parameter("norm.weight")!;
        Assert.True(before.equal(after).all().item<bool>());
    }

    [Fact]
    public void WhatDoesNotFitIsRefused()
    {
        using var folder = new TemporaryFolder();
        using var model = NewModel();
        var large = BytePairTrainer.Train(Text.Training.Select(d => d.Text), 280);
        Assert.Contains($"{large.VocabSize} tokens", Assert.Throws<TrainingException>(() => new Trainer(model, Text, large, Options)).Message);

        using (var trainer = new Trainer(model, Text, new ByteTokenizer(), Options with { Steps = 1 }, folder.Path)) trainer.Run();
        var checkpoint = new Checkpoints(folder.Path).LoadLatest();

        using var other = new OtherModel();
        Assert.Contains("TinyHybrid, not of OtherModel", Assert.Throws<MemoryFileException>(() => Trainer.Resume(other, Text, checkpoint)).Message);
        var otherText = Corpus.FromDocuments("other", [new TextDocument("x", string.Concat(Enumerable.Repeat("another text\n", 100)))]);
        Assert.Contains("another text", Assert.Throws<TrainingException>(() => Trainer.Resume(model, otherText, checkpoint)).Message);
        Assert.Throws<TrainingException>(() => Trainer.Resume(model, Text, checkpoint, null, Options with { Batch = 7 }));
    }
}
