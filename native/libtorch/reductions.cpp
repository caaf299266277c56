// Reductions, scans along an axis, ordering.
#include "common.h"

EXPORT Tensor* lt_sum_all(const Tensor* x, int32_t dtype) {
  return tensor([&] { return at::sum(*x, maybe_dtype(dtype)); });
}
EXPORT Tensor* lt_sum(const Tensor* x, const int64_t* dims, int32_t n, int32_t keepdim, int32_t dtype) {
  return tensor([&] { return at::sum(*x, ints(dims, n), keepdim != 0, maybe_dtype(dtype)); });
}
EXPORT Tensor* lt_mean_all(const Tensor* x) { return tensor([&] { return at::mean(*x); }); }
EXPORT Tensor* lt_mean(const Tensor* x, const int64_t* dims, int32_t n, int32_t keepdim, int32_t dtype) {
  return tensor([&] { return at::mean(*x, ints(dims, n), keepdim != 0, maybe_dtype(dtype)); });
}
EXPORT Tensor* lt_var(const Tensor* x, const int64_t* dims, int32_t n, int32_t unbiased, int32_t keepdim) {
  return tensor([&] {
    return dims ? at::var(*x, ints(dims, n), unbiased != 0, keepdim != 0) : at::var(*x, unbiased != 0);
  });
}
EXPORT Tensor* lt_std(const Tensor* x, const int64_t* dims, int32_t n, int32_t unbiased, int32_t keepdim) {
  return tensor([&] {
    return dims ? at::std(*x, ints(dims, n), unbiased != 0, keepdim != 0) : at::std(*x, unbiased != 0);
  });
}
EXPORT Tensor* lt_norm_all(const Tensor* x, double p) { return tensor([&] { return at::norm(*x, p); }); }
EXPORT Tensor* lt_norm(const Tensor* x, double p, int64_t dim, int32_t keepdim) {
  return tensor([&] { return at::norm(*x, at::Scalar(p), {dim}, keepdim != 0); });
}
EXPORT Tensor* lt_amax(const Tensor* x, const int64_t* dims, int32_t n, int32_t keepdim) {
  return tensor([&] { return at::amax(*x, ints(dims, n), keepdim != 0); });
}
EXPORT Tensor* lt_amin(const Tensor* x, const int64_t* dims, int32_t n, int32_t keepdim) {
  return tensor([&] { return at::amin(*x, ints(dims, n), keepdim != 0); });
}
EXPORT Tensor* lt_max_all(const Tensor* x) { return tensor([&] { return at::max(*x); }); }
EXPORT Tensor* lt_min_all(const Tensor* x) { return tensor([&] { return at::min(*x); }); }
EXPORT int lt_max_dim(const Tensor* x, int64_t dim, int32_t keepdim, Tensor** out) {
  return tensors(out, [&] { return at::max(*x, dim, keepdim != 0); });
}
EXPORT int lt_min_dim(const Tensor* x, int64_t dim, int32_t keepdim, Tensor** out) {
  return tensors(out, [&] { return at::min(*x, dim, keepdim != 0); });
}
EXPORT Tensor* lt_argmax(const Tensor* x, int32_t whole, int64_t dim, int32_t keepdim) {
  return tensor([&] { return whole ? at::argmax(*x) : at::argmax(*x, dim, keepdim != 0); });
}
EXPORT Tensor* lt_argmin(const Tensor* x, int32_t whole, int64_t dim, int32_t keepdim) {
  return tensor([&] { return whole ? at::argmin(*x) : at::argmin(*x, dim, keepdim != 0); });
}
EXPORT Tensor* lt_all(const Tensor* x) { return tensor([&] { return at::all(*x); }); }
EXPORT Tensor* lt_any(const Tensor* x) { return tensor([&] { return at::any(*x); }); }
EXPORT Tensor* lt_all_dim(const Tensor* x, int64_t dim, int32_t keepdim) {
  return tensor([&] { return at::all(*x, dim, keepdim != 0); });
}
EXPORT Tensor* lt_any_dim(const Tensor* x, int64_t dim, int32_t keepdim) {
  return tensor([&] { return at::any(*x, dim, keepdim != 0); });
}
EXPORT Tensor* lt_logsumexp(const Tensor* x, int64_t dim, int32_t keepdim) {
  return tensor([&] { return at::logsumexp(*x, dim, keepdim != 0); });
}
EXPORT Tensor* lt_cumsum(const Tensor* x, int64_t dim, int32_t dtype) {
  return tensor([&] { return at::cumsum(*x, dim, maybe_dtype(dtype)); });
}
EXPORT Tensor* lt_cumprod(const Tensor* x, int64_t dim, int32_t dtype) {
  return tensor([&] { return at::cumprod(*x, dim, maybe_dtype(dtype)); });
}
EXPORT int lt_topk(const Tensor* x, int64_t k, int64_t dim, int32_t largest, int32_t sorted, Tensor** out) {
  return tensors(out, [&] { return at::topk(*x, k, dim, largest != 0, sorted != 0); });
}
EXPORT int lt_sort(const Tensor* x, int64_t dim, int32_t descending, int32_t stable, Tensor** out) {
  return tensors(out, [&] { return at::sort(*x, optional<bool>(stable != 0), dim, descending != 0); });
}
EXPORT Tensor* lt_argsort(const Tensor* x, int64_t dim, int32_t descending) {
  return tensor([&] { return at::argsort(*x, dim, descending != 0); });
}
EXPORT Tensor* lt_multinomial(const Tensor* x, int64_t n, int32_t replacement, const at::Generator* generator) {
  return tensor([&] { return at::multinomial(*x, n, replacement != 0, maybe_generator(generator)); });
}
EXPORT int lt_allclose(const Tensor* x, const Tensor* y, double rtol, double atol, int32_t equal_nan) {
  int close = 0;
  return status([&] { close = at::allclose(*x, *y, rtol, atol, equal_nan != 0); }) < 0 ? -1 : close;
}
EXPORT int lt_same(const Tensor* x, const Tensor* y) {
  int same = 0;
  return status([&] { same = at::equal(*x, *y); }) < 0 ? -1 : same;
}
