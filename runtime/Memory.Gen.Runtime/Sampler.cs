using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime;

/// <summary>
/// Chooses a token from logits: temperature, then top-k, then top-p, then a draw. For loops of your own, such as a batch of
/// conversations; <see cref="Generation.Generate"/> has one. Every conversation has its own. Not for two threads at once.
/// </summary>
public sealed class Sampler
{
    private readonly GenerationOptions options;
    private readonly PriorityQueue<double, double> largest = new();
    private ulong random;
    private double[] logits = [], weights = [];
    private int[] tokens = [];

    /// <param name="options">How tokens are chosen, and the seed of the draws.</param>
    /// <exception cref="ArgumentOutOfRangeException">An option is out of range.</exception>
    public Sampler(GenerationOptions options)
    {
        ArgumentNullException.ThrowIfNull(options);
        options.Check();
        this.options = options;
        random = unchecked((ulong)options.Seed);
    }

    /// <summary>Chooses the next token of one row.</summary>
    /// <param name="logits"><c>[VocabSize]</c>, of any floating type, on any device.</param>
    /// <exception cref="ArgumentException">It is something else.</exception>
    /// <exception cref="ArithmeticException">The largest logit is not finite.</exception>
    public long Choose(Tensor logits)
    {
        ArgumentNullException.ThrowIfNull(logits);
        if (logits.dim() != 1 || !logits.is_floating_point())
            throw new ArgumentException($"logits is {logits.dtype} [{string.Join(", ", logits.shape)}]; expected one row of a floating type, [VocabSize].", nameof(logits));
        return Choose(this.logits = ToHost(logits, this.logits));
    }

    /// <summary>Chooses the next token of one row.</summary>
    /// <param name="logits">As many as symbols.</param>
    /// <exception cref="ArithmeticException">The largest logit is not finite.</exception>
    public long Choose(ReadOnlySpan<double> logits)
    {
        int likeliest = -1;
        for (int i = 0; i < logits.Length; i++)
            if (!double.IsNaN(logits[i]) && (likeliest < 0 || logits[i] > logits[likeliest]))
                likeliest = i;
        if (likeliest < 0 || !double.IsFinite(logits[likeliest]))
            throw new ArithmeticException("The model's logits are not finite, so no token can be chosen; its weights are damaged or training diverged.");
        if (options.Temperature == 0)
            return likeliest;

        if (weights.Length < logits.Length)
            (weights, tokens) = (new double[logits.Length], new int[logits.Length]);
        bool some = options.TopK > 0 && options.TopK < logits.Length;
        double least = some ? KthLargest(logits, options.TopK) : double.NegativeInfinity;
        int count = 0;
        for (int i = 0; i < logits.Length; i++)
            if (logits[i] >= least) // false where it is no number
                (weights[count], tokens[count++]) = (Math.Exp((logits[i] - logits[likeliest]) / options.Temperature), i);
        if (some)
            count = Math.Min(Sort(count), options.TopK);
        if (options.TopP < 1)
        {
            double sum = Sum(weights.AsSpan(0, count));
            if (!some)
                count = Sort(WithoutTail(count, sum));
            count = Nucleus(weights.AsSpan(0, count), options.TopP * sum);
        }
        return tokens[Draw(weights.AsSpan(0, count))];
    }

    /// <summary>Numbers of a tensor on the host, in an array that may be used again.</summary>
    internal static double[] ToHost(Tensor values, double[] room)
    {
        using var scope = NewDisposeScope();
        Tensor host = values.to(ScalarType.Float64).cpu().contiguous();
        if (room.Length != host.numel())
            room = new double[host.numel()];
        host.data<double>().CopyTo(room);
        return room;
    }

    private double KthLargest(ReadOnlySpan<double> logits, int k)
    {
        largest.Clear();
        foreach (double logit in logits)
            if (double.IsNaN(logit))
                continue;
            else if (largest.Count < k)
                largest.Enqueue(logit, logit);
            else if (logit > largest.Peek())
                largest.DequeueEnqueue(logit, logit);
        return largest.Peek();
    }

    // To sort a large vocabulary takes longer than to run a small model. Tokens below the mean of the probability that may be left
    // out have, all together, no more of it, so the nucleus is among the others.
    private int WithoutTail(int count, double sum)
    {
        double least = (1 - options.TopP) * sum / count;
        int kept = 0;
        for (int i = 0; i < count; i++)
            if (weights[i] >= least)
                (weights[kept], tokens[kept++]) = (weights[i], tokens[i]);
        return kept;
    }

    // The likeliest first.
    private int Sort(int count)
    {
        Array.Sort(weights, tokens, 0, count);
        Array.Reverse(weights, 0, count);
        Array.Reverse(tokens, 0, count);
        return count;
    }

    private static int Nucleus(ReadOnlySpan<double> weights, double limit)
    {
        double sum = 0;
        for (int i = 0; i < weights.Length; i++)
        {
            sum += weights[i];
            if (sum >= limit)
                return i + 1;
        }
        return weights.Length;
    }

    private int Draw(ReadOnlySpan<double> weights)
    {
        double target = Uniform() * Sum(weights), sum = 0;
        int last = 0;
        for (int i = 0; i < weights.Length; i++)
        {
            if (weights[i] == 0)
                continue;
            last = i;
            sum += weights[i];
            if (sum > target)
                return i;
        }
        return last;
    }

    private static double Sum(ReadOnlySpan<double> values)
    {
        double sum = 0;
        foreach (double value in values)
            sum += value;
        return sum;
    }

    // SplitMix64 (Steele, Lea, Flood 2014): the sequence of a seed is part of what this library promises.
    private double Uniform()
    {
        unchecked
        {
            random += 0x9E3779B97F4A7C15;
            ulong z = random;
            z = (z ^ (z >> 30)) * 0xBF58476D1CE4E5B9;
            z = (z ^ (z >> 27)) * 0x94D049BB133111EB;
            return ((z ^ (z >> 31)) >> 11) * (1.0 / (1UL << 53));
        }
    }
}
