using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;
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

    /// <summary>Trainings that run at the same time, each on one core: at this size a second core speeds up a step by little.</summary>
    public int Workers { get; init; } = Environment.ProcessorCount;

    /// <summary>Steps that a training has at most; null leaves it to the task.</summary>
    public int? MostSteps { get; init; }
}

/// <summary>The answers to one examination.</summary>
/// <param name="Accuracy">For each test the share of right ones.</param>
/// <param name="Exact">For each test the share of sequences whose answers are all right.</param>
/// <param name="MemoryOff">The same without memory; null where there is none.</param>
/// <param name="SlotPrecision">For each test the share of eidetic slots that hold no filler when the questions come; null where there are no slots.</param>
internal sealed record Marks(IReadOnlyList<double> Accuracy, IReadOnlyList<double> Exact, IReadOnlyList<double>? MemoryOff, IReadOnlyList<double>? SlotPrecision);

/// <summary>One training and what was measured after it.</summary>
/// <param name="Seed">Of the initial weights and the sequences.</param>
/// <param name="Training">How it went.</param>
/// <param name="Marks">For each examination of the contest.</param>
internal sealed record Run(int Seed, RecallTraining Training, IReadOnlyList<Marks> Marks);

/// <summary>A model's runs on one task; at least one.</summary>
/// <param name="Contestant">The model.</param>
/// <param name="Card">Its sizes.</param>
/// <param name="ActivatedParameters">Trained values that take part in reading one token.</param>
/// <param name="Runs">Its trainings, by seed.</param>
internal sealed record Standing(Contestant Contestant, MemoryCard Card, long ActivatedParameters, IReadOnlyList<Run> Runs);

/// <summary>Trains every model on every task, side by side: the same sequences, steps and tests for all.</summary>
internal static class Comparison
{
    private static readonly Lock Drawing = new();

    /// <summary>Runs a contest.</summary>
    /// <param name="contest">The task.</param>
    /// <param name="plan">How much is run.</param>
    /// <param name="progress">Told the share done, 0 to 1, and how it stands.</param>
    /// <param name="cancellation">Stops at the next step; a model that was not trained and asked to the end is left out.</param>
    /// <returns>The models with at least one finished run, in order.</returns>
    public static IReadOnlyList<Standing> Hold(Contest contest, Plan plan, Action<double, string> progress, CancellationToken cancellation)
    {
        int threads = get_num_threads(), steps = Math.Min(contest.Steps, plan.MostSteps ?? int.MaxValue), done = 0;
        var entries = (from contestant in contest.Models.Select(Catalog.Find) from seed in Enumerable.Range(0, plan.Seeds) select new Entry(contestant, seed)).ToList();
        var workers = new ParallelOptions { MaxDegreeOfParallelism = plan.Workers };
        // The heaviest models stand last in a contest. They start first, so that no core waits for one of them at the end.
        var order = Partitioner.Create(Enumerable.Reverse(entries), EnumerablePartitionerOptions.NoBuffering);
        set_num_threads(plan.Workers == 1 ? Environment.ProcessorCount : 1);
        try
        {
            Parallel.ForEach(order, workers, entry =>
            {
                if (cancellation.IsCancellationRequested) return;
                Hold(entry, contest, plan, steps, at => Report(at.Step, $"{entry.Contestant.Name}, seed {entry.Seed}: step {at.Step}, loss {at.Loss:F2}, accuracy {at.ValidationAccuracy:F3}"), cancellation);
                Interlocked.Add(ref done, steps);
            });
        }
        catch (AggregateException several)
        {
            ExceptionDispatchInfo.Throw(several.InnerExceptions[0]);
        }
        finally
        {
            set_num_threads(threads);
        }
        if (!cancellation.IsCancellationRequested) progress(1, "");
        return [.. from entry in entries where entry.Run is not null group entry by entry.Contestant into runs select new Standing(runs.Key, runs.First().Card!, runs.First().ActivatedParameters, [.. runs.Select(entry => entry.Run!)])];

        void Report(int step, string status)
        {
            lock (entries) progress((done + 0.95 * step) / ((double)steps * entries.Count), status);
        }
    }

    // Weights are drawn from a generator that all trainings share.
    private static IMemoryModel Create(Entry entry)
    {
        lock (Drawing)
        {
            random.manual_seed(entry.Seed);
            return entry.Contestant.Create();
        }
    }

    private static void Hold(Entry entry, Contest contest, Plan plan, int steps, Action<RecallProgress> progress, CancellationToken cancellation)
    {
        var model = Create(entry);
        using var module = (nn.Module)model;
        var options = new RecallTrainingOptions { Batch = contest.Batch, Steps = steps, WarmUpSteps = Math.Min(50, steps / 4), LearningRate = contest.LearningRate, ValidationRows = plan.ValidationRows, Seed = entry.Seed };
        if (contest.UsesAllSteps) options = options with { StopAccuracy = 2 };
        var training = RecallTrainer.Train(model, contest.Training, options, progress, cancellation);
        if (training.Outcome == TrainingOutcome.Stopped) return;
        try
        {
            var marks = contest.Examinations.Select(examination => Examine(model, entry.Contestant, examination, plan, cancellation)).ToList();
            (entry.Card, entry.ActivatedParameters) = (model.Card, entry.Contestant.ActivatedParameters(module));
            entry.Run = new Run(entry.Seed, training, marks);
        }
        catch (OperationCanceledException)
        {
            // What was not asked everything is left out.
        }
    }

    private static Marks Examine(IMemoryModel model, Contestant contestant, Examination examination, Plan plan, CancellationToken cancellation)
    {
        double?[] precision = [.. examination.Tests.Select(test => SlotContents.Precision(model, test))];
        RecallScore[] answers = Answer(MemoryUse.Kept);
        return new Marks(
            [.. answers.Select(score => score.Accuracy)], [.. answers.Select(score => score.Exact)],
            contestant.MemoryOff is { } off ? [.. Answer(off).Select(score => score.Accuracy)] : null,
            precision.Contains(null) ? null : [.. precision.Select(share => share!.Value)]);

        RecallScore[] Answer(MemoryUse memory) =>
            [.. examination.Tests.Select(test => RecallEvaluation.Measure(model, test, RecallSet.Test, Math.Clamp(plan.TestTokens / test.Length, 2, plan.TestRows), memory, cancellation))];
    }

    /// <summary>A training that is to be run, and what came of it.</summary>
    private sealed class Entry(Contestant contestant, int seed)
    {
        public Contestant Contestant { get; } = contestant;

        public int Seed { get; } = seed;

        public MemoryCard? Card { get; set; }

        public long ActivatedParameters { get; set; }

        public Run? Run { get; set; }
    }
}
