using System.Collections;

namespace TorchSharp.Utils;

/// <summary>The elements of a CPU tensor in row-major order, whatever its strides. Reads and writes go to the tensor's memory.</summary>
public sealed unsafe class TensorAccessor<T> : IDisposable, IEnumerable<T> where T : unmanaged
{
    private readonly bool owned;
    private readonly long[] shape;
    private readonly long[] strides;
    private readonly bool contiguous;
    private torch.Tensor? tensor;
    private T* start;

    internal TensorAccessor(torch.Tensor tensor, bool owned)
    {
        this.tensor = tensor;
        this.owned = owned;
        shape = tensor.shape;
        strides = tensor.stride();
        contiguous = tensor.is_contiguous();
        Count = tensor.numel();
        start = Count == 0 ? null : (T*)tensor.Pointer();
    }

    public long Count { get; }

    public bool IsReadOnly => false;

    public T this[params long[] indices]
    {
        get => *At(Flat(indices));
        set => *At(Flat(indices)) = value;
    }

    public T[] ToArray()
    {
        // As the package, so that code which runs here runs there.
        if (Count == 0 && shape.Length > 1) throw new ArgumentOutOfRangeException("startingIndex");
        var result = new T[Count];
        CopyTo(result.AsSpan());
        return result;
    }

    public void CopyTo(T[] array, int arrayIndex = 0, long tensorIndex = 0) => CopyTo(array.AsSpan(), arrayIndex, tensorIndex);

    public void CopyTo(Span<T> array, int arrayIndex = 0, long tensorIndex = 0)
    {
        Span<T> target = array[arrayIndex..];
        long count = Math.Min(target.Length, Count - tensorIndex);
        if (contiguous && count > 0)
        {
            new ReadOnlySpan<T>(At(tensorIndex), (int)count).CopyTo(target);
            return;
        }
        for (int k = 0; k < count; k++)
            target[k] = *At(tensorIndex + k);
    }

    public void CopyFrom(T[] array, int arrayIndex = 0, long tensorIndex = 0) => CopyFrom(array.AsSpan(), arrayIndex, tensorIndex);

    public void CopyFrom(ReadOnlySpan<T> array, int arrayIndex = 0, long tensorIndex = 0)
    {
        ReadOnlySpan<T> source = array[arrayIndex..];
        long count = Math.Min(source.Length, Count - tensorIndex);
        for (int k = 0; k < count; k++)
            *At(tensorIndex + k) = source[k];
    }

    public IEnumerator<T> GetEnumerator()
    {
        for (long k = 0; k < Count; k++)
            yield return this[k];
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    public void Dispose()
    {
        if (owned)
            tensor?.Dispose();
        tensor = null;
        start = null;
    }

    private T* At(long index)
    {
        ObjectDisposedException.ThrowIf(tensor is null, this);
        _ = tensor.Handle;
        if ((ulong)index >= (ulong)Count)
            throw new IndexOutOfRangeException($"Element {index} of {Count} does not exist.");
        if (contiguous)
            return start + index;
        long offset = 0;
        for (int axis = shape.Length - 1; axis >= 0; axis--)
        {
            (index, long at) = Math.DivRem(index, shape[axis]);
            offset += at * strides[axis];
        }
        return start + offset;
    }

    private long Flat(long[] indices)
    {
        if (indices.Length == 1)
            return indices[0];
        if (indices.Length != shape.Length)
            throw new ArgumentException($"{indices.Length} indices were given for a tensor of {shape.Length} axes.", nameof(indices));
        long flat = 0;
        for (int axis = 0; axis < shape.Length; axis++)
        {
            if ((ulong)indices[axis] >= (ulong)shape[axis])
                throw new IndexOutOfRangeException($"Index {indices[axis]} lies outside axis {axis} of length {shape[axis]}.");
            flat = flat * shape[axis] + indices[axis];
        }
        return flat;
    }
}
