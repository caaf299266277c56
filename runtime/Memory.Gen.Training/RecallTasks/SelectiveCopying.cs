using Memory.Gen.Training.Data;

namespace Memory.Gen.Training.RecallTasks;

/// <summary>
/// Selective copying (Gu and Dao: Mamba, arXiv 2312.00752, section 4.1.1, after Jing et al.): symbols at random places among noise, then as many
/// markers, at which the symbols are asked in their order. Noise must be passed over, which a memory that treats all tokens alike cannot do.
/// </summary>
public sealed record SelectiveCopying : RecallTask
{
    /// <summary>V, number of tokens: token 0 is noise, the last one the marker, those between are symbols. At least 4.</summary>
    public int Vocabulary { get; init; } = 16;

    /// <summary>Symbols to copy; twice as many tokens must fit into the length.</summary>
    public int Symbols { get; init; } = 8;

    /// <inheritdoc/>
    public override int VocabSize => Vocabulary;

    /// <inheritdoc/>
    public override int Context => Length - Symbols;

    /// <inheritdoc/>
    public override double Chance => 1.0 / (Vocabulary - 2);

    /// <inheritdoc/>
    public override void Check()
    {
        Require(Vocabulary >= 4, "vocabulary", Vocabulary, "at least 4");
        Require(Symbols >= 1, "number of symbols", Symbols, "at least 1");
        Require(Length >= 2 * Symbols, "length", Length, $"at least {2 * Symbols} tokens, for {Symbols} symbols and as many markers");
    }

    private protected override void Write(RandomNumbers random, Span<long> tokens, Span<long> targets)
    {
        int[] places = random.Choose(0, Context, Symbols);
        Array.Sort(places);
        for (int i = 0; i < Symbols; i++)
        {
            tokens[places[i]] = targets[Context + i] = random.Between(1, Vocabulary - 1);
            tokens[Context + i] = Vocabulary - 1;
        }
    }
}
