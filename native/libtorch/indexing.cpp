// Reading and writing by index.
#include "common.h"
#include <ATen/TensorIndexing.h>

// One entry of a subscript. kind: 0 None, 1 Ellipsis, 2 integer a, 3 boolean a, 4 slice a:b:c, 5 tensor.
// An absent slice bound is INT64_MIN.
struct Subscript {
  int64_t kind, a, b, c;
  const Tensor* tensor;
};

namespace {
#if TORCH_VERSION_MAJOR < 2
using Bound = int64_t;
#else
using Bound = c10::SymInt;
#endif

optional<Bound> bound(int64_t value) {
  return value == INT64_MIN ? optional<Bound>() : optional<Bound>(value);
}

std::vector<at::indexing::TensorIndex> subscripts(const Subscript* s, int32_t n) {
  std::vector<at::indexing::TensorIndex> r;
  r.reserve(static_cast<size_t>(n));
  for (int32_t k = 0; k < n; k++) {
    switch (s[k].kind) {
      case 0: r.emplace_back(at::indexing::None); break;
      case 1: r.emplace_back(at::indexing::Ellipsis); break;
      case 2: r.emplace_back(s[k].a); break;
      case 3: r.emplace_back(s[k].a != 0); break;
      case 4: r.emplace_back(at::indexing::Slice(bound(s[k].a), bound(s[k].b), bound(s[k].c))); break;
      default: r.emplace_back(*s[k].tensor); break;
    }
  }
  return r;
}

c10::List<optional<Tensor>> optional_list(Tensor* const* p, int32_t n) {
  c10::List<optional<Tensor>> r;
  for (int32_t k = 0; k < n; k++) r.push_back(maybe_tensor(p[k]));
  return r;
}
}  // namespace

EXPORT Tensor* lt_index(const Tensor* x, const Subscript* s, int32_t n) {
  return tensor([&] { return x->index(subscripts(s, n)); });
}
EXPORT int lt_index_put_(Tensor* x, const Subscript* s, int32_t n, const Tensor* value) {
  return status([&] { x->index_put_(subscripts(s, n), *value); });
}
EXPORT int lt_index_put_scalar_(Tensor* x, const Subscript* s, int32_t n, Number value) {
  return status([&] { x->index_put_(subscripts(s, n), scalar(value)); });
}
// Tensor indices only: the form that can accumulate.
EXPORT int lt_index_put_tensors_(Tensor* x, Tensor* const* indices, int32_t n, const Tensor* value, int32_t accumulate) {
  return status([&] { at::index_put_(*x, optional_list(indices, n), *value, accumulate != 0); });
}
EXPORT Tensor* lt_index_select(const Tensor* x, int64_t dim, const Tensor* index) {
  return tensor([&] { return at::index_select(*x, dim, *index); });
}
EXPORT Tensor* lt_gather(const Tensor* x, int64_t dim, const Tensor* index) {
  return tensor([&] { return at::gather(*x, dim, *index); });
}

#define SCATTER(op)                                                            \
  EXPORT Tensor* lt_##op(const Tensor* x, int64_t dim, const Tensor* index, const Tensor* source) { \
    return tensor([&] { return at::op(*x, dim, *index, *source); });           \
  }                                                                            \
  EXPORT int lt_##op##_(Tensor* x, int64_t dim, const Tensor* index, const Tensor* source) { \
    return status([&] { x->op##_(dim, *index, *source); });                    \
  }

SCATTER(scatter)
SCATTER(scatter_add)
SCATTER(index_copy)

EXPORT Tensor* lt_index_add(const Tensor* x, int64_t dim, const Tensor* index, const Tensor* source, Number alpha) {
  return tensor([&] { return at::index_add(*x, dim, *index, *source, scalar(alpha)); });
}
EXPORT int lt_index_add_(Tensor* x, int64_t dim, const Tensor* index, const Tensor* source, Number alpha) {
  return status([&] { x->index_add_(dim, *index, *source, scalar(alpha)); });
}
EXPORT Tensor* lt_masked_fill(const Tensor* x, const Tensor* mask, Number value) {
  return tensor([&] { return at::masked_fill(*x, *mask, scalar(value)); });
}
EXPORT int lt_masked_fill_(Tensor* x, const Tensor* mask, Number value) {
  return status([&] { x->masked_fill_(*mask, scalar(value)); });
}
