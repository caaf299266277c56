using System.Runtime.InteropServices;

namespace Memory.Gen.Training.Metrics;

/// <summary>
/// A language model that counts: the probability of a byte after the n bytes before it, interpolated down to shorter contexts with
/// Witten-Bell weights (Witten and Bell 1991) and at last to 1/256. Counts come from the training text alone.
/// <c>p_n(b | c) = (count(c b) + distinct(c) p_{n-1}(b | c')) / (count(c) + distinct(c))</c>, c' = c without its first byte; a context never
/// seen passes p_{n-1} on.
/// </summary>
public sealed class CountModel
{
    /// <summary>The longest context that a model can have, in bytes.</summary>
    public const int LargestOrder = 7;

    private readonly Dictionary<ulong, int>[] pairs;
    private readonly Dictionary<ulong, (int Total, int Distinct)>[] contexts;

    private CountModel(int order)
    {
        pairs = new Dictionary<ulong, int>[order + 1];
        contexts = new Dictionary<ulong, (int, int)>[order + 1];
    }

    /// <summary>Bytes of context.</summary>
    public int Order => pairs.Length - 1;

    /// <summary>Counts the documents; no context reaches over the beginning of one.</summary>
    /// <param name="documents">UTF-8 texts.</param>
    /// <param name="order">Bytes of context, 0 to <see cref="LargestOrder"/>.</param>
    /// <exception cref="ArgumentOutOfRangeException">There is no such order.</exception>
    public static CountModel Train(IReadOnlyList<byte[]> documents, int order)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(order);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(order, LargestOrder);
        var model = new CountModel(order);
        Parallel.For(0, order + 1, n => model.Count(documents, order - n));
        return model;
    }

    /// <summary>
    /// Cost of texts in bits a byte under contexts of 0, 1, ... bytes: element n is what the model of order n costs.
    /// </summary>
    /// <param name="documents">UTF-8 texts that are not among the training texts.</param>
    /// <exception cref="ArgumentException">The documents are empty.</exception>
    public double[] BitsPerByte(IReadOnlyList<byte[]> documents)
    {
        long bytes = documents.Sum(d => (long)d.Length);
        if (bytes == 0) throw new ArgumentException("There is no text to measure.", nameof(documents));
        var bits = new double[Order + 1];
        Span<double> p = stackalloc double[Order + 1];
        foreach (byte[] document in documents)
        {
            ulong history = 0;
            for (int i = 0; i < document.Length; i++)
            {
                Probabilities(history, Math.Min(i, Order), document[i], p);
                for (int n = 0; n <= Order; n++) bits[n] -= Math.Log2(p[n]);
                history = history << 8 | document[i];
            }
        }
        return Array.ConvertAll(bits, b => b / bytes);
    }

    /// <summary>The probability of a byte after the end of a context.</summary>
    /// <param name="context">The bytes before it; the last <see cref="Order"/> count.</param>
    /// <param name="next">The byte.</param>
    public double Probability(ReadOnlySpan<byte> context, byte next)
    {
        context = context[Math.Max(0, context.Length - Order)..];
        ulong history = 0;
        foreach (byte b in context) history = history << 8 | b;
        Span<double> p = stackalloc double[Order + 1];
        Probabilities(history, context.Length, next, p);
        return p[Order];
    }

    private void Probabilities(ulong history, int length, byte next, Span<double> p)
    {
        double shorter = 1.0 / 256;
        for (int n = 0; n <= Order; n++)
        {
            ulong context = history & Mask(n);
            if (n <= length && contexts[n].TryGetValue(context, out var seen))
            {
                pairs[n].TryGetValue(context << 8 | next, out int count);
                shorter = (count + seen.Distinct * shorter) / (seen.Total + seen.Distinct);
            }
            p[n] = shorter;
        }
    }

    private void Count(IReadOnlyList<byte[]> documents, int n)
    {
        var pair = new Dictionary<ulong, int>();
        var context = new Dictionary<ulong, (int Total, int Distinct)>();
        ulong mask = Mask(n);
        foreach (byte[] document in documents)
        {
            ulong history = 0;
            for (int i = 0; i < document.Length; i++)
            {
                if (i >= n)
                {
                    ulong key = history & mask;
                    ref int count = ref CollectionsMarshal.GetValueRefOrAddDefault(pair, key << 8 | document[i], out bool seen);
                    count++;
                    ref var total = ref CollectionsMarshal.GetValueRefOrAddDefault(context, key, out _);
                    total = (total.Total + 1, total.Distinct + (seen ? 0 : 1));
                }
                history = history << 8 | document[i];
            }
        }
        (pairs[n], contexts[n]) = (pair, context);
    }

    private static ulong Mask(int n) => n == 0 ? 0 : ulong.MaxValue >> (64 - 8 * n);
}
