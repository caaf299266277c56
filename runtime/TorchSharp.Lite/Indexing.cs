using System.Runtime.CompilerServices;
using TorchSharp.Native;

namespace TorchSharp;

public static partial class torch
{
    /// <summary>One entry of a subscript: a number, a slice, None, an ellipsis, a boolean, or a tensor of indices.</summary>
    public readonly struct TensorIndex
    {
        private const long NoneKind = 0, EllipsisKind = 1, SingleKind = 2, BoolKind = 3, SliceKind = 4, TensorKind = 5;
        private const long Absent = long.MinValue;

        private readonly long kind, a, b, c;
        private readonly Tensor? tensor;

        private TensorIndex(long kind, long a = Absent, long b = Absent, long c = Absent, Tensor? tensor = null) =>
            (this.kind, this.a, this.b, this.c, this.tensor) = (kind, a, b, c, tensor);

        /// <summary>The whole axis.</summary>
        public static TensorIndex Colon = new(SliceKind);
        /// <summary>As many whole axes as are left.</summary>
        public static TensorIndex Ellipsis = new(EllipsisKind);
        /// <summary>A new axis of length 1.</summary>
        public static TensorIndex None = new(NoneKind);
        public static TensorIndex Null = new(NoneKind);

        public static TensorIndex Slice(long? start = null, long? stop = null, long? step = null) =>
            new(SliceKind, start ?? Absent, stop ?? Absent, step ?? Absent);

        public static TensorIndex Slice((int?, int?) range) => Slice(range.Item1, range.Item2);

        public static TensorIndex Slice(Range range)
        {
            long start = range.Start.IsFromEnd ? -range.Start.Value : range.Start.Value;
            long? stop = !range.End.IsFromEnd ? range.End.Value : range.End.Value == 0 ? null : -range.End.Value;
            return range.Start is { IsFromEnd: true, Value: 0 } ? Slice(0, 0) : Slice(start, stop);
        }

        public static TensorIndex Bool(bool value) => new(BoolKind, value ? 1 : 0);

        public static TensorIndex Single(long? index) => index is { } at ? new(SingleKind, at) : None;

        public static TensorIndex Tensor(Tensor tensor)
        {
            ArgumentNullException.ThrowIfNull(tensor);
            return new(TensorKind, tensor: tensor);
        }

        public static implicit operator TensorIndex(long value) => Single(value);
        public static implicit operator TensorIndex((int?, int?) range) => Slice(range);
        public static implicit operator TensorIndex(Range range) => Slice(range);
        public static implicit operator TensorIndex(Index index) => Single(index.IsFromEnd ? -index.Value : index.Value);

        public static implicit operator Tensor(TensorIndex value) => value.tensor
            ?? throw new InvalidCastException("Only a subscript made from a tensor is one.");

        internal static TensorIndex[] Of(Tensor[] tensors) => Array.ConvertAll(tensors, Tensor);

        internal Subscript Native() => new() { Kind = kind, A = a, B = b, C = c, Tensor = torch.Tensor.HandleOf(tensor) };

        /// <summary>The tensor of indices; null for a whole axis; anything else has none.</summary>
        internal bool AsTensorOrColon(out Tensor? index)
        {
            index = tensor;
            return kind == TensorKind || (kind == SliceKind && a == Absent && b == Absent && c == Absent);
        }
    }

    public unsafe partial class Tensor
    {
        public Tensor index(params TensorIndex[] indices) => Read(indices);
        public Tensor index(params Tensor[] indices) => Read(TensorIndex.Of(indices));

        private Tensor Read(ReadOnlySpan<TensorIndex> indices)
        {
            Subscript* native = stackalloc Subscript[Require(indices.Length)];
            for (int k = 0; k < indices.Length; k++)
                native[k] = indices[k].Native();
            Tensor result = Made(LibTorch.lt_index(Handle, native, indices.Length), this);
            KeepAlive(indices);
            return result;
        }

        private Tensor Write(ReadOnlySpan<TensorIndex> indices, Tensor value)
        {
            Subscript* native = stackalloc Subscript[Require(indices.Length)];
            for (int k = 0; k < indices.Length; k++)
                native[k] = indices[k].Native();
            Changed(LibTorch.lt_index_put_(Handle, native, indices.Length, value.Handle), value);
            KeepAlive(indices);
            return this;
        }

        private Tensor Write(ReadOnlySpan<TensorIndex> indices, Scalar value)
        {
            Subscript* native = stackalloc Subscript[Require(indices.Length)];
            for (int k = 0; k < indices.Length; k++)
                native[k] = indices[k].Native();
            Changed(LibTorch.lt_index_put_scalar_(Handle, native, indices.Length, value));
            KeepAlive(indices);
            return this;
        }

        private static int Require(int entries) => entries <= 64
            ? entries
            : throw new ArgumentException($"A subscript of {entries} entries; libtorch tensors have at most 64 axes.");

        [MethodImpl(MethodImplOptions.NoInlining)]
        private static void KeepAlive(ReadOnlySpan<TensorIndex> indices)
        {
        }

        public Tensor index_put_(Tensor value, params TensorIndex[] indices) => Write(indices, value);
        public Tensor index_put_(Tensor value, params Tensor[] indices) => Write(TensorIndex.Of(indices), value);
        public Tensor index_put_(Scalar value, params TensorIndex[] indices) => Write(indices, value);
        public Tensor index_put_(Scalar value, params Tensor[] indices) => Write(TensorIndex.Of(indices), value);

        public Tensor index_put_(Tensor value, TensorIndex[] indices, bool accumulate = false)
        {
            if (!accumulate)
                return Write(indices, value);
            var tensors = new Tensor?[indices.Length];
            for (int k = 0; k < indices.Length; k++)
            {
                if (!indices[k].AsTensorOrColon(out tensors[k]))
                    throw new NotSupportedException("Adding up takes subscripts of tensors and whole axes only; narrow the tensor first and index the view.");
            }
            return Accumulate(tensors, value);
        }

        public Tensor index_put_(Tensor value, Tensor[] indices, bool accumulate = false) =>
            accumulate ? Accumulate(indices, value) : Write(TensorIndex.Of(indices), value);

        private Tensor Accumulate(Tensor?[] indices, Tensor value)
        {
            nint[] handles = HandlesOf(indices);
            fixed (nint* p = handles)
                return Changed(LibTorch.lt_index_put_tensors_(Handle, p, handles.Length, value.Handle, 1), value, indices);
        }

        [IndexerName("TensorItems")]
        public Tensor this[params TensorIndex[] indices]
        {
            get => Read(indices);
            set => Write(indices, value);
        }

        [IndexerName("TensorItems")]
        public Tensor this[params Tensor[] indices]
        {
            get => Read(TensorIndex.Of(indices));
            set => Write(TensorIndex.Of(indices), value);
        }

        [IndexerName("TensorItems")]
        public Tensor this[params long[] indices]
        {
            get => Read(Array.ConvertAll(indices, each => (TensorIndex)each));
            set => Write(Array.ConvertAll(indices, each => (TensorIndex)each), value);
        }

        [IndexerName("TensorItems")]
        public Tensor this[long i1]
        {
            get => Read([i1]);
            set => Write([i1], value);
        }

        [IndexerName("TensorItems")]
        public Tensor this[long i1, long i2]
        {
            get => Read([i1, i2]);
            set => Write([i1, i2], value);
        }

        [IndexerName("TensorItems")]
        public Tensor this[long i1, long i2, long i3]
        {
            get => Read([i1, i2, i3]);
            set => Write([i1, i2, i3], value);
        }

        [IndexerName("TensorItems")]
        public Tensor this[long i1, long i2, long i3, long i4]
        {
            get => Read([i1, i2, i3, i4]);
            set => Write([i1, i2, i3, i4], value);
        }

        [IndexerName("TensorItems")]
        public Tensor this[long i1, long i2, long i3, long i4, long i5]
        {
            get => Read([i1, i2, i3, i4, i5]);
            set => Write([i1, i2, i3, i4, i5], value);
        }

        [IndexerName("TensorItems")]
        public Tensor this[long i1, long i2, long i3, long i4, long i5, long i6]
        {
            get => Read([i1, i2, i3, i4, i5, i6]);
            set => Write([i1, i2, i3, i4, i5, i6], value);
        }
    }
}
