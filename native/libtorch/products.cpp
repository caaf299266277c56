// Matrix products and the linear algebra next to them.
#include "common.h"

#define BINARY(op)                                                             \
  EXPORT Tensor* lt_##op(const Tensor* x, const Tensor* y) { return tensor([&] { return at::op(*x, *y); }); }

BINARY(matmul)
BINARY(mm)
BINARY(bmm)
BINARY(mv)
BINARY(dot)
BINARY(outer)

#define FUSED(op)                                                              \
  EXPORT Tensor* lt_##op(const Tensor* x, const Tensor* a, const Tensor* b, double beta, double alpha) { \
    return tensor([&] { return at::op(*x, *a, *b, beta, alpha); });            \
  }                                                                            \
  EXPORT int lt_##op##_(Tensor* x, const Tensor* a, const Tensor* b, double beta, double alpha) { \
    return status([&] { x->op##_(*a, *b, beta, alpha); });                     \
  }

FUSED(addmm)
FUSED(baddbmm)
FUSED(addmv)
FUSED(addr)
FUSED(addbmm)

EXPORT Tensor* lt_einsum(const char* equation, Tensor* const* operands, int32_t n) {
  return tensor([&] { return at::einsum(equation, list(operands, n)); });
}
EXPORT Tensor* lt_solve_triangular(const Tensor* a, const Tensor* b, int32_t upper, int32_t left, int32_t unit) {
  return tensor([&] { return at::linalg_solve_triangular(*a, *b, upper != 0, left != 0, unit != 0); });
}
