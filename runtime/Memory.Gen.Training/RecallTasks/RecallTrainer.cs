using System.Diagnostics;
using Memory.Gen.Runtime;
using Memory.Gen.Runtime.Operators;
using Memory.Gen.Training.Data;
using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Training.RecallTasks;

/// <summary>How a run stands.</summary>
/// <param name="Step">Steps done.</param>
/// <param name="Loss">The last step's loss, in nats an answer.</param>
/// <param name="GradientNorm">The last gradient's norm before clipping.</param>
/// <param name="ValidationAccuracy">At the last look at the validation set; 0 before the first.</param>
public readonly record struct RecallProgress(int Step, double Loss, double GradientNorm, double ValidationAccuracy);

/// <summary>What came of a run.</summary>
/// <param name="Outcome">Whether it ended by itself.</param>
/// <param name="Steps">Steps done.</param>
/// <param name="Seconds">Time spent in steps and validations.</param>
/// <param name="ValidationAccuracy">Share of right answers on the validation set, at the last look.</param>
public sealed record RecallTraining(TrainingOutcome Outcome, int Steps, double Seconds, double ValidationAccuracy);

/// <summary>Trains models on recall tasks. Every step has sequences that no step had before.</summary>
public static class RecallTrainer
{
    /// <summary>Trains a model in place.</summary>
    /// <param name="model">A model whose vocabulary holds the tasks' tokens.</param>
    /// <param name="mixture">The tasks; each step takes one of them at random.</param>
    /// <param name="options">How to train; null takes the defaults.</param>
    /// <param name="progress">Told after every step.</param>
    /// <param name="cancellation">Stops after the step that is running, or within the validation behind it.</param>
    /// <exception cref="TrainingException">An option makes no sense, or the loss is no number any more.</exception>
    public static RecallTraining Train(
        IMemoryModel model, IReadOnlyList<RecallTask> mixture, RecallTrainingOptions? options = null, Action<RecallProgress>? progress = null, CancellationToken cancellation = default)
    {
        options ??= new RecallTrainingOptions();
        options.Check();
        if (mixture.Count == 0) throw new TrainingException("There is no recall task to train on; give at least one.");
        long started = Stopwatch.GetTimestamp();
        var module = (nn.Module)model;
        module.train();
        var settings = options.Optimizer();
        using var optimization = new Optimization(module, settings);
        var random = new RandomNumbers(RandomNumbers.Mix((ulong)options.Seed));
        int shortest = mixture.Min(task => task.Length), step = 0;
        var drawn = new long[mixture.Count];
        double accuracy = 0;
        bool asked = true;
        while (step < options.Steps && accuracy < options.StopAccuracy && !cancellation.IsCancellationRequested)
        {
            int which = random.Below(mixture.Count), rows = Rows(options.Batch, mixture[which]);
            var batch = mixture[which].Draw(RecallSet.Training, options.Seed, drawn[which], rows);
            drawn[which] += rows;
            double learningRate = Schedule.LearningRate(settings, ++step / (double)options.Steps);
            var (loss, norm) = Learn(model, batch, optimization, learningRate, settings.ClipNorm);
            if (!double.IsFinite(loss) || !double.IsFinite(norm))
                throw new TrainingException(FormattableString.Invariant($"The loss became {loss} and the norm of its gradient {norm} in step {step} at a learning rate of {learningRate:G3}; train again with a lower learning rate."));
            if (step % options.ValidationInterval == 0 || step == options.Steps)
                asked = Validate();
            progress?.Invoke(new RecallProgress(step, loss, norm, accuracy));
        }
        var outcome = asked && (step == options.Steps || accuracy >= options.StopAccuracy) ? TrainingOutcome.Finished : TrainingOutcome.Stopped;
        return new RecallTraining(outcome, step, Stopwatch.GetElapsedTime(started).TotalSeconds, accuracy);

        bool Validate()
        {
            try
            {
                accuracy = mixture.Average(task => RecallEvaluation.Measure(model, task, RecallSet.Validation, Rows(options.ValidationRows, task), cancellation: cancellation).Accuracy);
                return true;
            }
            catch (OperationCanceledException)
            {
                return false;
            }
        }

        // As many tokens of every task in the mixture.
        int Rows(int most, RecallTask task) => Math.Max(1, most * shortest / task.Length);
    }

    private static (double Loss, double Norm) Learn(IMemoryModel model, RecallBatch batch, Optimization optimization, double learningRate, double clip)
    {
        using var scope = NewDisposeScope();
        using var state = model.NewState(batch.Rows);
        Tensor logits = model.Prefill(tensor(batch.Tokens, device: state.Device).view(batch.Rows, batch.Length), state);
        Tensor mean = CrossEntropy.Apply(logits.view(batch.Targets.Length, -1), tensor(batch.Targets, device: state.Device), RecallBatch.Ignored);
        double loss = mean.to(ScalarType.Float64).item<double>();
        ((nn.Module)model).zero_grad();
        (state.AuxiliaryLoss is { } auxiliary ? mean + auxiliary : mean).backward();
        return (loss, optimization.Step(learningRate, clip));
    }
}
