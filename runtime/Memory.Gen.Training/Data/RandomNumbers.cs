namespace Memory.Gen.Training.Data;

/// <summary>
/// Random numbers that a seed gives everywhere, whatever the runtime's own are: SplitMix64 (Steele, Lea and Flood: Fast Splittable
/// Pseudorandom Number Generators, OOPSLA 2014).
/// </summary>
internal sealed class RandomNumbers(ulong seed)
{
    private const ulong Golden = 0x9E3779B97F4A7C15;

    private ulong state = seed;

    /// <summary>Spreads a number over all 64 bits: numbers that differ a little give results that have nothing in common.</summary>
    public static ulong Mix(ulong x)
    {
        x += Golden;
        x = (x ^ (x >> 30)) * 0xBF58476D1CE4E5B9;
        x = (x ^ (x >> 27)) * 0x94D049BB133111EB;
        return x ^ (x >> 31);
    }

    /// <summary>A whole number from 0 to below <paramref name="limit"/>.</summary>
    public int Below(int limit) => (int)Math.BigMul(Next(), (ulong)limit, out _);

    /// <summary>A whole number from <paramref name="low"/> to below <paramref name="high"/>.</summary>
    public int Between(int low, int high) => low + Below(high - low);

    /// <summary>A number in (0, 1).</summary>
    public double Unit() => ((Next() >> 11) + 0.5) / (1UL << 53);

    /// <summary>Different whole numbers from <paramref name="low"/> to below <paramref name="high"/>, in random order.</summary>
    public int[] Choose(int low, int high, int count)
    {
        // The first places of a shuffle; places that nothing was swapped into hold their own number.
        var moved = new Dictionary<int, int>();
        var chosen = new int[count];
        for (int i = 0; i < count; i++)
        {
            int other = Between(low + i, high);
            chosen[i] = moved.GetValueOrDefault(other, other);
            moved[other] = moved.GetValueOrDefault(low + i, low + i);
        }
        return chosen;
    }

    /// <summary>
    /// Different indices of <paramref name="weights"/>, drawn one after the other with these weights among those that are left.
    /// The smallest of exponential waiting times do that in one go (Efraimidis and Spirakis, 2006).
    /// </summary>
    public int[] Choose(IReadOnlyList<double> weights, int count)
    {
        var waits = new double[weights.Count];
        for (int i = 0; i < waits.Length; i++) waits[i] = -Math.Log(Unit()) / weights[i];
        int[] order = [.. Enumerable.Range(0, waits.Length)];
        Array.Sort(waits, order);
        return order[..count];
    }

    private ulong Next()
    {
        ulong next = Mix(state);
        state += Golden;
        return next;
    }
}
