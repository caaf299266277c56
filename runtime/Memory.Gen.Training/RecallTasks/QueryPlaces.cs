using Memory.Gen.Training.Data;

namespace Memory.Gen.Training.RecallTasks;

/// <summary>
/// The questions of associative recall. Every key is asked once, at an even distance behind the context: distance 2i with weight
/// <c>(i + 1)^(power - 1)</c>, without repetition, the first key drawing first.
/// </summary>
internal static class QueryPlaces
{
    /// <param name="random">Random numbers.</param>
    /// <param name="start">Place of the first possible question.</param>
    /// <param name="power">1 makes all places alike; towards 0, near ones more likely.</param>
    /// <param name="keys">What is asked.</param>
    /// <param name="values">The answers.</param>
    /// <param name="tokens">Gets the keys.</param>
    /// <param name="targets">Gets the values, at the keys' places.</param>
    public static void Write(RandomNumbers random, int start, double power, int[] keys, int[] values, Span<long> tokens, Span<long> targets)
    {
        double[] weights = [.. Enumerable.Range(1, (tokens.Length - start) / 2).Select(i => Math.Pow(i, power - 1))];
        int[] places = random.Choose(weights, keys.Length);
        for (int i = 0; i < keys.Length; i++)
        {
            tokens[start + 2 * places[i]] = keys[i];
            targets[start + 2 * places[i]] = values[i];
        }
    }
}
