using TorchSharp;
using static TorchSharp.torch;
using Tensor = TorchSharp.torch.Tensor;

namespace Memory.Gen.Runtime.Operators;

/// <summary>Which tokens of a call make up which sequence.</summary>
/// <remarks>
/// A token that belongs to no sequence is as if it were not there: it changes no state, its output and its gradients are 0,
/// and a NaN in it stays in it. A sequence without tokens keeps its initial state. The tensor is read when the segments are
/// made and may go afterwards; the operator that gets the segments checks them against its inputs.
/// </remarks>
public sealed class Segments
{
    // At most one of them is not null, and neither is when the dtype is wrong.
    private readonly long[]? numbers;
    private readonly bool[]? skip;

    private Segments(SegmentKind kind, Tensor tensor, string argument)
    {
        ArgumentNullException.ThrowIfNull(tensor, argument);
        if (tensor.IsInvalid) throw new ArgumentException($"{argument} was disposed.", argument);
        (Kind, Argument, Dtype, Device, Shape) = (kind, argument, tensor.dtype, tensor.device, tensor.shape);
        if (Dtype != Expected || tensor.device_type == DeviceType.META) return;
        using var scope = NewDisposeScope();
        Tensor host = tensor.cpu().contiguous().view(-1);
        if (kind == SegmentKind.Skip) skip = host.data<bool>().ToArray();
        else numbers = host.data<long>().ToArray();
    }

    internal SegmentKind Kind { get; }

    /// <summary>The name of the tensor that they were made from.</summary>
    internal string Argument { get; }

    internal ScalarType Dtype { get; }

    internal Device Device { get; }

    internal long[] Shape { get; }

    internal ScalarType Expected => Kind == SegmentKind.Skip ? ScalarType.Bool : ScalarType.Int64;

    /// <summary>Sequences one after the other in one row, such as documents: inputs <c>[1, T, ...]</c>, states <c>[N, ...]</c>.</summary>
    /// <param name="offsets">Where each begins, and T: int64 <c>[N + 1]</c>, from 0 to T, not decreasing; equal neighbours are a sequence without tokens.</param>
    /// <exception cref="ArgumentException"><paramref name="offsets"/> is null or was disposed.</exception>
    public static Segments Packed(Tensor offsets) => new(SegmentKind.Packed, offsets, nameof(offsets));

    /// <summary>Rows that end in padding: inputs <c>[B, T, ...]</c>, states <c>[B, ...]</c>.</summary>
    /// <param name="lengths">Leading tokens of each row that count: int64 <c>[B]</c>, 0 to T.</param>
    /// <exception cref="ArgumentException"><paramref name="lengths"/> is null or was disposed.</exception>
    public static Segments Lengths(Tensor lengths) => new(SegmentKind.Lengths, lengths, nameof(lengths));

    /// <summary>Rows with tokens to pass over, anywhere: inputs <c>[B, T, ...]</c>, states <c>[B, ...]</c>.</summary>
    /// <param name="skip">True where a token is as if it were not there: bool <c>[B, T]</c>.</param>
    /// <exception cref="ArgumentException"><paramref name="skip"/> is null or was disposed.</exception>
    public static Segments Skip(Tensor skip) => new(SegmentKind.Skip, skip, nameof(skip));

    /// <summary>What is wrong with the numbers for rows of <paramref name="T"/> tokens, as found and expected; null when nothing is.</summary>
    internal string? Problem(long T)
    {
        if (Kind == SegmentKind.Skip || numbers is null) return null;
        if (Kind == SegmentKind.Lengths)
        {
            int row = Array.FindIndex(numbers, length => length < 0 || length > T);
            return row < 0 ? null : $"has {numbers[row]} for row {row}; expected 0 to {T}, the tokens of a row";
        }

        int last = numbers.Length - 1, falls = Enumerable.Range(0, last).FirstOrDefault(n => numbers[n + 1] < numbers[n], -1);
        return numbers[0] != 0 ? $"begins with {numbers[0]}; expected 0"
            : numbers[last] != T ? $"ends with {numbers[last]}; expected {T}, the tokens of the row"
            : falls >= 0 ? $"falls from {numbers[falls]} to {numbers[falls + 1]} at {falls + 1}; expected numbers that do not decrease"
            : null;
    }

    /// <summary>The tokens of rows of <paramref name="T"/> tokens that count, sequence by sequence.</summary>
    internal SegmentLayout Layout(long B, long T)
    {
        if (Kind == SegmentKind.Packed)
        {
            return new SegmentLayout(B, T, numbers![..^1], [.. numbers!.Skip(1).Zip(numbers!, (end, start) => end - start)]);
        }

        if (Kind == SegmentKind.Lengths) return new SegmentLayout(B, T, [.. Enumerable.Range(0, (int)B).Select(row => row * T)], numbers!);

        var counting = new List<long>();
        var lengths = new long[B];
        for (long row = 0; row < B; row++)
        {
            long before = counting.Count;
            for (long token = row * T; token < (row + 1) * T; token++)
            {
                if (!skip![token]) counting.Add(token);
            }

            lengths[row] = counting.Count - before;
        }

        return SegmentLayout.Strewn(B, T, [.. counting], lengths);
    }
}

/// <summary>What a <see cref="Segments"/> was made from.</summary>
internal enum SegmentKind
{
    Packed,
    Lengths,
    Skip,
}
