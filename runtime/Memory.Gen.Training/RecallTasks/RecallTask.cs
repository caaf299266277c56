using Memory.Gen.Training.Data;

namespace Memory.Gen.Training.RecallTasks;

/// <summary>
/// A made-up kind of text whose answers stand in it, far from the question, or follow from all of it: what a memory is for. A record of options
/// that writes any number of sequences, always the same for a set, a seed and a number.
/// </summary>
public abstract record RecallTask
{
    /// <summary>Tokens of a sequence.</summary>
    public int Length { get; init; } = 64;

    /// <summary>Tokens lie from 0 to below this.</summary>
    public abstract int VocabSize { get; }

    /// <summary>Tokens at the beginning of every sequence that hold all there is to remember; nothing is asked in them.</summary>
    public abstract int Context { get; }

    /// <summary>Share of right answers of someone who knows the task but not the context.</summary>
    public abstract double Chance { get; }

    /// <summary>Key-value pairs in the context, or null where the task has none.</summary>
    public virtual int? Pairs => null;

    /// <summary>Throws where the options do not make a task.</summary>
    /// <exception cref="TrainingException">Says which option, and what is possible.</exception>
    public abstract void Check();

    /// <summary>Writes sequences.</summary>
    /// <param name="set">What they are for.</param>
    /// <param name="seed">Of all sequences of the set.</param>
    /// <param name="first">Number of the first one, from 0.</param>
    /// <param name="rows">How many, at least 1.</param>
    /// <exception cref="TrainingException">The options do not make a task.</exception>
    public RecallBatch Draw(RecallSet set, long seed, long first, int rows)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(first);
        ArgumentOutOfRangeException.ThrowIfLessThan(rows, 1);
        Check();
        long[] tokens = new long[rows * Length], targets = new long[rows * Length];
        Array.Fill(targets, RecallBatch.Ignored);
        ulong origin = RandomNumbers.Mix(RandomNumbers.Mix((ulong)seed) + (ulong)set);
        for (int row = 0; row < rows; row++)
        {
            var random = new RandomNumbers(RandomNumbers.Mix(origin + (ulong)(first + row)));
            Write(random, tokens.AsSpan(row * Length, Length), targets.AsSpan(row * Length, Length));
        }
        return new RecallBatch(rows, Length, tokens, targets);
    }

    /// <summary>Writes one sequence.</summary>
    /// <param name="random">Where it takes its random numbers from.</param>
    /// <param name="tokens"><see cref="Length"/> zeros.</param>
    /// <param name="targets">As many times <see cref="RecallBatch.Ignored"/>.</param>
    private protected abstract void Write(RandomNumbers random, Span<long> tokens, Span<long> targets);

    private protected static void Require(bool holds, string what, object value, string expected)
    {
        if (!holds) throw new TrainingException(FormattableString.Invariant($"The {what} of a recall task is {value}; expected {expected}."));
    }
}
