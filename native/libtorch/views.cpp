// Views, shape changes, joining and splitting.
#include "common.h"

#define SHAPED(op)                                                             \
  EXPORT Tensor* lt_##op(const Tensor* x, const int64_t* sizes, int32_t n) {   \
    return tensor([&] { return x->op(ints(sizes, n)); });                      \
  }

SHAPED(view)
SHAPED(reshape)
SHAPED(permute)
SHAPED(repeat)
SHAPED(flip)

EXPORT Tensor* lt_expand(const Tensor* x, const int64_t* sizes, int32_t n, int32_t is_implicit) {
  return tensor([&] { return x->expand(ints(sizes, n), is_implicit != 0); });
}
EXPORT Tensor* lt_transpose(const Tensor* x, int64_t a, int64_t b) {
  return tensor([&] { return x->transpose(a, b); });
}
EXPORT Tensor* lt_unsqueeze(const Tensor* x, int64_t dim) { return tensor([&] { return x->unsqueeze(dim); }); }
EXPORT Tensor* lt_squeeze(const Tensor* x, int32_t whole, int64_t dim) {
  return tensor([&] { return whole ? x->squeeze() : x->squeeze(dim); });
}
EXPORT Tensor* lt_flatten(const Tensor* x, int64_t start, int64_t end) {
  return tensor([&] { return x->flatten(start, end); });
}
EXPORT Tensor* lt_narrow(const Tensor* x, int64_t dim, int64_t start, int64_t length) {
  return tensor([&] { return x->narrow(dim, start, length); });
}
EXPORT Tensor* lt_select(const Tensor* x, int64_t dim, int64_t index) {
  return tensor([&] { return x->select(dim, index); });
}
EXPORT Tensor* lt_slice(const Tensor* x, int64_t dim, int64_t start, int64_t end, int64_t step) {
  return tensor([&] { return x->slice(dim, start, end, step); });
}
EXPORT Tensor* lt_unfold(const Tensor* x, int64_t dim, int64_t size, int64_t step) {
  return tensor([&] { return x->unfold(dim, size, step); });
}
EXPORT Tensor* lt_as_strided(const Tensor* x, const int64_t* sizes, const int64_t* strides, int32_t n, int64_t offset) {
  return tensor([&] { return x->as_strided(ints(sizes, n), ints(strides, n), offset); });
}
EXPORT Tensor* lt_movedim(const Tensor* x, const int64_t* source, const int64_t* target, int32_t n) {
  return tensor([&] { return x->movedim(ints(source, n), ints(target, n)); });
}
EXPORT Tensor* lt_roll(const Tensor* x, const int64_t* shifts, int32_t n, const int64_t* dims, int32_t m) {
  return tensor([&] { return at::roll(*x, ints(shifts, n), ints(dims, m)); });
}
EXPORT Tensor* lt_contiguous(const Tensor* x) { return tensor([&] { return x->contiguous(); }); }
EXPORT Tensor* lt_clone(const Tensor* x) { return tensor([&] { return x->clone(); }); }
EXPORT Tensor* lt_detach(const Tensor* x) { return tensor([&] { return x->detach(); }); }
EXPORT int lt_detach_(Tensor* x) { return status([&] { x->detach_(); }); }
EXPORT Tensor* lt_tril(const Tensor* x, int64_t diagonal) { return tensor([&] { return at::tril(*x, diagonal); }); }
EXPORT Tensor* lt_triu(const Tensor* x, int64_t diagonal) { return tensor([&] { return at::triu(*x, diagonal); }); }

EXPORT Tensor* lt_cat(Tensor* const* parts, int32_t n, int64_t dim) {
  return tensor([&] { return at::cat(list(parts, n), dim); });
}
EXPORT Tensor* lt_stack(Tensor* const* parts, int32_t n, int64_t dim) {
  return tensor([&] { return at::stack(list(parts, n), dim); });
}
EXPORT int64_t lt_split(const Tensor* x, int64_t size, int64_t dim) {
  return tensor_list([&] { return x->split(size, dim); });
}
EXPORT int64_t lt_split_sizes(const Tensor* x, const int64_t* sizes, int32_t n, int64_t dim) {
  return tensor_list([&] { return x->split_with_sizes(ints(sizes, n), dim); });
}
EXPORT int64_t lt_chunk(const Tensor* x, int64_t chunks, int64_t dim) {
  return tensor_list([&] { return x->chunk(chunks, dim); });
}
EXPORT int64_t lt_unbind(const Tensor* x, int64_t dim) {
  return tensor_list([&] { return x->unbind(dim); });
}
