using System.Text;
using Memory.Gen.Training.Metrics;
using Xunit;

namespace Memory.Gen.Runtime.Tests.Training;

public class MetricsTests
{
    private static byte[] Bytes(string text) => Encoding.UTF8.GetBytes(text);

    [Fact]
    public void WittenBellByHand()
    {
        // "abab": order 0 counts a 2, b 2 of 4, 2 distinct. After a: b 2 of 2, 1 distinct. After b: a 1 of 1, 1 distinct.
        var model = CountModel.Train([Bytes("abab")], 1);
        double zeroA = (2 + 2 * (1 / 256.0)) / (4 + 2), zeroB = zeroA, zeroC = 2 * (1 / 256.0) / (4 + 2);

        Assert.Equal((2 + 1 * zeroB) / (2 + 1), model.Probability("a"u8, (byte)'b'), 15);
        Assert.Equal((1 + 1 * zeroA) / (1 + 1), model.Probability("b"u8, (byte)'a'), 15);
        Assert.Equal(1 * zeroC / (2 + 1), model.Probability("a"u8, (byte)'c'), 15);
        Assert.Equal(zeroC, model.Probability("c"u8, (byte)'c'), 15);
    }

    [Fact]
    public void BitsPerByteIsTheMeanCostByOrder()
    {
        var model = CountModel.Train([Bytes("abab"), Bytes("ba")], 2);
        double[] bits = model.BitsPerByte([Bytes("abc"), Bytes("b")]);

        double expected = -(Math.Log2(model.Probability("", "a")) + Math.Log2(model.Probability("a", "b"))
            + Math.Log2(model.Probability("ab", "c")) + Math.Log2(model.Probability("", "b"))) / 4;
        Assert.Equal(expected, bits[2], 12);
        Assert.Equal(3, bits.Length);
    }

    [Fact]
    public void ProbabilitiesOfAllBytesSumToOne()
    {
        var model = CountModel.Train([Bytes("the cat sat on the mat. the end.")], 5);
        foreach (string context in new[] { "", "t", "the ", "sat on", "zzzzz", "e en" })
            Assert.Equal(1, Enumerable.Range(0, 256).Sum(b => model.Probability(Bytes(context), (byte)b)), 12);
    }

    [Fact]
    public void CountsDoNotCrossDocuments()
    {
        var apart = CountModel.Train([Bytes("a"), Bytes("b")], 1);
        var together = CountModel.Train([Bytes("ab")], 1);

        Assert.Equal(apart.Probability("", "b"), apart.Probability("a", "b"));
        Assert.NotEqual(together.Probability("", "b"), together.Probability("a", "b"));
    }

    [Fact]
    public void CompressorsCostWhatTheirOutputWeighs()
    {
        var noise = new byte[20_000];
        new Random(1).NextBytes(noise);

        Assert.InRange(Compression.GzipBitsPerByte(noise), 8, 8.1);
        Assert.InRange(Compression.BrotliBitsPerByte(noise), 8, 8.1);
        Assert.InRange(Compression.GzipBitsPerByte(new byte[20_000]), 0.001, 0.1);
        Assert.InRange(Compression.BrotliBitsPerByte(new byte[20_000]), 0.001, 0.1);
    }
}

internal static class CountModelExtensions
{
    public static double Probability(this CountModel model, string context, string next) =>
        model.Probability(Encoding.UTF8.GetBytes(context), Encoding.UTF8.GetBytes(next)[0]);
}
