// Elementwise arithmetic, comparisons and activations.
#include "small.h"
#include <ATen/core/grad_mode.h>
#include <cmath>

// A few hundred numbers, as a decoded token has them: a loop over them is a tenth of what a call through libtorch's dispatcher takes.
namespace {

bool takes_loop(const Tensor& x) {
  return is_small(x) && x.numel() <= 4096 && !(at::GradMode::is_enabled() && x.requires_grad());
}

template <class Each>
Tensor* loop(const Tensor& x, Each&& each) {
  Tensor* y = small_like(x);
  if (!y) return nullptr;
  const float* from = x.data_ptr<float>();
  float* to = y->data_ptr<float>();
  for (int64_t i = 0, n = x.numel(); i < n; i++) to[i] = each(from[i], i);
  return y;
}

}  // namespace

EXPORT Tensor* lt_sigmoid(const Tensor* x) {
  if (takes_loop(*x)) return loop(*x, [](float a, int64_t) { return 1 / (1 + std::exp(-a)); });
  return tensor([&] { return at::sigmoid(*x); });
}

#define UNARY(op)                                                              \
  EXPORT Tensor* lt_##op(const Tensor* x) { return tensor([&] { return at::op(*x); }); }
#define IN_PLACE(op)                                                           \
  EXPORT int lt_##op##_(Tensor* x) { return status([&] { x->op##_(); }); }
#define UNARY_BOTH(op)                                                         \
  UNARY(op)                                                                    \
  IN_PLACE(op)

UNARY_BOTH(abs)
UNARY_BOTH(neg)
UNARY_BOTH(exp)
UNARY_BOTH(expm1)
UNARY_BOTH(log)
UNARY_BOTH(log1p)
UNARY_BOTH(sqrt)
UNARY_BOTH(rsqrt)
UNARY_BOTH(reciprocal)
UNARY_BOTH(sin)
UNARY_BOTH(cos)
UNARY_BOTH(tanh)
IN_PLACE(sigmoid)
UNARY_BOTH(relu)
UNARY_BOTH(erf)
UNARY_BOTH(sign)
UNARY_BOTH(floor)
UNARY_BOTH(ceil)
UNARY(silu)
UNARY(square)
UNARY(logical_not)
UNARY(bitwise_not)
UNARY(isnan)
UNARY(isfinite)

EXPORT int lt_silu_(Tensor* x) { return status([&] { at::silu_(*x); }); }

#define BINARY(op)                                                             \
  EXPORT Tensor* lt_##op(const Tensor* x, const Tensor* y) { return tensor([&] { return at::op(*x, *y); }); }
#define WITH_SCALAR(op)                                                        \
  EXPORT Tensor* lt_##op##_scalar(const Tensor* x, Number y) {                 \
    return tensor([&] { return at::op(*x, scalar(y)); });                      \
  }
#define BINARY_IN_PLACE(op)                                                    \
  EXPORT int lt_##op##_(Tensor* x, const Tensor* y) { return status([&] { x->op##_(*y); }); } \
  EXPORT int lt_##op##_scalar_(Tensor* x, Number y) { return status([&] { x->op##_(scalar(y)); }); }

#define WITH_ALPHA(op)                                                         \
  EXPORT Tensor* lt_##op##_scalar(const Tensor* x, Number y, Number alpha) {   \
    return tensor([&] { return at::op(*x, scalar(y), scalar(alpha)); });       \
  }                                                                            \
  EXPORT int lt_##op##_(Tensor* x, const Tensor* y, Number alpha) {            \
    return status([&] { x->op##_(*y, scalar(alpha)); });                       \
  }                                                                            \
  EXPORT int lt_##op##_scalar_(Tensor* x, Number y, Number alpha) {            \
    return status([&] { x->op##_(scalar(y), scalar(alpha)); });                \
  }

WITH_ALPHA(add)
WITH_ALPHA(sub)

EXPORT Tensor* lt_add(const Tensor* x, const Tensor* y, Number alpha) {
  if (alpha.kind == 1 && alpha.i == 1 && takes_loop(*x) && takes_loop(*y) && x->sizes() == y->sizes())
    return loop(*x, [b = y->data_ptr<float>()](float a, int64_t i) { return a + b[i]; });
  return tensor([&] { return at::add(*x, *y, scalar(alpha)); });
}
EXPORT Tensor* lt_sub(const Tensor* x, const Tensor* y, Number alpha) {
  return tensor([&] { return at::sub(*x, *y, scalar(alpha)); });
}

BINARY(mul)
WITH_SCALAR(mul)
BINARY_IN_PLACE(mul)
BINARY(div)
WITH_SCALAR(div)
BINARY_IN_PLACE(div)
BINARY(remainder)
WITH_SCALAR(remainder)
BINARY_IN_PLACE(remainder)
BINARY(pow)
WITH_SCALAR(pow)
BINARY_IN_PLACE(pow)
BINARY(eq)
WITH_SCALAR(eq)
BINARY(ne)
WITH_SCALAR(ne)
BINARY(lt)
WITH_SCALAR(lt)
BINARY(le)
WITH_SCALAR(le)
BINARY(gt)
WITH_SCALAR(gt)
BINARY(ge)
WITH_SCALAR(ge)
BINARY(maximum)
BINARY(minimum)
BINARY(logical_and)
BINARY(logical_or)
BINARY(logical_xor)
BINARY(bitwise_and)
BINARY(bitwise_or)
BINARY(bitwise_xor)

// Scalar on the left.
EXPORT Tensor* lt_rsub_scalar(const Tensor* x, Number y) {
  return tensor([&] { return at::rsub(*x, scalar(y)); });
}

EXPORT Tensor* lt_clamp_scalar(const Tensor* x, Number min, Number max) {
  return tensor([&] { return at::clamp(*x, maybe_scalar(min), maybe_scalar(max)); });
}
EXPORT int lt_clamp_scalar_(Tensor* x, Number min, Number max) {
  return status([&] { at::clamp_(*x, maybe_scalar(min), maybe_scalar(max)); });
}
EXPORT Tensor* lt_clamp(const Tensor* x, const Tensor* min, const Tensor* max) {
  return tensor([&] { return at::clamp(*x, maybe_tensor(min), maybe_tensor(max)); });
}
EXPORT Tensor* lt_where(const Tensor* condition, const Tensor* x, const Tensor* y) {
  return tensor([&] { return at::where(*condition, *x, *y); });
}
EXPORT Tensor* lt_addcmul(const Tensor* x, const Tensor* a, const Tensor* b, Number value) {
  return tensor([&] { return at::addcmul(*x, *a, *b, scalar(value)); });
}
EXPORT int lt_addcmul_(Tensor* x, const Tensor* a, const Tensor* b, Number value) {
  return status([&] { x->addcmul_(*a, *b, scalar(value)); });
}
EXPORT Tensor* lt_addcdiv(const Tensor* x, const Tensor* a, const Tensor* b, Number value) {
  return tensor([&] { return at::addcdiv(*x, *a, *b, scalar(value)); });
}
EXPORT int lt_addcdiv_(Tensor* x, const Tensor* a, const Tensor* b, Number value) {
  return status([&] { x->addcdiv_(*a, *b, scalar(value)); });
}
EXPORT Tensor* lt_lerp(const Tensor* x, const Tensor* end, const Tensor* weight) {
  return tensor([&] { return at::lerp(*x, *end, *weight); });
}
EXPORT int lt_lerp_(Tensor* x, const Tensor* end, const Tensor* weight) {
  return status([&] { x->lerp_(*end, *weight); });
}
EXPORT int lt_zero_(Tensor* x) { return status([&] { x->zero_(); }); }
EXPORT int lt_fill_(Tensor* x, Number value) { return status([&] { x->fill_(scalar(value)); }); }
EXPORT int lt_copy_(Tensor* x, const Tensor* source, int32_t non_blocking) {
  return status([&] { x->copy_(*source, non_blocking != 0); });
}
EXPORT Tensor* lt_gelu(const Tensor* x, int32_t tanh_form) {
  return tensor([&] { return at::gelu(*x, tanh_form ? "tanh" : "none"); });
}
EXPORT Tensor* lt_softplus(const Tensor* x, Number beta, Number threshold) {
  return tensor([&] { return at::softplus(*x, scalar(beta), scalar(threshold)); });
}
EXPORT Tensor* lt_softmax(const Tensor* x, int64_t dim, int32_t dtype) {
  return tensor([&] { return at::softmax(*x, dim, maybe_dtype(dtype)); });
}
EXPORT Tensor* lt_log_softmax(const Tensor* x, int64_t dim, int32_t dtype) {
  return tensor([&] { return at::log_softmax(*x, dim, maybe_dtype(dtype)); });
}
