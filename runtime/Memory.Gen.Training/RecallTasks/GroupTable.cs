using System.Collections.Concurrent;

namespace Memory.Gen.Training.RecallTasks;

/// <summary>The elements of a group of permutations and their products.</summary>
internal sealed class GroupTable
{
    private static readonly ConcurrentDictionary<PermutationGroup, GroupTable> Tables = new();

    private readonly int[,] products;

    // By the number of things: the elements that move as many or fewer.
    private readonly int[][] moving;

    private GroupTable(int things, bool evenOnly)
    {
        int[][] elements = [.. Permutations(things).Where(element => !evenOnly || IsEven(element))];
        (Things, Order) = (things, elements.Length);
        moving = [.. Enumerable.Range(0, things + 1).Select(most => Enumerable.Range(0, Order).Where(e => elements[e].Index().Count(at => at.Index != at.Item) <= most).ToArray())];
        var numbers = Enumerable.Range(0, Order).ToDictionary(i => Key(elements[i]));
        products = new int[Order, Order];
        for (int left = 0; left < Order; left++)
            for (int right = 0; right < Order; right++)
                products[left, right] = numbers[Key(elements[right].Select(i => elements[left][i]))];
    }

    /// <summary>Number of things that are permuted.</summary>
    public int Things { get; }

    /// <summary>Number of elements. They are numbered from 0, the identity, in the lexicographic order of their images.</summary>
    public int Order { get; }

    /// <summary>The table of a group; made once.</summary>
    public static GroupTable Of(PermutationGroup group) => Tables.GetOrAdd(group, static group => group switch
    {
        PermutationGroup.Z2 => new(things: 2, evenOnly: false),
        PermutationGroup.S3 => new(things: 3, evenOnly: false),
        PermutationGroup.A5 => new(things: 5, evenOnly: true),
        PermutationGroup.S5 => new(things: 5, evenOnly: false),
        _ => throw new ArgumentOutOfRangeException(nameof(group), group, $"Expected one of {string.Join(", ", Enum.GetNames<PermutationGroup>())}."),
    });

    /// <summary>The number of the element that does <paramref name="right"/>, then <paramref name="left"/>.</summary>
    public int Product(int left, int right) => products[left, right];

    /// <summary>The elements that move <paramref name="most"/> things or fewer.</summary>
    public IReadOnlyList<int> Moving(int most) => moving[most];

    // Lexicographic: each first image in turn, and behind it the permutations of those that are left.
    private static IEnumerable<int[]> Permutations(int things)
    {
        return Of([.. Enumerable.Range(0, things)]);

        static IEnumerable<int[]> Of(int[] left) =>
            left.Length == 0 ? [[]] : left.SelectMany(first => Of([.. left.Where(each => each != first)]).Select(rest => (int[])[first, .. rest]));
    }

    private static bool IsEven(int[] element) => element.Select((image, i) => element.Skip(i + 1).Count(later => later < image)).Sum() % 2 == 0;

    private static string Key(IEnumerable<int> element) => string.Join(' ', element);
}
