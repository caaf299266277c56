using TorchSharp;
using static TorchSharp.torch;

namespace Memory.Gen.Runtime.Operators;

/// <summary>Softmax over a queue's entries, of which each row has the newest so many.</summary>
public static class NewestSoftmax
{
    /// <summary>Weights of the entries, computed in float32 or wider.</summary>
    /// <param name="scores"><c>[B, Q, N]</c>, the newest entry last.</param>
    /// <param name="counts">How many of the last entries each row has, at least 1; above N counts as N.</param>
    /// <returns><c>[B, Q, N]</c> in the scores' type; 0 where a row has no entry.</returns>
    /// <exception cref="ArgumentException">There is not one count for each row, or one is below 1.</exception>
    public static Tensor Apply(Tensor scores, IReadOnlyList<long> counts)
    {
        long rows = scores.shape[0], entries = scores.shape[2];
        if (counts.Count != rows || counts.Any(count => count < 1))
            throw new ArgumentException($"The scores have {rows} rows; expected as many counts of 1 or more, got [{string.Join(", ", counts)}].", nameof(counts));

        using var scope = NewDisposeScope();
        Tensor wide = scores.to(scores.dtype.Wide());
        if (counts.Any(count => count < entries))
        {
            Tensor first = tensor(counts.Select(count => entries - count).ToArray(), device: scores.device).view(-1, 1, 1);
            wide = wide.masked_fill(arange(entries, dtype: ScalarType.Int64, device: scores.device).lt(first), double.NegativeInfinity);
        }

        return wide.softmax(-1).to(scores.dtype).MoveToOuterDisposeScope();
    }
}
