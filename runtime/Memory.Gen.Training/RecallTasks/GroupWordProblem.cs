using Memory.Gen.Training.Data;

namespace Memory.Gen.Training.RecallTasks;

/// <summary>
/// The word problem of a group (Merrill, Petty and Sabharwal: The Illusion of State in State-Space Models, arXiv 2404.08819, section 3): every
/// token is an element of the group, drawn at random, and at every token the product <c>g1 g2 ... gt</c> of all so far is asked. Whoever misses
/// one of the tokens can only guess: nothing is to be kept for later, a state is to be followed.
/// </summary>
/// <remarks>
/// Token 0 is the identity, the others follow in the lexicographic order of the permutations; a product does the right one first,
/// <c>(g h)(i) = g(h(i))</c>. Answers are elements too. With <see cref="PermutationGroup.Z2"/> it is parity: whether the ones so far are odd in number.
/// </remarks>
public sealed record GroupWordProblem : RecallTask
{
    /// <summary>The group.</summary>
    public PermutationGroup Group { get; init; }

    /// <summary>
    /// Things that a token moves at most; null: any number, every element is a token. With 2 the tokens are the identity and the swaps, as in
    /// Grazzi et al. (arXiv 2411.12537, section 5): one that moves n things is made of n - 1 swaps, and a swap is one reflection.
    /// </summary>
    public int? MostMoved { get; init; }

    /// <summary>
    /// Tokens at the beginning at which nothing is asked, fewer than the length. None in training, where every prefix teaches; half of them in a
    /// test, so that its questions are further from the beginning than those of shorter texts.
    /// </summary>
    public int Unasked { get; init; }

    /// <inheritdoc/>
    public override int VocabSize => GroupTable.Of(Group).Order;

    /// <inheritdoc/>
    public override int Context => Unasked;

    /// <inheritdoc/>
    /// <remarks>Of a product with at least one factor in the context; without a context the first token is itself the first answer.</remarks>
    public override double Chance => 1.0 / VocabSize;

    /// <inheritdoc/>
    public override void Check()
    {
        Require(Enum.IsDefined(Group), "group", Group, string.Join(", ", Enum.GetNames<PermutationGroup>()));
        int things = GroupTable.Of(Group).Things, least = GroupTable.Of(Group).Moving(2).Count > 1 ? 2 : 3;
        Require(MostMoved is null || MostMoved >= least && MostMoved <= things, "number of things that a token moves at most", MostMoved ?? 0, $"{least} to {things} in {Group}, or none for any");
        Require(Length >= 1, "length", Length, "at least 1 token");
        Require(Unasked >= 0 && Unasked < Length, "number of tokens without a question", Unasked, $"0 to {Length - 1}, fewer than the length");
    }

    private protected override void Write(RandomNumbers random, Span<long> tokens, Span<long> targets)
    {
        var group = GroupTable.Of(Group);
        var factors = group.Moving(MostMoved ?? group.Things);
        int product = 0;
        for (int at = 0; at < tokens.Length; at++)
        {
            int element = factors[random.Below(factors.Count)];
            product = group.Product(product, element);
            tokens[at] = element;
            if (at >= Unasked) targets[at] = product;
        }
    }
}

/// <summary>Groups of permutations, by their usual names.</summary>
public enum PermutationGroup
{
    /// <summary>The two permutations of two things: addition of bits. Two elements.</summary>
    Z2,

    /// <summary>All permutations of three things: the smallest group in which the order of factors counts. Six elements.</summary>
    S3,

    /// <summary>The even permutations of five things: the smallest group that is not solvable. Sixty elements.</summary>
    A5,

    /// <summary>All permutations of five things. Not solvable; 120 elements.</summary>
    S5,
}
