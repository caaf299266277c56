using Memory.Gen.Training.Data;

namespace Memory.Gen.Training.RecallTasks;

/// <summary>Sequences of one task, row after row.</summary>
/// <param name="Rows">Number of sequences.</param>
/// <param name="Length">Tokens of each.</param>
/// <param name="Tokens">Tokens to read, <c>Rows * Length</c>.</param>
/// <param name="Targets">What is to be predicted after each of them; <see cref="Ignored"/> where nothing is asked.</param>
public sealed record RecallBatch(int Rows, int Length, long[] Tokens, long[] Targets)
{
    /// <summary>The target where nothing is asked.</summary>
    public const long Ignored = DocumentBatches.Ignored;
}

/// <summary>What sequences are for: those of one set never appear in another.</summary>
public enum RecallSet
{
    /// <summary>Trained on; each is seen once.</summary>
    Training,

    /// <summary>Looked at during training, to stop it.</summary>
    Validation,

    /// <summary>Measured once, after training.</summary>
    Test,
}
