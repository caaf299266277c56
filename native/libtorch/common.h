// What every file of the shim shares: exports, errors, and the plain C types that cross the boundary.
// A tensor crosses as a pointer to a heap at::Tensor, owned by the managed wrapper.
#pragma once
#include <ATen/ATen.h>
#include <torch/version.h>
#include <cstdint>
#include <cstring>
#include <string>
#include <utility>
#include <vector>

#define EXPORT extern "C" __attribute__((visibility("default")))

using Tensor = at::Tensor;

#if TORCH_VERSION_MAJOR < 2 || (TORCH_VERSION_MAJOR == 2 && TORCH_VERSION_MINOR < 4)
template <class T>
using optional = c10::optional<T>;
inline constexpr auto nothing = c10::nullopt;
#else
template <class T>
using optional = std::optional<T>;
inline constexpr auto nothing = std::nullopt;
#endif

// A number by value. kind: 0 none, 1 integer, 2 real, 3 boolean, 4 complex (real part in the bits of i).
struct Number {
  int64_t kind;
  int64_t i;
  double d;
};

// dtype -1: the default. device_type -1: the default.
struct Options {
  int32_t dtype;
  int32_t device_type;
  int32_t device_index;
  int32_t requires_grad;
};

void remember_error(const char* message, const char* full) noexcept;
void remember_current_exception() noexcept;

// Runs f; a thrown exception becomes the thread's last error and a null result.
template <class F>
Tensor* tensor(F&& f) noexcept {
  try {
    return new Tensor(f());
  } catch (...) {
    remember_current_exception();
    return nullptr;
  }
}

// The same for calls without a tensor result: 0, or -1 when it threw.
template <class F>
int status(F&& f) noexcept {
  try {
    f();
    return 0;
  } catch (...) {
    remember_current_exception();
    return -1;
  }
}

// Several results into the caller's array.
template <class F>
int tensors(Tensor** out, F&& f) noexcept {
  return status([&] {
    std::apply(
        [&](auto&&... each) {
          Tensor* made[] = {new Tensor(std::move(each))...};
          std::copy(std::begin(made), std::end(made), out);
        },
        f());
  });
}

// A list whose length only libtorch knows: kept for the thread until lt_take_list.
int64_t keep_list(std::vector<Tensor>&& list) noexcept;

template <class F>
int64_t tensor_list(F&& f) noexcept {
  try {
    return keep_list(f());
  } catch (...) {
    remember_current_exception();
    return -1;
  }
}

inline at::Scalar scalar(const Number& n) {
  switch (n.kind) {
    case 1: return at::Scalar(n.i);
    case 2: return at::Scalar(n.d);
    case 3: return at::Scalar(n.i != 0);
    default: {
      double re;
      std::memcpy(&re, &n.i, sizeof re);
      return at::Scalar(c10::complex<double>(re, n.d));
    }
  }
}

inline optional<at::Scalar> maybe_scalar(const Number& n) {
  return n.kind == 0 ? optional<at::Scalar>() : optional<at::Scalar>(scalar(n));
}

inline optional<at::ScalarType> maybe_dtype(int32_t dtype) {
  return dtype < 0 ? optional<at::ScalarType>() : optional<at::ScalarType>(static_cast<at::ScalarType>(dtype));
}

inline at::IntArrayRef ints(const int64_t* p, int32_t n) { return at::IntArrayRef(p, static_cast<size_t>(n)); }

inline Tensor maybe(const Tensor* t) { return t ? *t : Tensor(); }

inline optional<Tensor> maybe_tensor(const Tensor* t) { return t ? optional<Tensor>(*t) : optional<Tensor>(); }

inline std::vector<Tensor> list(Tensor* const* p, int32_t n) {
  std::vector<Tensor> r;
  r.reserve(static_cast<size_t>(n));
  for (int32_t k = 0; k < n; k++) r.push_back(maybe(p[k]));
  return r;
}

inline at::Device device(int32_t type, int32_t index) {
  return at::Device(static_cast<at::DeviceType>(type), static_cast<at::DeviceIndex>(index));
}

inline at::TensorOptions options(const Options& o) {
  at::TensorOptions r;
  if (o.dtype >= 0) r = r.dtype(static_cast<at::ScalarType>(o.dtype));
  if (o.device_type >= 0) r = r.device(device(o.device_type, o.device_index));
  return r;
}

inline Tensor with_grad(Tensor&& t, const Options& o) {
  return o.requires_grad ? t.set_requires_grad(true) : std::move(t);
}

inline optional<at::Generator> maybe_generator(const at::Generator* g) {
  return g ? optional<at::Generator>(*g) : optional<at::Generator>();
}
