using Memory.Gen.Runtime.Tests.Harness;
using Memory.Gen;
using Memory.Gen.Training;
using Memory.Gen.Training.RecallTasks;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.RecallTasks;

/// <summary>A small recall model.</summary>
[MemoryModel(VocabSize = 32, Dim = 32, Layers = 1, FeedForward = 0)]
[LinearMemory(Rule = MemoryRule.GatedDelta, Heads = 1)]
public sealed partial class TinyRecallModel;

/// <summary>A memory beside an attention, in two layers.</summary>
[MemoryModel(VocabSize = 32, Dim = 32, Layers = 2, FeedForward = 0)]
[TitansMemory(TitansVariant.Gate, Heads = 1, Window = 4, Block = 8)]
public sealed partial class TinyGateModel;

/// <summary>A memory of two layers that learns while it reads, alone.</summary>
[MemoryModel(VocabSize = 64, Dim = 32, Layers = 1, FeedForward = 0)]
[TitansMemory(TitansVariant.MemoryOnly, Heads = 1, MemoryDepth = 2)]
public sealed partial class TinyDeepMemoryModel;

[Collection("Alone")]
public class RecallTrainerTests
{
    private static readonly AssociativeRecall Task = new() { Vocabulary = 32, KeyValuePairs = 4, Length = 24 };

    private static readonly RecallTrainingOptions Short = new() { Batch = 4, Steps = 6, WarmUpSteps = 2, ValidationInterval = 3, ValidationRows = 4 };

    [Fact]
    public void AGatedDeltaMemoryLearnsToRecall()
    {
        using var model = NewModel();
        double before = Measure(model, MemoryUse.Kept);

        var training = RecallTrainer.Train(model, [Task], new RecallTrainingOptions { LearningRate = 1e-2, Steps = 400, ValidationRows = 128 });

        // Four pairs with 16 values: a guess is right in 1 of 16 cases, and a guess among the values seen in 1 of 4.
        double after = Measure(model, MemoryUse.Kept), without = Measure(model, MemoryUse.Reset), others = Measure(model, MemoryUse.Exchanged);
        Assert.InRange(before, 0, 0.2);
        Assert.True(after > 0.9, $"{after} after {training.Steps} steps");
        Assert.InRange(without, 0, 0.25);
        Assert.InRange(others, 0, 0.25);
        Assert.Equal(after, Measure(model, MemoryUse.Kept));
        Assert.Equal(TrainingOutcome.Finished, training.Outcome);
    }

    // Titans, property 10: what is written while reading is what is recalled, not what training left in the first weights.
    [Fact]
    public void ADeepMemoryThatLearnsBeatsOneWhoseWeightsStay()
    {
        var task = new AssociativeRecall { Vocabulary = 64, KeyValuePairs = 16, Length = 64 };
        double learning = Trained(frozen: false), frozen = Trained(frozen: true);
        Assert.True(learning > frozen + 0.5, $"{learning} where it learns, {frozen} where it does not");

        double Trained(bool frozen)
        {
            manual_seed(3);
            using var model = new TinyDeepMemoryModel();
            if (frozen) StayAsTheyAre(model);
            RecallTrainer.Train(model, [task], new RecallTrainingOptions { LearningRate = 1e-2, Steps = 450, Batch = 32, ValidationRows = 64 });
            return RecallEvaluation.Measure(model, task, RecallSet.Test, 128).Accuracy;
        }

        // A step size of 0 for every token.
        static void StayAsTheyAre(nn.Module model)
        {
            using var quiet = no_grad();
            (string Name, TorchSharp.Modules.Parameter Value)[] step = [.. model.named_parameters().Where(p => p.name.Contains(".step.")).Select(p => (p.name, p.parameter))];
            Assert.Equal(2, step.Length);
            foreach (var (name, value) in step)
            {
                value.fill_(name.EndsWith("bias") ? -100 : 0);
                value.requires_grad_(false);
            }
        }
    }

    [Fact]
    public void ASeedGivesTheSameRun()
    {
        Assert.Equal(Losses(seed: 1), Losses(seed: 1));
        Assert.NotEqual(Losses(seed: 1), Losses(seed: 2));

        static List<double> Losses(long seed)
        {
            using var model = NewModel();
            var losses = new List<double>();
            RecallTrainer.Train(model, [Task, Task with { Length = 48 }], Short with { Seed = seed }, at => losses.Add(at.Loss));
            return losses;
        }
    }

    [Fact]
    public void TrainingEndsWhenTheValidationSetIsAnswered()
    {
        using var model = NewModel();
        var training = RecallTrainer.Train(model, [Task], Short with { StopAccuracy = 0 });
        Assert.Equal((TrainingOutcome.Finished, 0), (training.Outcome, training.Steps));

        using var stop = new CancellationTokenSource();
        training = RecallTrainer.Train(model, [Task], Short with { StopAccuracy = 2 }, at => { if (at.Step == 4) stop.Cancel(); }, stop.Token);
        Assert.Equal((TrainingOutcome.Stopped, 4), (training.Outcome, training.Steps));
    }

    [Fact]
    public void AStepLeavesNoTensorBehind()
    {
        using var model = NewModel();
        var live = new List<long>();
        int without = LiveTensors.WithoutTensor(model);

        RecallTrainer.Train(model, [Task], Short with { Steps = 20, StopAccuracy = 2 }, _ => live.Add(LiveTensors.Count()));

        Assert.Equal(Enumerable.Range(0, live.Count - 5).Select(step => live[5] + step * without), live.Skip(5));
    }

    [Fact]
    public void ALossThatIsNoNumberStops()
    {
        using var model = NewModel();
        using (no_grad()) model.get_parameter("norm.weight")!.fill_(double.NaN);

        Assert.Contains("in step 1", Assert.Throws<TrainingException>(() => RecallTrainer.Train(model, [Task], Short)).Message);
    }

    [Fact]
    public void OptionsThatMakeNoSenseAreRefused()
    {
        using var model = NewModel();
        Refused(Short with { Steps = 0 }, "number of steps");
        Refused(Short with { WarmUpSteps = 6 }, "0 to 5");
        Refused(Short with { ValidationRows = 0 }, "validation set");
        Refused(Short with { ValidationInterval = 0 }, "validations");
        Refused(Short with { Batch = 0 }, "batch");
        Assert.Throws<TrainingException>(() => RecallTrainer.Train(model, [], Short));

        void Refused(RecallTrainingOptions options, string words) =>
            Assert.Contains(words, Assert.Throws<TrainingException>(() => RecallTrainer.Train(model, [Task], options)).Message);
    }

    [Fact]
    public void OneSequenceAloneHasNoMemoryToExchange()
    {
        using var model = NewModel();
        Assert.Throws<ArgumentOutOfRangeException>(() => RecallEvaluation.Measure(model, Task, RecallSet.Test, 1, MemoryUse.Exchanged));
    }

    [Fact]
    public void AnExchangeMovesEveryMemoryAndLeavesTheAttentionItsWindow()
    {
        using var scope = NewDisposeScope();
        using var quiet = no_grad();
        random.manual_seed(0);
        using var model = new TinyGateModel();
        using var state = model.NewState(3);
        model.Prefill(randint(0, 32, [3, 21], dtype: ScalarType.Int64), state);
        var before = state.Tensors.ToDictionary(each => each.Name, each => each.Value.clone());

        RecallEvaluation.Exchange(state);

        string[] window = ["layers.0.keys", "layers.0.values", "layers.1.keys", "layers.1.values"];
        Assert.Subset(before.Keys.ToHashSet(), window.ToHashSet());
        Assert.Contains(before.Keys.Except(window), name => name.StartsWith("layers.1.", StringComparison.Ordinal));
        foreach (var each in state.Tensors)
        {
            Tensor own = before[each.Name], others = own.roll(1, 0);
            Assert.False((own == others).all().item<bool>(), $"{each.Name} is the same in all rows");
            Assert.True((each.Value == (window.Contains(each.Name) ? own : others)).all().item<bool>(), each.Name);
        }
        Assert.Equal([21L, 21, 21], state.Positions.data<long>().ToArray());
    }

    // Rows are the same however many are read together, so a score does not depend on it either.
    [Fact]
    public void AScoreCountsAnswersAndWholeSequences()
    {
        using var model = NewModel();
        var score = RecallEvaluation.Measure(model, Task, RecallSet.Test, 700);
        var (first, all) = (RecallEvaluation.Measure(model, Task, RecallSet.Test, 1), score.Answers);

        Assert.Equal(2800, all);
        Assert.Equal(4, first.Answers);
        Assert.InRange(score.Exact, 0, score.Accuracy);
    }

    [Fact]
    public void ATaskWithoutAContextIsAskedFromItsFirstToken()
    {
        using var model = NewModel();
        var problem = new GroupWordProblem { Group = PermutationGroup.S3, Length = 5 };

        RecallTrainer.Train(model, [problem], Short);

        Assert.Equal(3 * 5, RecallEvaluation.Measure(model, problem, RecallSet.Test, 3).Answers);
        Assert.Equal(3 * 2, RecallEvaluation.Measure(model, problem with { Unasked = 3 }, RecallSet.Test, 3, MemoryUse.Reset).Answers);
    }

    private static TinyRecallModel NewModel()
    {
        random.manual_seed(0);
        return new TinyRecallModel();
    }

    private static double Measure(TinyRecallModel model, MemoryUse memory) => RecallEvaluation.Measure(model, Task, RecallSet.Test, 256, memory).Accuracy;
}
