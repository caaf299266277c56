using TorchSharp.Native;

namespace TorchSharp;

public static partial class torch
{
    public unsafe partial class Tensor
    {
        public Tensor sum(ReadOnlySpan<long> dim, bool keepdim = false, ScalarType? type = null) => Sum(dim, keepdim, type);
        public Tensor sum(ScalarType? type = null) => Made(LibTorch.lt_sum_all(Handle, Code(type)), this);
        public Tensor sum(long dim, bool keepdim = false, ScalarType? type = null) => Sum([dim], keepdim, type);
        public Tensor sum(long dim0, long dim1, bool keepdim = false, ScalarType? type = null) => Sum([dim0, dim1], keepdim, type);
        public Tensor sum(long dim0, long dim1, long dim2, bool keepdim = false, ScalarType? type = null) => Sum([dim0, dim1, dim2], keepdim, type);
        public Tensor sum(long[] dim, bool keepdim = false, ScalarType? type = null) => Sum(dim, keepdim, type);
        public Tensor mean() => Made(LibTorch.lt_mean_all(Handle), this);
        public Tensor mean(long[] dimensions, bool keepdim = false, ScalarType? type = null) => Mean(dimensions, keepdim, type);
        public Tensor std(ReadOnlySpan<long> dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) =>
            Std(dimensions.ToArray(), unbiased, keepdim, type);
        public Tensor std((long, long, long) dim, bool unbiased = true, bool keepdim = false, ScalarType? type = null) =>
            Std([dim.Item1, dim.Item2, dim.Item3], unbiased, keepdim, type);
        public Tensor std((long, long) dim, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => Std([dim.Item1, dim.Item2], unbiased, keepdim, type);
        public Tensor std(bool unbiased = true) => Std(null, unbiased, false, null);
        public Tensor std(long dim, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => Std([dim], unbiased, keepdim, type);
        public Tensor std(long[] dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => Std(dimensions, unbiased, keepdim, type);
        public Tensor var(ReadOnlySpan<long> dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) =>
            Var(dimensions.ToArray(), unbiased, keepdim, type);
        public Tensor var((long, long, long) dim, bool unbiased = true, bool keepdim = false, ScalarType? type = null) =>
            Var([dim.Item1, dim.Item2, dim.Item3], unbiased, keepdim, type);
        public Tensor var((long, long) dim, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => Var([dim.Item1, dim.Item2], unbiased, keepdim, type);
        public Tensor var(bool unbiased = true) => Var(null, unbiased, false, null);
        public Tensor var(long dim, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => Var([dim], unbiased, keepdim, type);
        public Tensor var(long[] dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) => Var(dimensions, unbiased, keepdim, type);
        public (Tensor, Tensor) std_mean(ReadOnlySpan<long> dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) =>
            Typed(type).StdMean(dimensions.ToArray(), unbiased, keepdim);
        public (Tensor, Tensor) std_mean((long, long, long) dim, bool unbiased = true, bool keepdim = false, ScalarType? type = null) =>
            Typed(type).StdMean(new[] { dim.Item1, dim.Item2, dim.Item3 }, unbiased, keepdim);
        public (Tensor, Tensor) std_mean((long, long) dim, bool unbiased = true, bool keepdim = false, ScalarType? type = null) =>
            Typed(type).StdMean(new[] { dim.Item1, dim.Item2 }, unbiased, keepdim);
        public (Tensor, Tensor) std_mean(bool unbiased = true) => Ops.std_mean.Call2(this, unbiased);
        public (Tensor, Tensor) std_mean(long dim, bool unbiased = true, bool keepdim = false, ScalarType? type = null) =>
            Typed(type).StdMean(new[] { dim }, unbiased, keepdim);
        public (Tensor, Tensor) std_mean(long[] dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) =>
            Typed(type).StdMean(dimensions, unbiased, keepdim);
        public (Tensor, Tensor) var_mean(ReadOnlySpan<long> dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) =>
            Typed(type).VarMean(dimensions.ToArray(), unbiased, keepdim);
        public (Tensor, Tensor) var_mean((long, long, long) dim, bool unbiased = true, bool keepdim = false, ScalarType? type = null) =>
            Typed(type).VarMean(new[] { dim.Item1, dim.Item2, dim.Item3 }, unbiased, keepdim);
        public (Tensor, Tensor) var_mean((long, long) dim, bool unbiased = true, bool keepdim = false, ScalarType? type = null) =>
            Typed(type).VarMean(new[] { dim.Item1, dim.Item2 }, unbiased, keepdim);
        public (Tensor, Tensor) var_mean(bool unbiased = true) => Ops.var_mean.Call2(this, unbiased);
        public (Tensor, Tensor) var_mean(long dim, bool unbiased = true, bool keepdim = false, ScalarType? type = null) =>
            Typed(type).VarMean(new[] { dim }, unbiased, keepdim);
        public (Tensor, Tensor) var_mean(long[] dimensions, bool unbiased = true, bool keepdim = false, ScalarType? type = null) =>
            Typed(type).VarMean(dimensions, unbiased, keepdim);
        public Tensor prod(ScalarType? type = null) => Ops.prod.Call(this, type);
        public Tensor prod(long dim, bool keepdim = false, ScalarType? type = null) => Ops.prod_dim_int.Call(this, dim, keepdim, type);
        public Tensor norm(float p = 2) => Made(LibTorch.lt_norm_all(Handle, p), this);
        public Tensor norm(int dim, bool keepdim = false, float p = 2) => Made(LibTorch.lt_norm(Handle, p, dim, keepdim ? 1 : 0), this);
        public Tensor amax(ReadOnlySpan<long> dims, bool keepdim = false, Tensor? @out = null) => Amax(dims, keepdim, @out);
        public Tensor amax(long[] dims, bool keepdim = false, Tensor? @out = null) => Amax(dims, keepdim, @out);
        public Tensor amax(params long[] dims) => Amax(dims, false, null);
        public Tensor amin(ReadOnlySpan<long> dims, bool keepdim = false, Tensor? @out = null) => Amin(dims, keepdim, @out);
        public Tensor amin(long[] dims, bool keepdim = false, Tensor? @out = null) => Amin(dims, keepdim, @out);
        public Tensor amin(params long[] dims) => Amin(dims, false, null);
        public (Tensor, Tensor) max(long dim, bool keepdim = false) => Max(dim, keepdim);
        public Tensor max() => Made(LibTorch.lt_max_all(Handle), this);
        public Tensor max(Tensor other) => maximum(other);
        public (Tensor, Tensor) min(long dim, bool keepdim = false) => Min(dim, keepdim);
        public Tensor min() => Made(LibTorch.lt_min_all(Handle), this);
        public Tensor min(Tensor other) => minimum(other);
        public (Tensor, Tensor) aminmax(long? dim = null, bool keepdim = false) => Ops.aminmax.Call2(this, dim, keepdim);
        public Tensor argmax() => Made(LibTorch.lt_argmax(Handle, 1, 0, 0), this);
        public Tensor argmax(long dim, bool keepdim = false) => Made(LibTorch.lt_argmax(Handle, 0, dim, keepdim ? 1 : 0), this);
        public Tensor argmin() => Made(LibTorch.lt_argmin(Handle, 1, 0, 0), this);
        public Tensor argmin(long dim, bool keepdim = false) => Made(LibTorch.lt_argmin(Handle, 0, dim, keepdim ? 1 : 0), this);
        public Tensor all() => Made(LibTorch.lt_all(Handle), this);
        public Tensor all(long dim, bool keepdim = false) => Made(LibTorch.lt_all_dim(Handle, dim, keepdim ? 1 : 0), this);
        public Tensor any() => Made(LibTorch.lt_any(Handle), this);
        public Tensor any(long dim, bool keepdim = false) => Made(LibTorch.lt_any_dim(Handle, dim, keepdim ? 1 : 0), this);
        public Tensor logsumexp(long dim, bool keepdim = false) => Made(LibTorch.lt_logsumexp(Handle, dim, keepdim ? 1 : 0), this);
        public Tensor cumsum(long dim, ScalarType? type = null) => Made(LibTorch.lt_cumsum(Handle, dim, Code(type)), this);
        public Tensor cumprod(long dim, ScalarType? type = null) => Made(LibTorch.lt_cumprod(Handle, dim, Code(type)), this);
        public (Tensor, Tensor) cummax(long dim) => Ops.cummax.Call2(this, dim);
        public (Tensor, Tensor) cummin(long dim) => Ops.cummin.Call2(this, dim);
        public Tensor logcumsumexp(long dim) => Ops.logcumsumexp.Call(this, dim);
        public (Tensor, Tensor) topk(int k, int dim = -1, bool largest = true, bool sorted = true) => TopK(k, dim, largest, sorted);
        public (Tensor, Tensor) sort(long dim = -1, bool descending = false, bool stable = false) => Sort(dim, descending, stable);
        public Tensor argsort(long dim = -1, bool descending = false) => Made(LibTorch.lt_argsort(Handle, dim, descending ? 1 : 0), this);
        public Tensor msort() => Ops.msort.Call(this);
        public static (Tensor, Tensor) kthvalue(Tensor input, long k, long? dim, bool keepdim = false) => input.kthvalue(k, dim, keepdim);
        public (Tensor, Tensor) kthvalue(long k, long? dim, bool keepdim = false) => Ops.kthvalue.Call2(this, k, dim ?? -1, keepdim);
        public Tensor median() => Ops.median.Call(this);
        public Tensor nanmedian() => Ops.nanmedian.Call(this);
        public (Tensor, Tensor) mode(long dim = -1, bool keepdim = false) => Ops.mode.Call2(this, dim, keepdim);
        public Tensor nanmean(int? dim = null, bool keepdim = false, ScalarType? dtype = null) =>
            Ops.nanmean.Call(this, dim is { } axis ? new[] { (long)axis } : null, keepdim, dtype);
        public Tensor nansum() => Ops.nansum.Call(this);
        public Tensor quantile(Tensor q, long dim = -1, bool keepdim = false) => Ops.quantile.Call(this, q, dim, keepdim);
        public Tensor nanquantile(Tensor q, long dim = -1, bool keepdim = false) => Ops.nanquantile.Call(this, q, dim, keepdim);
        public Tensor count_nonzero(long[]? dims = null) => dims is null ? Ops.count_nonzero.Call(this) : Ops.count_nonzero_dim_IntList.Call(this, dims);
        public (Tensor, Tensor, Tensor) unique(bool sorted = true, bool return_inverse = false, bool return_counts = false, int? dim = null) =>
            Asked(dim is { } axis
                ? Ops.unique_dim.Call3(this, (long)axis, sorted, return_inverse, return_counts)
                : Ops._unique2.Call3(this, sorted, return_inverse, return_counts), return_inverse, return_counts);
        public (Tensor, Tensor, Tensor) unique_consecutive(bool return_inverse = false, bool return_counts = false, int? dim = null) =>
            Asked(Ops.unique_consecutive.Call3(this, return_inverse, return_counts, dim), return_inverse, return_counts);
        public Tensor histc(long bins = 100, long min = 0, long max = 0) => Ops.histc.Call(this, bins, (Scalar)min, (Scalar)max);
        public Tensor bincount(Tensor weights, long minlength = 0) => Ops.bincount.Call(this, weights, minlength);
        public Tensor diff(long n = 1, long dim = -1, Tensor? prepend = null, Tensor? append = null) => Ops.diff.Call(this, n, dim, prepend, append);
        public Tensor trapezoid(Tensor x, long dim = -1) => Ops.trapezoid_x.Call(this, x, dim);
        public Tensor trapezoid(double dx = 1, long dim = -1) => Ops.trapezoid_dx.Call(this, (Scalar)dx, dim);
        public Tensor cumulative_trapezoid(Tensor x, long dim = -1) => Ops.cumulative_trapezoid_x.Call(this, x, dim);
        public Tensor cumulative_trapezoid(double dx = 1, long dim = -1) => Ops.cumulative_trapezoid_dx.Call(this, (Scalar)dx, dim);
        public Tensor bucketize(Tensor boundaries, bool outInt32 = false, bool right = false) => Ops.bucketize_Tensor.Call(this, boundaries, outInt32, right);

        internal static int Code(ScalarType? type) => type is { } given ? (int)given : -1;

        private Tensor Typed(ScalarType? type) => type is { } given && given != dtype ? to_type(given) : this;

        private Tensor Sum(ReadOnlySpan<long> dims, bool keepdim, ScalarType? type)
        {
            fixed (long* p = dims)
                return Made(LibTorch.lt_sum(Handle, p, dims.Length, keepdim ? 1 : 0, Code(type)), this);
        }

        private Tensor Mean(ReadOnlySpan<long> dims, bool keepdim, ScalarType? type)
        {
            fixed (long* p = dims)
                return Made(LibTorch.lt_mean(Handle, p, dims.Length, keepdim ? 1 : 0, Code(type)), this);
        }

        private Tensor Std(long[]? dims, bool unbiased, bool keepdim, ScalarType? type)
        {
            Tensor x = Typed(type);
            fixed (long* p = dims)
                return Made(LibTorch.lt_std(x.Handle, p, dims?.Length ?? 0, unbiased ? 1 : 0, keepdim ? 1 : 0), x);
        }

        private Tensor Var(long[]? dims, bool unbiased, bool keepdim, ScalarType? type)
        {
            Tensor x = Typed(type);
            fixed (long* p = dims)
                return Made(LibTorch.lt_var(x.Handle, p, dims?.Length ?? 0, unbiased ? 1 : 0, keepdim ? 1 : 0), x);
        }

        private (Tensor, Tensor) StdMean(long[] dims, bool unbiased, bool keepdim) => Ops.std_mean_dim.Call2(this, dims, unbiased, keepdim);
        private (Tensor, Tensor) VarMean(long[] dims, bool unbiased, bool keepdim) => Ops.var_mean_dim.Call2(this, dims, unbiased, keepdim);

        private Tensor Amax(ReadOnlySpan<long> dims, bool keepdim, Tensor? @out)
        {
            fixed (long* p = dims)
                return Into(Made(LibTorch.lt_amax(Handle, p, dims.Length, keepdim ? 1 : 0), this), @out);
        }

        private Tensor Amin(ReadOnlySpan<long> dims, bool keepdim, Tensor? @out)
        {
            fixed (long* p = dims)
                return Into(Made(LibTorch.lt_amin(Handle, p, dims.Length, keepdim ? 1 : 0), this), @out);
        }

        private static Tensor Into(Tensor result, Tensor? target)
        {
            if (target is null)
                return result;
            using (result)
                return target.copy_(result);
        }

        private static (Tensor, Tensor) Pair(int status, nint* two, Tensor operand)
        {
            GC.KeepAlive(operand);
            Errors.Check(status);
            return (new Tensor(two[0]), new Tensor(two[1]));
        }

        private (Tensor, Tensor) Max(long dim, bool keepdim)
        {
            nint* two = stackalloc nint[2];
            return Pair(LibTorch.lt_max_dim(Handle, dim, keepdim ? 1 : 0, two), two, this);
        }

        private (Tensor, Tensor) Min(long dim, bool keepdim)
        {
            nint* two = stackalloc nint[2];
            return Pair(LibTorch.lt_min_dim(Handle, dim, keepdim ? 1 : 0, two), two, this);
        }

        private (Tensor, Tensor) TopK(long k, long dim, bool largest, bool sorted)
        {
            nint* two = stackalloc nint[2];
            return Pair(LibTorch.lt_topk(Handle, k, dim, largest ? 1 : 0, sorted ? 1 : 0, two), two, this);
        }

        private (Tensor, Tensor) Sort(long dim, bool descending, bool stable)
        {
            nint* two = stackalloc nint[2];
            return Pair(LibTorch.lt_sort(Handle, dim, descending ? 1 : 0, stable ? 1 : 0, two), two, this);
        }

        // libtorch makes empty tensors, or even full ones, of what was not asked for.
        private static (Tensor, Tensor, Tensor) Asked((Tensor Values, Tensor Inverse, Tensor Counts) made, bool inverse, bool counts)
        {
            if (!inverse) made.Inverse.Dispose();
            if (!counts) made.Counts.Dispose();
            return (made.Values, inverse ? made.Inverse : null!, counts ? made.Counts : null!);
        }
    }
}
