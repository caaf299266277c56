using TorchSharp.Native;

namespace TorchSharp;

public static partial class torch
{
    public unsafe partial class Tensor
    {
        public Tensor view(params long[] shape) => Shaped(&LibTorch.lt_view, shape);
        public Tensor view_as(Tensor other) => view(other.shape);
        public Tensor reshape(params long[] shape) => Shaped(&LibTorch.lt_reshape, shape);
        public Tensor permute(IEnumerable<long> permutation) => permute(permutation.ToArray());
        public Tensor permute(params long[] permutation) => Shaped(&LibTorch.lt_permute, permutation);
        public Tensor transpose(long dim0, long dim1) => Made(LibTorch.lt_transpose(Handle, dim0, dim1), this);
        public Tensor transpose_(long dim0, long dim1) => Ops.transpose_.Change(this, dim0, dim1);
        public Tensor swapaxes(long dim0, long dim1) => transpose(dim0, dim1);
        public Tensor swapdims(long dim0, long dim1) => transpose(dim0, dim1);
        public Tensor movedim(long[] source, long[] destination) => MoveDim(source, destination);
        public Tensor moveaxis(long[] source, long[] destination) => MoveDim(source, destination);
        public Tensor expand(ReadOnlySpan<long> sizes, bool isImplicit = false) => Expand(sizes, isImplicit);
        public Tensor expand(Size sizes, bool isImplicit = false) => Expand(sizes.Shape, isImplicit);
        public Tensor expand(long[] sizes, bool isImplicit = false) => Expand(sizes, isImplicit);
        public Tensor expand(params long[] sizes) => Expand(sizes, false);
        public Tensor expand_as(Tensor other) => expand(other.shape);
        public Tensor broadcast_to(params long[] shape) => Expand(shape, false);
        public Tensor repeat(params long[] sizes) => Shaped(&LibTorch.lt_repeat, sizes);
        public Tensor repeat_interleave(Tensor repeats, long? dim = null, long? output_size = null) =>
            Ops.repeat_interleave_self_Tensor.Call(this, repeats, dim, output_size);
        public Tensor repeat_interleave(long repeats, long? dim = null, long? output_size = null) => Ops.repeat_interleave_self_int.Call(this, repeats, dim, output_size);
        public Tensor tile(long[] reps) => Ops.tile.Call(this, reps);
        public Tensor flatten(long start_dim = 0, long end_dim = -1) => Made(LibTorch.lt_flatten(Handle, start_dim, end_dim), this);
        public Tensor unflatten(long dim, Size sizes) => Unflatten(dim, sizes.Shape);
        public Tensor unflatten(long dim, params long[] sizes) => Unflatten(dim, sizes);
        public Tensor squeeze(long? dim = null) => Made(LibTorch.lt_squeeze(Handle, dim is null ? 1 : 0, dim ?? 0), this);
        public Tensor squeeze_(long? dim = null) => dim is { } axis ? Ops.squeeze__dim.Change(this, axis) : Ops.squeeze_.Change(this);
        public Tensor unsqueeze(long dim) => Made(LibTorch.lt_unsqueeze(Handle, dim), this);
        public Tensor unsqueeze_(long dim) => Ops.unsqueeze_.Change(this, dim);
        public Tensor ravel() => reshape(-1);
        public Tensor narrow(long dim, long start, long length) => Made(LibTorch.lt_narrow(Handle, dim, start, length), this);
        public Tensor select(long dim, long index) => Made(LibTorch.lt_select(Handle, dim, index), this);
        public Tensor slice(long dim, long start, long finish, long step) => Made(LibTorch.lt_slice(Handle, dim, start, finish, step), this);
        public Tensor unfold(long dimension, long size, long step) => Made(LibTorch.lt_unfold(Handle, dimension, size, step), this);
        public Tensor as_strided(long[] size, long[] strides, long storageOffset = 0) => AsStrided(size, strides, storageOffset);
        public Tensor[] split(ReadOnlySpan<long> sizes, long dim = 0) => SplitSizes(sizes, dim);
        public Tensor[] split(long size, int dim = 0) => List(LibTorch.lt_split(Handle, size, dim), this);
        public Tensor[] split(long[] sizes, long dim = 0) => SplitSizes(sizes, dim);
        public Tensor[] split(params long[] sizes) => SplitSizes(sizes, 0);
        public Tensor[] chunk(long chunks, long dim = 0) => List(LibTorch.lt_chunk(Handle, chunks, dim), this);
        public Tensor[] unbind(long dimension = 0) => List(LibTorch.lt_unbind(Handle, dimension), this);
        public Tensor[] tensor_split(Tensor indices, long dim = 0) => Ops.tensor_split_tensor_indices_or_sections.CallList(this, indices, dim);
        public Tensor[] tensor_split(long size, long dim = 0) => Ops.tensor_split_sections.CallList(this, size, dim);
        public Tensor[] tensor_split(long[] sizes, long dim = 0) => Ops.tensor_split_indices.CallList(this, sizes, dim);
        public Tensor flip(params long[] dims) => Shaped(&LibTorch.lt_flip, dims);
        public Tensor fliplr() => Ops.fliplr.Call(this);
        public Tensor flipud() => Ops.flipud.Call(this);
        public Tensor roll(ReadOnlySpan<long> shifts, ReadOnlySpan<long> dims = default) => Roll(shifts, dims);
        public Tensor roll((long, long, long) shifts, (long, long, long) dims) => Roll([shifts.Item1, shifts.Item2, shifts.Item3], [dims.Item1, dims.Item2, dims.Item3]);
        public Tensor roll((long, long) shifts, (long, long) dims) => Roll([shifts.Item1, shifts.Item2], [dims.Item1, dims.Item2]);
        public Tensor roll(long shifts, long? dims = null) => Roll([shifts], dims is { } axis ? [axis] : []);
        public Tensor roll(long[] shifts) => Roll(shifts, [0]);
        public Tensor roll(long[] shifts, long[] dims) => Roll(shifts, dims);
        public Tensor rot90(long k = 1, (long, long)? dims = null) => Ops.rot90.Call(this, k, dims is { } d ? new[] { d.Item1, d.Item2 } : new[] { 0L, 1L });
        public Tensor tril(long diagonal = 0) => Made(LibTorch.lt_tril(Handle, diagonal), this);
        public Tensor tril_(long diagonal = 0) => Ops.tril_.Change(this, diagonal).alias();
        public Tensor triu(long diagonal = 0) => Made(LibTorch.lt_triu(Handle, diagonal), this);
        public Tensor triu_(long diagonal = 0) => Ops.triu_.Change(this, diagonal).alias();
        public Tensor diag(long diagonal = 0) => Ops.diag.Call(this, diagonal);
        public Tensor diagonal(long offset = 0, long dim1 = 0, long dim2 = 1) => Ops.diagonal.Call(this, offset, dim1, dim2);
        public Tensor diag_embed(long offset = 0, long dim1 = -2, long dim2 = -1) => Ops.diag_embed.Call(this, offset, dim1, dim2);
        public Tensor diagflat(long offset = 0) => Ops.diagflat.Call(this, offset);
        public Tensor atleast_1d() => Ops.atleast_1d.Call(this);
        public Tensor atleast_2d() => Ops.atleast_2d.Call(this);
        public Tensor atleast_3d() => Ops.atleast_3d.Call(this);
        public Tensor view_as_real() => Ops.view_as_real.Call(this);
        public Tensor view_as_complex() => Ops.view_as_complex.Call(this);

        public Tensor flatten(IList<string> dims, string out_dim) => throw NoNames();
        public Tensor unflatten(string dim, params (string, long)[] sizes) => throw NoNames();

        private static NotSupportedException NoNames() => new("Named axes are not supported here; give axes by number.");

        public Tensor T => Ops.numpy_T.Call(this);
        public Tensor H => Ops.matrix_H.Call(this);
        public Tensor mT => Ops.mT.Call(this);
        public Tensor mH => Ops.mH.Call(this);
        public Tensor real => Ops.real.Call(this);
        public Tensor imag => Ops.imag.Call(this);

        private Tensor Shaped(delegate*<nint, long*, int, nint> op, ReadOnlySpan<long> sizes)
        {
            fixed (long* p = sizes)
                return Made(op(Handle, p, sizes.Length), this);
        }

        private Tensor Expand(ReadOnlySpan<long> sizes, bool isImplicit)
        {
            fixed (long* p = sizes)
                return Made(LibTorch.lt_expand(Handle, p, sizes.Length, isImplicit ? 1 : 0), this);
        }

        private Tensor AsStrided(ReadOnlySpan<long> sizes, ReadOnlySpan<long> strides, long offset)
        {
            if (sizes.Length != strides.Length)
                throw new ArgumentException($"{sizes.Length} sizes and {strides.Length} strides were given; every axis needs one of each.");
            fixed (long* s = sizes, t = strides)
                return Made(LibTorch.lt_as_strided(Handle, s, t, sizes.Length, offset), this);
        }

        private Tensor MoveDim(ReadOnlySpan<long> source, ReadOnlySpan<long> destination)
        {
            if (source.Length != destination.Length)
                throw new ArgumentException($"{source.Length} axes cannot move to {destination.Length} places.");
            fixed (long* s = source, d = destination)
                return Made(LibTorch.lt_movedim(Handle, s, d, source.Length), this);
        }

        private Tensor Roll(ReadOnlySpan<long> shifts, ReadOnlySpan<long> dims)
        {
            fixed (long* s = shifts, d = dims)
                return Made(LibTorch.lt_roll(Handle, s, shifts.Length, d, dims.Length), this);
        }

        private static Tensor[] List(long count, Tensor operand) => Array.ConvertAll(TakeList(count, operand), each => each!);

        private Tensor[] SplitSizes(ReadOnlySpan<long> sizes, long dim)
        {
            fixed (long* p = sizes)
                return List(LibTorch.lt_split_sizes(Handle, p, sizes.Length, dim), this);
        }

        private Tensor Unflatten(long dim, long[] sizes)
        {
            long[] before = shape;
            long axis = dim < 0 ? dim + before.Length : dim;
            if (axis < 0 || axis >= before.Length)
                throw new ArgumentOutOfRangeException(nameof(dim), dim, $"The tensor has {before.Length} axes.");
            return view([.. before[..(int)axis], .. sizes, .. before[(int)(axis + 1)..]]);
        }
    }
}
