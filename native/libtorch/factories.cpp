// New tensors: constant, random, ranges, and copies of host memory.
#include "small.h"
#include <ATen/EmptyTensor.h>

// On the CPU past the dispatcher, which is half of what a small tensor costs.
EXPORT Tensor* lt_empty(const int64_t* sizes, int32_t n, Options o) {
  at::TensorOptions wanted = options(o);
  bool host = wanted.device().is_cpu();
  if (host && !o.requires_grad && wanted.dtype() == at::kFloat)
    if (Tensor* kept = take_small(ints(sizes, n))) return kept;
  return tensor([&] { return with_grad(host ? Tensor(at::detail::empty_cpu(ints(sizes, n), wanted)) : at::empty(ints(sizes, n), wanted), o); });
}
EXPORT Tensor* lt_zeros(const int64_t* sizes, int32_t n, Options o) {
  return tensor([&] { return with_grad(at::zeros(ints(sizes, n), options(o)), o); });
}
EXPORT Tensor* lt_ones(const int64_t* sizes, int32_t n, Options o) {
  return tensor([&] { return with_grad(at::ones(ints(sizes, n), options(o)), o); });
}
EXPORT Tensor* lt_full(const int64_t* sizes, int32_t n, Number value, Options o) {
  return tensor([&] { return with_grad(at::full(ints(sizes, n), scalar(value), options(o)), o); });
}
EXPORT Tensor* lt_rand(const int64_t* sizes, int32_t n, const at::Generator* g, Options o) {
  return tensor([&] { return with_grad(at::rand(ints(sizes, n), maybe_generator(g), options(o)), o); });
}
EXPORT Tensor* lt_randn(const int64_t* sizes, int32_t n, const at::Generator* g, Options o) {
  return tensor([&] { return with_grad(at::randn(ints(sizes, n), maybe_generator(g), options(o)), o); });
}
EXPORT Tensor* lt_randint(int64_t low, int64_t high, const int64_t* sizes, int32_t n, const at::Generator* g, Options o) {
  return tensor([&] { return with_grad(at::randint(low, high, ints(sizes, n), maybe_generator(g), options(o)), o); });
}
EXPORT Tensor* lt_randperm(int64_t count, const at::Generator* g, Options o) {
  return tensor([&] { return with_grad(at::randperm(count, maybe_generator(g), options(o)), o); });
}
EXPORT Tensor* lt_normal(double mean, double std, const int64_t* sizes, int32_t n, const at::Generator* g, Options o) {
  return tensor([&] { return with_grad(at::normal(mean, std, ints(sizes, n), maybe_generator(g), options(o)), o); });
}
EXPORT Tensor* lt_empty_strided(const int64_t* sizes, const int64_t* strides, int32_t n, Options o) {
  return tensor([&] { return with_grad(at::empty_strided(ints(sizes, n), ints(strides, n), options(o)), o); });
}
EXPORT Tensor* lt_arange(Number start, Number end, Number step, Options o) {
  return tensor([&] { return with_grad(at::arange(scalar(start), scalar(end), scalar(step), options(o)), o); });
}
EXPORT Tensor* lt_linspace(double start, double end, int64_t steps, Options o) {
  return tensor([&] { return with_grad(at::linspace(start, end, steps, options(o)), o); });
}
EXPORT Tensor* lt_logspace(double start, double end, int64_t steps, double base, Options o) {
  return tensor([&] { return with_grad(at::logspace(start, end, steps, base, options(o)), o); });
}
EXPORT Tensor* lt_eye(int64_t rows, int64_t columns, Options o) {
  return tensor([&] { return with_grad(at::eye(rows, columns, options(o)), o); });
}
EXPORT Tensor* lt_tri_indices(int32_t upper, int64_t rows, int64_t columns, int64_t offset, Options o) {
  return tensor([&] {
    return upper ? at::triu_indices(rows, columns, offset, options(o)) : at::tril_indices(rows, columns, offset, options(o));
  });
}

#define LIKE(op)                                                               \
  EXPORT Tensor* lt_##op##_like(const Tensor* x, Options o) {                  \
    return tensor([&] { return with_grad(at::op##_like(*x, options(o)), o); }); \
  }

LIKE(empty)
LIKE(zeros)
LIKE(ones)
LIKE(rand)
LIKE(randn)

EXPORT Tensor* lt_full_like(const Tensor* x, Number value, Options o) {
  return tensor([&] { return with_grad(at::full_like(*x, scalar(value), options(o)), o); });
}
EXPORT Tensor* lt_randint_like(const Tensor* x, int64_t low, int64_t high, Options o) {
  return tensor([&] { return with_grad(at::randint_like(*x, low, high, options(o)), o); });
}

// A copy of host memory that holds elements of `dtype`, converted to what o asks for.
EXPORT Tensor* lt_from_memory(const void* data, int32_t dtype, const int64_t* sizes, int32_t n, Options o) {
  return tensor([&] {
    auto type = static_cast<at::ScalarType>(dtype);
    Tensor host = at::empty(ints(sizes, n), at::TensorOptions().dtype(type).device(at::kCPU));
    if (host.numel() > 0) std::memcpy(host.data_ptr(), data, host.nbytes());
    return with_grad(host.to(options(o)), o);
  });
}
EXPORT Tensor* lt_scalar(Number value, Options o) {
  return tensor([&] { return with_grad(at::scalar_tensor(scalar(value), options(o)), o); });
}

EXPORT int lt_normal_(Tensor* x, double mean, double std, const at::Generator* g) {
  return status([&] { x->normal_(mean, std, maybe_generator(g)); });
}
EXPORT int lt_uniform_(Tensor* x, double from, double to, const at::Generator* g) {
  return status([&] { x->uniform_(from, to, maybe_generator(g)); });
}
EXPORT int lt_bernoulli_(Tensor* x, double p, const at::Generator* g) {
  return status([&] { x->bernoulli_(p, maybe_generator(g)); });
}
