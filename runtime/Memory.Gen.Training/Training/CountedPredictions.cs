using Memory.Gen.Runtime;
using Memory.Gen.Training.Data;

namespace Memory.Gen.Training;

/// <summary>The predictions of a step that a model which reads in segments declares as those that count.</summary>
internal static class CountedPredictions
{
    /// <summary>The batch with targets where a prediction counts; all are read.</summary>
    /// <param name="batch">A step's tokens.</param>
    /// <param name="model">The model.</param>
    /// <param name="window">Tokens of a row.</param>
    /// <param name="byteLengths">Bytes of every token.</param>
    public static Batch Of(Batch batch, IMemoryModel model, int window, IReadOnlyList<int> byteLengths)
    {
        if (model is not ISegmentedModel segmented || segmented.LossScope == LossScope.AllSegments) return batch;
        var targets = (long[])batch.Targets.Clone();
        int tokens = 0, bytes = 0;
        for (int row = 0; row < targets.Length / window; row++)
        {
            var own = targets.AsSpan(row * window, window);
            int read = own.LastIndexOfAnyExcept(DocumentBatches.Ignored) + 1;
            long first = segmented.LossScope == LossScope.LastNTokens
                ? read - segmented.LossTokens
                : (batch.Positions[row] + read - 1) / segmented.NewTokens * segmented.NewTokens - batch.Positions[row];
            own[..(int)Math.Clamp(first, 0, read)].Fill(DocumentBatches.Ignored);
            foreach (long target in own[..read])
            {
                if (target == DocumentBatches.Ignored) continue;
                tokens++;
                bytes += byteLengths[(int)target];
            }
        }
        return batch with { Targets = targets, Tokens = tokens, Bytes = bytes };
    }
}
