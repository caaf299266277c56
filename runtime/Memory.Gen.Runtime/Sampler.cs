namespace Memory.Gen.Runtime;

/// <summary>Chooses a token from logits: temperature, then top-k, then top-p, then a draw.</summary>
internal sealed class Sampler(GenerationOptions options)
{
    private ulong random = unchecked((ulong)options.Seed);

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

        var weights = new double[logits.Length];
        var order = new int[logits.Length];
        for (int i = 0; i < logits.Length; i++)
        {
            weights[i] = double.IsNaN(logits[i]) ? 0 : Math.Exp((logits[i] - logits[likeliest]) / options.Temperature);
            order[i] = i;
        }
        int kept = logits.Length;
        if (options.TopK > 0 || options.TopP < 1)
        {
            Array.Sort(weights, order);
            Array.Reverse(weights);
            Array.Reverse(order);
            if (options.TopK > 0)
                kept = Math.Min(kept, options.TopK);
            kept = Nucleus(weights.AsSpan(0, kept), options.TopP);
        }
        return order[Draw(weights.AsSpan(0, kept))];
    }

    private static int Nucleus(ReadOnlySpan<double> weights, double share)
    {
        double limit = share * Sum(weights), sum = 0;
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
