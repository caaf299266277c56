using Memory.Gen.Training.Data;

namespace Memory.Gen.Training.Metrics;

/// <summary>
/// What a model's bits a byte stand beside, on the same held-out text. The count models learnt the same training text; the compressors see
/// the held-out text alone.
/// </summary>
/// <param name="Order3">Count model with 3 bytes of context, bits a byte.</param>
/// <param name="Order4">Count model with 4 bytes of context, bits a byte.</param>
/// <param name="Order5">Count model with 5 bytes of context, bits a byte.</param>
/// <param name="Gzip">gzip at its smallest, bits a byte.</param>
/// <param name="Brotli">Brotli at its smallest, bits a byte.</param>
public sealed record Baselines(double Order3, double Order4, double Order5, double Gzip, double Brotli)
{
    /// <summary>Measures all of them.</summary>
    /// <param name="corpus">The count models learn its training text; all are measured on its held-out text.</param>
    /// <exception cref="ArgumentException">There is no held-out text.</exception>
    public static Baselines Measure(Corpus corpus)
    {
        byte[][] validation = [.. corpus.Validation.Select(d => d.ToBytes())];
        double[] orders = CountModel.Train([.. corpus.Training.Select(d => d.ToBytes())], 5).BitsPerByte(validation);
        byte[] text = [.. validation.SelectMany(d => d)];
        return new Baselines(orders[3], orders[4], orders[5], Compression.GzipBitsPerByte(text), Compression.BrotliBitsPerByte(text));
    }
}
