using TorchSharp.Native;

namespace TorchSharp;

public static partial class torch
{
    public partial class Tensor
    {
        public Tensor index_select(long dim, Tensor index) => Made(LibTorch.lt_index_select(Handle, dim, index.Handle), this, index);
        public Tensor gather(long dim, Tensor index) => Made(LibTorch.lt_gather(Handle, dim, index.Handle), this, index);
        public Tensor scatter(long dim, Tensor index, Tensor src) => Made(LibTorch.lt_scatter(Handle, dim, index.Handle, src.Handle), this, index, src);
        public Tensor scatter_(long dim, Tensor index, Tensor src) => Changed(LibTorch.lt_scatter_(Handle, dim, index.Handle, src.Handle), index, src);
        public Tensor scatter_add(long dim, Tensor index, Tensor src) => Made(LibTorch.lt_scatter_add(Handle, dim, index.Handle, src.Handle), this, index, src);
        public Tensor scatter_add_(long dim, Tensor index, Tensor src) => Changed(LibTorch.lt_scatter_add_(Handle, dim, index.Handle, src.Handle), index, src);
        public Tensor index_copy(long dim, Tensor index, Tensor source) => Made(LibTorch.lt_index_copy(Handle, dim, index.Handle, source.Handle), this, index, source);
        public Tensor index_copy_(long dim, Tensor index, Tensor source) => Changed(LibTorch.lt_index_copy_(Handle, dim, index.Handle, source.Handle), index, source);
        public Tensor index_add(long dim, Tensor index, Tensor source, Scalar alpha) =>
            Made(LibTorch.lt_index_add(Handle, dim, index.Handle, source.Handle, alpha), this, index, source);
        public Tensor index_add_(long dim, Tensor index, Tensor source, Scalar alpha) =>
            Changed(LibTorch.lt_index_add_(Handle, dim, index.Handle, source.Handle, alpha), index, source);
        public Tensor index_fill(long dim, Tensor index, Scalar value) => Ops.index_fill_int_Scalar.Call(this, dim, index, value);
        public Tensor index_fill_(long dim, Tensor index, Scalar value) => Ops.index_fill__int_Scalar.Change(this, dim, index, value);
        public Tensor masked_fill(Tensor mask, Scalar value) => Made(LibTorch.lt_masked_fill(Handle, mask.Handle, value), this, mask);
        public Tensor masked_fill_(Tensor mask, Scalar value) => Changed(LibTorch.lt_masked_fill_(Handle, mask.Handle, value), mask);
        public Tensor masked_select(Tensor mask) => Ops.masked_select.Call(this, mask);
        public Tensor masked_scatter(Tensor mask, Tensor value) => Ops.masked_scatter.Call(this, mask, value);
        public Tensor masked_scatter_(Tensor mask, Tensor value) => Ops.masked_scatter_.Change(this, mask, value);
        public Tensor take(Tensor index) => Ops.take.Call(this, index);
        public Tensor take_along_dim(IEnumerable<long> indices) => take_along_dim(torch.tensor(indices.ToArray()));
        public Tensor take_along_dim(IEnumerable<long> indices, long dim) => take_along_dim(torch.tensor(indices.ToArray()), dim);
        public Tensor take_along_dim(Tensor indices) => Ops.take_along_dim.Call(this, indices);
        public Tensor take_along_dim(Tensor indices, long dim) => Ops.take_along_dim.Call(this, indices, dim);
        public Tensor nonzero() => Ops.nonzero.Call(this);
        public IList<Tensor> nonzero_as_list()
        {
            Tensor places = nonzero();
            return places.chunk(places.shape[1], dim: 1);
        }
        public Tensor argwhere() => Ops.argwhere.Call(this);
        public Tensor select_scatter(Tensor src, long dim, long index) => Ops.select_scatter.Call(this, src, dim, index);
        public Tensor slice_scatter(Tensor src, long dim = 0, long? start = null, long? end = null, long step = 1) =>
            Ops.slice_scatter.Call(this, src, dim, start, end, step);
        public Tensor diagonal_scatter(Tensor src, long offset = 0, long dim1 = 0, long dim2 = 1) => Ops.diagonal_scatter.Call(this, src, offset, dim1, dim2);
        public Tensor isin(Tensor test_elements, bool assumeUnique = false, bool invert = false) =>
            Ops.isin_Tensor_Tensor.Call(this, test_elements, assumeUnique, invert);
    }
}
