// A tensor's identity, description, memory and conversions.
#include "small.h"

EXPORT void THSTensor_dispose(const Tensor* x) {
  if (!keep_small(x)) delete x;
}

// Pointer to the first element, storage offset included; null when the tensor has no memory (meta device).
EXPORT void* THSTensor_data(Tensor* x) {
  void* data = nullptr;
  status([&] { data = x->data_ptr(); });
  return data;
}

// Start of the storage, without the tensor's offset.
EXPORT void* THSStorage_data_ptr(Tensor* x) {
  void* data = nullptr;
  status([&] { data = const_cast<void*>(static_cast<const void*>(x->storage().data())); });
  return data;
}

EXPORT Tensor* lt_alias(const Tensor* x) { return tensor([&] { return *x; }); }

EXPORT int64_t lt_dim(const Tensor* x) { return x->dim(); }
EXPORT int64_t lt_numel(const Tensor* x) { return x->numel(); }
EXPORT int64_t lt_element_size(const Tensor* x) { return static_cast<int64_t>(x->element_size()); }
EXPORT int lt_sizes(const Tensor* x, int64_t* out) {
  return status([&] { std::copy(x->sizes().begin(), x->sizes().end(), out); });
}
EXPORT int lt_strides(const Tensor* x, int64_t* out) {
  return status([&] { std::copy(x->strides().begin(), x->strides().end(), out); });
}
EXPORT int lt_size(const Tensor* x, int64_t dim, int64_t* out) { return status([&] { *out = x->size(dim); }); }
EXPORT int lt_stride(const Tensor* x, int64_t dim, int64_t* out) { return status([&] { *out = x->stride(dim); }); }
EXPORT int64_t lt_storage_offset(const Tensor* x) {
  int64_t offset = 0;
  return status([&] { offset = x->storage_offset(); }) < 0 ? -1 : offset;
}
// Bytes of CPU memory that go when this tensor goes; 0 when others share them.
EXPORT int64_t lt_owned_bytes(const Tensor* x) {
  if (!x->has_storage() || !x->is_cpu()) return 0;
  const auto& storage = x->storage();
  return storage.use_count() == 1 ? static_cast<int64_t>(storage.nbytes()) : 0;
}
EXPORT int32_t lt_dtype(const Tensor* x) { return static_cast<int32_t>(x->scalar_type()); }
EXPORT int32_t lt_device_type(const Tensor* x) { return static_cast<int32_t>(x->device().type()); }
EXPORT int32_t lt_device_index(const Tensor* x) { return x->device().index(); }

// Yes-or-no questions, one bit each; bits as in Tensor.Meta.cs.
EXPORT int32_t lt_flags(const Tensor* x) {
  int32_t flags = 0;
  return status([&] {
    flags = (x->is_contiguous() ? 1 : 0) | (x->requires_grad() ? 2 : 0) | (x->is_leaf() ? 4 : 0) |
            (x->is_sparse() ? 8 : 0) | (x->is_conj() ? 16 : 0) | (x->is_neg() ? 32 : 0) | (x->is_quantized() ? 64 : 0);
  }) < 0 ? -1 : flags;
}

EXPORT int32_t lt_is_contiguous(const Tensor* x) {
  int32_t yes = 0;
  return status([&] { yes = x->is_contiguous(); }) < 0 ? -1 : yes;
}
EXPORT int32_t lt_requires_grad(const Tensor* x) { return x->requires_grad(); }
EXPORT int lt_set_requires_grad(Tensor* x, int32_t value) {
  return status([&] { x->set_requires_grad(value != 0); });
}

// dtype, device: -1 keeps what x has.
EXPORT Tensor* lt_to(const Tensor* x, int32_t dtype, int32_t device_type, int32_t device_index, int32_t non_blocking, int32_t copy) {
  return tensor([&] {
    auto type = dtype < 0 ? x->scalar_type() : static_cast<at::ScalarType>(dtype);
    auto where = device_type < 0 ? x->device() : device(device_type, device_index);
    return x->to(where, type, non_blocking != 0, copy != 0);
  });
}
EXPORT Tensor* lt_pin_memory(const Tensor* x) { return tensor([&] { return x->pin_memory(); }); }

EXPORT int lt_item(const Tensor* x, Number* out) {
  return status([&] {
    at::Scalar s = x->item();
    if (s.isBoolean()) {
      *out = {3, s.toBool(), 0};
    } else if (s.isIntegral(false)) {
      *out = {1, s.toLong(), 0};
    } else if (s.isComplex()) {
      auto c = s.toComplexDouble();
      double re = c.real();
      *out = {4, 0, c.imag()};
      std::memcpy(&out->i, &re, sizeof re);
    } else {
      *out = {2, 0, s.toDouble()};
    }
  });
}
