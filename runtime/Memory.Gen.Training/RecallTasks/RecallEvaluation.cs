using Memory.Gen.Runtime;
using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Training.RecallTasks;

/// <summary>How well a model answers.</summary>
/// <param name="Accuracy">Share of right answers.</param>
/// <param name="Exact">Share of sequences whose answers are all right.</param>
/// <param name="Answers">How many were asked.</param>
public sealed record RecallScore(double Accuracy, double Exact, int Answers);

/// <summary>What a model remembers when the questions come.</summary>
public enum MemoryUse
{
    /// <summary>All that it does.</summary>
    Kept,

    /// <summary>Nothing: its state is reset between context and questions. What it answers then, it did not take from memory.</summary>
    Reset,
}

/// <summary>Measures models on recall tasks.</summary>
public static class RecallEvaluation
{
    // Validation and test sets are the same for every model and every seed of training.
    private const long Seed = 0;
    private const int BatchTokens = 16_384;

    /// <summary>Lets a model answer the questions of many sequences; the likeliest token counts.</summary>
    /// <param name="model">A model whose vocabulary holds the task's tokens.</param>
    /// <param name="task">The task.</param>
    /// <param name="set">Validation or test.</param>
    /// <param name="rows">Sequences, at least 1.</param>
    /// <param name="memory">What it remembers of the context.</param>
    /// <exception cref="TrainingException">The task's options make no task.</exception>
    public static RecallScore Measure(IMemoryModel model, RecallTask task, RecallSet set, int rows, MemoryUse memory = MemoryUse.Kept)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1);
        var module = (nn.Module)model;
        bool training = module.training;
        module.eval();
        using var quiet = no_grad();
        int together = Math.Max(1, BatchTokens / task.Length), right = 0, asked = 0, exact = 0;
        for (int first = 0; first < rows; first += together)
        {
            var batch = task.Draw(set, Seed, first, Math.Min(together, rows - first));
            long[] answers = Answers(model, batch, memory == MemoryUse.Kept ? 0 : task.Context);
            for (int row = 0; row < batch.Rows; row++)
            {
                int wrong = 0;
                for (int at = row * batch.Length; at < (row + 1) * batch.Length; at++)
                {
                    if (batch.Targets[at] == RecallBatch.Ignored) continue;
                    asked++;
                    if (answers[at] == batch.Targets[at]) right++;
                    else wrong++;
                }
                if (wrong == 0) exact++;
            }
        }
        module.train(training);
        return new RecallScore(right / (double)asked, exact / (double)rows, asked);
    }

    // The likeliest next token after every token; the state is reset after the first `forgotten` ones.
    private static long[] Answers(IMemoryModel model, RecallBatch batch, int forgotten)
    {
        using var scope = NewDisposeScope();
        using var state = model.NewState(batch.Rows);
        Tensor tokens = tensor(batch.Tokens, device: state.Device).view(batch.Rows, batch.Length);
        Tensor before = Likeliest(tokens.narrow(1, 0, forgotten));
        state.Reset();
        Tensor after = Likeliest(tokens.narrow(1, forgotten, batch.Length - forgotten));
        return cat(new[] { before, after }, 1).cpu().data<long>().ToArray();

        Tensor Likeliest(Tensor read) => model.Prefill(read, state).argmax(2);
    }
}
