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

    /// <summary>
    /// What another sequence left, except in the attention's window, which stays its own. For layers in which a memory gates an attention: an empty
    /// memory would close the gate, and the attention would not be heard either.
    /// </summary>
    Exchanged,
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
    /// <param name="rows">Sequences, at least 1; 2 where memories are exchanged.</param>
    /// <param name="memory">What it remembers of the context.</param>
    /// <param name="cancellation">Ends it between two batches of sequences.</param>
    /// <exception cref="OperationCanceledException">It was cancelled.</exception>
    /// <exception cref="TrainingException">The task's options make no task.</exception>
    public static RecallScore Measure(IMemoryModel model, RecallTask task, RecallSet set, int rows, MemoryUse memory = MemoryUse.Kept, CancellationToken cancellation = default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, memory == MemoryUse.Exchanged ? 2 : 1);
        var module = (nn.Module)model;
        bool training = module.training;
        module.eval();
        using var quiet = no_grad();
        int together = Math.Max(2, BatchTokens / task.Length), right = 0, asked = 0, exact = 0;
        // No row is left alone: it would have no memory to exchange.
        while (rows > 1 && rows % together == 1) together++;
        for (int first = 0; first < rows; first += together)
        {
            if (cancellation.IsCancellationRequested) break;
            var batch = task.Draw(set, Seed, first, Math.Min(together, rows - first));
            long[] answers = Answers(model, batch, task.Context, memory);
            for (int row = 0; row < batch.Rows; row++)
            {
                int wrong = 0;
                ReadOnlySpan<long> targets = batch.Targets.AsSpan(row * batch.Length, batch.Length)[task.Context..], given = answers.AsSpan(row * targets.Length, targets.Length);
                for (int at = 0; at < targets.Length; at++)
                {
                    if (targets[at] == RecallBatch.Ignored) continue;
                    asked++;
                    if (given[at] == targets[at]) right++;
                    else wrong++;
                }
                if (wrong == 0) exact++;
            }
        }
        module.train(training);
        cancellation.ThrowIfCancellationRequested();
        return new RecallScore(right / (double)asked, exact / (double)rows, asked);
    }

    // The likeliest next token after every token behind the context, in which nothing is asked.
    private static long[] Answers(IMemoryModel model, RecallBatch batch, int context, MemoryUse memory)
    {
        using var scope = NewDisposeScope();
        using var state = model.NewState(batch.Rows);
        Tensor tokens = tensor(batch.Tokens, device: state.Device).view(batch.Rows, batch.Length);
        if (context > 0) model.Read(tokens.narrow(1, 0, context), state);
        if (memory == MemoryUse.Reset) state.Reset();
        if (memory == MemoryUse.Exchanged) Exchange(state);
        return model.Prefill(tokens.narrow(1, context, batch.Length - context), state).argmax(2).cpu().data<long>().ToArray();
    }

    /// <summary>Gives every row the memory of the row before it; the attention's window stays its own.</summary>
    /// <remarks>All rows have read as much, so a memory of one stands where that of another would.</remarks>
    internal static void Exchange(MemoryState state)
    {
        using var scope = NewDisposeScope();
        using var advance = state.Begin(state.Batch, 0);
        foreach (var tensor in state.Tensors.Where(each => !IsWindow(each))) tensor.Update(tensor.Value.roll(1, 0));
        advance.Commit();
    }

    // What attentions keep has these names in every layer, layers.0.keys for instance; a memory's own tokens are layers.0.memory_keys.
    private static bool IsWindow(StateTensor tensor) => tensor.Name[(tensor.Name.LastIndexOf('.') + 1)..] is "keys" or "values";
}
