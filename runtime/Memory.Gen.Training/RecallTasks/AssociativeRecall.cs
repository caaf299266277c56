using Memory.Gen.Training.Data;

namespace Memory.Gen.Training.RecallTasks;

/// <summary>
/// Multi-query associative recall, MQAR (Arora, Eyuboglu et al.: Zoology, arXiv 2312.04927): key-value pairs <c>k1 v1 ... kN vN</c>, then every
/// key once more, and its value is asked. Keys lie in [1, V/2), values in [V/2, V), both without repetition; what is left is filler. The
/// questions stand at even distances that follow a power law, as the gaps between repeated word pairs in text do.
/// </summary>
public sealed record AssociativeRecall : RecallTask
{
    /// <summary>V, number of tokens: token 0 is filler, then as many keys as values. At least 4, even.</summary>
    public int Vocabulary { get; init; } = 256;

    /// <summary>N, key-value pairs; <c>4 N + Spread + Lead</c> tokens must fit into the length.</summary>
    public int KeyValuePairs { get; init; } = 8;

    /// <summary>
    /// Fillers between the last pair and the first place of a question. With as many as a window sees, attention over that window cannot answer.
    /// </summary>
    public int Lead { get; init; }

    /// <summary>
    /// Fillers among the pairs, every order of fillers and pairs alike: a memory that stores tokens must tell them apart.
    /// </summary>
    public int Spread { get; init; }

    /// <summary>Exponent of the power law: the distance 2i has weight <c>(i + 1)^(GapPower - 1)</c>. Above 0; 1 makes all alike.</summary>
    public double GapPower { get; init; } = 0.01;

    /// <summary>
    /// Whether fillers are random tokens instead of token 0. They may be keys of the sequence then, which nothing asks about; at V = 256 and
    /// N = 8, that is one filler in 32.
    /// </summary>
    public bool RandomFiller { get; init; }

    /// <inheritdoc/>
    public override int VocabSize => Vocabulary;

    /// <inheritdoc/>
    public override int Context => 2 * KeyValuePairs + Spread + Lead;

    /// <inheritdoc/>
    public override double Chance => 2.0 / Vocabulary;

    /// <inheritdoc/>
    public override int? Pairs => KeyValuePairs;

    /// <inheritdoc/>
    public override void Check()
    {
        Require(Vocabulary >= 4 && Vocabulary % 2 == 0, "vocabulary", Vocabulary, "an even number from 4");
        Require(KeyValuePairs >= 1 && KeyValuePairs < Vocabulary / 2, "number of pairs", KeyValuePairs, $"1 to {Vocabulary / 2 - 1}, the number of keys");
        Require(Lead >= 0, "lead", Lead, "0 or more tokens");
        Require(Spread >= 0, "spread", Spread, "0 or more tokens");
        int least = 4 * KeyValuePairs + Spread + Lead;
        Require(Length >= least, "length", Length, $"at least {least} tokens, for {KeyValuePairs} pairs, {Spread} fillers among them, a lead of {Lead} and the questions");
        Require(GapPower > 0 && double.IsFinite(GapPower), "gap power", GapPower, "a number above 0");
    }

    private protected override void Write(RandomNumbers random, Span<long> tokens, Span<long> targets)
    {
        int[] keys = random.Choose(1, Vocabulary / 2, KeyValuePairs), values = random.Choose(Vocabulary / 2, Vocabulary, KeyValuePairs);
        int[] places = Spread == 0 ? [.. Enumerable.Range(0, KeyValuePairs)] : [.. random.Choose(0, KeyValuePairs + Spread, KeyValuePairs).Order()];
        for (int i = 0; i < keys.Length; i++) (tokens[places[i] + i], tokens[places[i] + i + 1]) = (keys[i], values[i]);
        QueryPlaces.Write(random, Context, GapPower, keys, values, tokens, targets);
        if (!RandomFiller) return;
        foreach (ref long token in tokens)
            if (token == 0) token = random.Below(Vocabulary);
    }
}
