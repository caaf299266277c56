using Memory.Gen.Training.Data;

namespace Memory.Gen.Training.RecallTasks;

/// <summary>
/// Induction heads (Olsson et al., arXiv 2209.11895; as set up by Gu and Dao: Mamba, arXiv 2312.00752, section 4.1.2): random symbols, and
/// among them, at a random place, a special token. It comes again at the very end, and what followed it the first time is asked.
/// </summary>
public sealed record InductionHeads : RecallTask
{
    /// <summary>V, number of tokens; the last one is the special token. At least 3.</summary>
    public int Vocabulary { get; init; } = 16;

    /// <inheritdoc/>
    public override int VocabSize => Vocabulary;

    /// <inheritdoc/>
    public override int Context => Length - 1;

    /// <inheritdoc/>
    public override double Chance => 1.0 / (Vocabulary - 1);

    /// <inheritdoc/>
    public override void Check()
    {
        Require(Vocabulary >= 3, "vocabulary", Vocabulary, "at least 3");
        Require(Length >= 3, "length", Length, "at least 3 tokens");
    }

    private protected override void Write(RandomNumbers random, Span<long> tokens, Span<long> targets)
    {
        int special = Vocabulary - 1, place = random.Below(Length - 2);
        foreach (ref long token in tokens) token = random.Below(special);
        tokens[place] = tokens[^1] = special;
        targets[^1] = tokens[place + 1];
    }
}
