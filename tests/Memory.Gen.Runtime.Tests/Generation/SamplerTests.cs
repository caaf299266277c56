using TorchSharp;
using Xunit;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Tests.Generation;

/// <summary>Which tokens may be drawn, and how often, by the definitions: everything sorted, nothing left out on the way.</summary>
public sealed class SamplerTests
{
    private const int Draws = 20_000;

    [Theory]
    [InlineData(0, 1.0)]
    [InlineData(1, 1.0)]
    [InlineData(7, 1.0)]
    [InlineData(99, 1.0)]
    [InlineData(100, 1.0)]
    [InlineData(1000, 1.0)]
    [InlineData(0, 0.05)]
    [InlineData(0, 0.5)]
    [InlineData(0, 0.95)]
    [InlineData(0, 0.999999)]
    [InlineData(40, 0.9)]
    [InlineData(3, 0.01)]
    public void ATokenIsDrawnAsTheDefinitionSays(int topK, double topP)
    {
        var random = new Random(5);
        foreach (double spread in new[] { 0, 0.5, 3, 2000 })
        {
            var options = new GenerationOptions { TopK = topK, TopP = topP, Temperature = 0.7 };
            // One sampler for all, as in a text: nothing of a token stays for the next.
            var sampler = new Sampler(options with { Seed = 9 });
            var counts = new Dictionary<long, int>();
            double[] logits = [.. Enumerable.Range(0, 100).Select(i => spread * (random.NextDouble() + random.NextDouble() - 1) + (1e-12 * i))];
            (long Token, double Share)[] allowed = Allowed(logits, options);
            for (int i = 0; i < Draws; i++)
            {
                long token = sampler.Choose(logits);
                counts[token] = counts.GetValueOrDefault(token) + 1;
            }

            // A token that is allowed once in 400 times comes within 20,000 draws.
            Assert.Subset(allowed.Select(each => each.Token).ToHashSet(), counts.Keys.ToHashSet());
            Assert.Superset(allowed.Where(each => each.Share > 1.0 / 400).Select(each => each.Token).ToHashSet(), counts.Keys.ToHashSet());
            foreach ((long token, double share) in allowed)
            {
                double deviation = Math.Sqrt(share * (1 - share) / Draws);
                Assert.InRange(counts.GetValueOrDefault(token) / (double)Draws, share - (6 * deviation) - 0.0005, share + (6 * deviation) + 0.0005);
            }
        }
    }

    [Fact]
    public void WhatIsNoNumberOrImpossibleIsNeverDrawn()
    {
        double[] logits = [double.NaN, 1, double.NegativeInfinity, 2, double.NaN];
        foreach (var options in new[] { new GenerationOptions(), new GenerationOptions { TopK = 4 }, new GenerationOptions { TopP = 0.9999 }, new GenerationOptions { TopK = 3, TopP = 0.9999 }, new GenerationOptions { Temperature = 1e-300 } })
        {
            var sampler = new Sampler(options);
            for (int i = 0; i < 200; i++) Assert.Contains(sampler.Choose(logits), new[] { 1L, 3 });
        }

        Assert.Throws<ArithmeticException>(() => new Sampler(new()).Choose([double.NaN, double.NaN]));
        Assert.Throws<ArithmeticException>(() => new Sampler(new()).Choose([double.PositiveInfinity, 0]));
        Assert.Throws<ArithmeticException>(() => new Sampler(new()).Choose([]));
    }

    [Fact]
    public void OfEqualTokensAsManyAreKeptAsWereAskedFor()
    {
        var sampler = new Sampler(new GenerationOptions { TopK = 3 });
        double[] logits = [.. Enumerable.Range(0, 20).Select(i => i == 4 ? 1.0 : 0)];
        HashSet<long> drawn = [.. Enumerable.Range(0, 500).Select(_ => sampler.Choose(logits))];
        Assert.Equal(3, drawn.Count);
        Assert.Contains(4L, drawn);
    }

    [Fact]
    public void ARowOfLogitsIsATensorOfAnyFloatingType()
    {
        using var scope = NewDisposeScope();
        var sampler = new Sampler(new GenerationOptions { Temperature = 0 });
        Tensor logits = tensor(new[,] { { 0f, 3, 1 }, { 5, 0, 9 } });
        foreach (ScalarType dtype in new[] { ScalarType.Float32, ScalarType.Float64, ScalarType.BFloat16 })
        {
            Assert.Equal(1, sampler.Choose(logits.to(dtype)[0]));
            Assert.Equal(2, sampler.Choose(logits.to(dtype)[1]));
            Assert.Equal(0, sampler.Choose(logits.t().contiguous().t().to(dtype).select(1, 1).narrow(0, 0, 1)));
        }

        Assert.StartsWith("logits is Float32 [2, 3]; expected one row of a floating type, [VocabSize].", Assert.Throws<ArgumentException>(() => sampler.Choose(logits)).Message);
        Assert.StartsWith("logits is Int64 [3]", Assert.Throws<ArgumentException>(() => sampler.Choose(zeros(3, dtype: ScalarType.Int64))).Message);
        Assert.Throws<ArgumentOutOfRangeException>(() => new Sampler(new GenerationOptions { TopP = 0 }));
        Assert.Throws<ArgumentNullException>(() => new Sampler(null!));
    }

    private static (long Token, double Share)[] Allowed(double[] logits, GenerationOptions options)
    {
        var sorted = logits.Select((logit, i) => (Token: (long)i, Weight: Math.Exp((logit - logits.Max()) / options.Temperature)))
            .OrderByDescending(each => each.Weight).Take(options.TopK > 0 ? options.TopK : logits.Length).ToArray();
        double limit = options.TopP * sorted.Sum(each => each.Weight), sum = 0;
        int kept = 0;
        while (kept < sorted.Length && sum < limit) sum += sorted[kept++].Weight;
        return [.. sorted.Take(kept).Select(each => (each.Token, each.Weight / sum))];
    }
}
