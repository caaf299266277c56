using Memory.Gen.Training.Data;

namespace Memory.Gen.Training.RecallTasks;

/// <summary>
/// Associative recall of what was said last: the context gives every key a value, then another, <see cref="Rounds"/> times; then every key is
/// asked once, and the answer is its last value. A memory that only adds holds all values of a key alike and is right in one of
/// <see cref="Rounds"/> cases; one that replaces, or that fades, can be right always. After forgetting_mqar of the Zoology repository
/// (arXiv 2312.04927), which reassigns some of the keys once; with all keys and three rounds the two kinds of memory lie further apart.
/// </summary>
public sealed record ForgettingRecall : RecallTask
{
    /// <summary>V, number of tokens: token 0 is filler, then as many keys as values. At least 4, even.</summary>
    public int Vocabulary { get; init; } = 256;

    /// <summary>N, number of keys; <c>2 N (Rounds + 1)</c> tokens must fit into the length.</summary>
    public int Keys { get; init; } = 6;

    /// <summary>R, times that every key gets a value; a round gives them in an order of its own. No value is given twice.</summary>
    public int Rounds { get; init; } = 3;

    /// <summary>Exponent of the questions' distances, as in <see cref="AssociativeRecall.GapPower"/>.</summary>
    public double GapPower { get; init; } = 0.01;

    /// <inheritdoc/>
    public override int VocabSize => Vocabulary;

    /// <inheritdoc/>
    public override int Context => 2 * Keys * Rounds;

    /// <inheritdoc/>
    public override double Chance => 2.0 / Vocabulary;

    /// <inheritdoc/>
    public override int? Pairs => Keys * Rounds;

    /// <inheritdoc/>
    public override void Check()
    {
        Require(Vocabulary >= 4 && Vocabulary % 2 == 0, "vocabulary", Vocabulary, "an even number from 4");
        Require(Keys >= 1 && Keys < Vocabulary / 2, "number of keys", Keys, $"1 to {Vocabulary / 2 - 1}");
        Require(Rounds >= 1 && (long)Keys * Rounds <= Vocabulary / 2, "number of rounds", Rounds, $"1 to {Vocabulary / 2 / Keys}, with {Keys} keys and {Vocabulary / 2} values");
        Require(Length >= 2 * Keys * (Rounds + 1), "length", Length, $"at least {2 * Keys * (Rounds + 1)} tokens, for {Rounds} rounds of {Keys} keys and the questions");
        Require(GapPower > 0 && double.IsFinite(GapPower), "gap power", GapPower, "a number above 0");
    }

    private protected override void Write(RandomNumbers random, Span<long> tokens, Span<long> targets)
    {
        int[] keys = random.Choose(1, Vocabulary / 2, Keys), values = random.Choose(Vocabulary / 2, Vocabulary, Keys * Rounds), last = new int[Keys];
        for (int round = 0; round < Rounds; round++)
        {
            int[] order = random.Choose(0, Keys, Keys);
            for (int i = 0; i < Keys; i++)
            {
                int at = round * Keys + i;
                last[order[i]] = values[at];
                (tokens[2 * at], tokens[2 * at + 1]) = (keys[order[i]], values[at]);
            }
        }
        QueryPlaces.Write(random, Context, GapPower, keys, last, tokens, targets);
    }
}
