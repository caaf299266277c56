using Memory.Gen.Runtime;
using Memory.Gen.Training;
using Memory.Gen.Training.RecallTasks;
using TorchSharp;
using static TorchSharp.torch;

namespace Recall;

/// <summary>How much is run.</summary>
internal sealed record Plan
{
    /// <summary>The tasks, each with its models.</summary>
    public required IReadOnlyList<Contest> Contests { get; init; }

    /// <summary>Trainings of each model on each task, with seeds from 0.</summary>
    public int Seeds { get; init; } = 3;

    /// <summary>Where an accuracy is measured: this many sequences, or fewer long ones.</summary>
    public int TestRows { get; init; } = 512;

    /// <summary>Tokens that a test has at most.</summary>
    public int TestTokens { get; init; } = 1 << 18;

    /// <summary>Sequences on which it is decided whether a training may end.</summary>
    public int ValidationRows { get; init; } = 256;

    /// <summary>Steps that a training has at most; null leaves it to the task.</summary>
    public int? MostSteps { get; init; }
}

/// <summary>The answers to one examination.</summary>
/// <param name="Accuracy">For each test the share of right ones.</param>
/// <param name="MemoryOff">The same without memory; null where there is none.</param>
/// <param name="SlotPrecision">For each test the share of eidetic slots that hold no filler when the questions come; null where there are no slots.</param>
internal sealed record Marks(IReadOnlyList<double> Accuracy, IReadOnlyList<double>? MemoryOff, IReadOnlyList<double>? SlotPrecision);

/// <summary>One training and what was measured after it.</summary>
/// <param name="Seed">Of the initial weights and the sequences.</param>
/// <param name="Training">How it went.</param>
/// <param name="Marks">For each examination of the contest.</param>
internal sealed record Run(int Seed, RecallTraining Training, IReadOnlyList<Marks> Marks);

/// <summary>A model's runs on one task; at least one.</summary>
internal sealed record Standing(Contestant Contestant, MemoryCard Card, IReadOnlyList<Run> Runs);

/// <summary>Trains every model on every task, side by side: the same sequences, steps and tests for all.</summary>
internal static class Comparison
{
    /// <summary>Runs a contest.</summary>
    /// <param name="contest">The task.</param>
    /// <param name="plan">How much is run.</param>
    /// <param name="progress">Told the share done, 0 to 1, and how it stands.</param>
    /// <param name="cancellation">Stops at the next step; a training that did not end is left out.</param>
    /// <returns>The models with at least one finished run, in order.</returns>
    public static IReadOnlyList<Standing> Hold(Contest contest, Plan plan, Action<double, string> progress, CancellationToken cancellation)
    {
        var standings = new List<Standing>();
        int steps = Math.Min(contest.Steps, plan.MostSteps ?? int.MaxValue), total = contest.Models.Count * plan.Seeds, ended = 0;
        foreach (var contestant in contest.Models.Select(Catalog.Find))
        {
            var runs = new List<Run>();
            MemoryCard? card = null;
            for (int seed = 0; seed < plan.Seeds && !cancellation.IsCancellationRequested; seed++, ended++)
            {
                random.manual_seed(seed);
                var model = contestant.Create();
                using var module = (nn.Module)model;
                card = model.Card;
                var options = new RecallTrainingOptions { Steps = steps, WarmUpSteps = Math.Min(50, steps / 4), LearningRate = contest.LearningRate, ValidationRows = plan.ValidationRows, Seed = seed };
                var training = RecallTrainer.Train(model, contest.Training, options,
                    at => progress((ended + 0.95 * at.Step / steps) / total, $"{contestant.Name}, seed {seed}: step {at.Step}, loss {at.Loss:F2}, accuracy {at.ValidationAccuracy:F3}"), cancellation);
                if (training.Outcome == TrainingOutcome.Stopped) break;
                runs.Add(new Run(seed, training, [.. contest.Examinations.Select(examination => Examine(model, contestant, examination, plan))]));
            }
            if (runs.Count > 0) standings.Add(new Standing(contestant, card!, runs));
        }
        if (!cancellation.IsCancellationRequested) progress(1, "");
        return standings;
    }

    private static Marks Examine(IMemoryModel model, Contestant contestant, Examination examination, Plan plan)
    {
        double?[] precision = [.. examination.Tests.Select(test => SlotContents.Precision(model, test))];
        return new Marks(
            Answer(MemoryUse.Kept), contestant.MemoryOff is { } off ? Answer(off) : null, precision.Contains(null) ? null : [.. precision.Select(share => share!.Value)]);

        IReadOnlyList<double> Answer(MemoryUse memory) =>
            [.. examination.Tests.Select(test => RecallEvaluation.Measure(model, test, RecallSet.Test, Math.Clamp(plan.TestTokens / test.Length, 2, plan.TestRows), memory).Accuracy)];
    }
}
