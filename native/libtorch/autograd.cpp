// Gradients and the modes that decide whether they are recorded. Modes are per thread.
#include "common.h"
#include <ATen/core/grad_mode.h>
#include <c10/core/InferenceMode.h>
#include <torch/csrc/autograd/anomaly_mode.h>
#include <torch/csrc/autograd/autograd.h>
#include <torch/csrc/autograd/variable.h>

EXPORT int32_t lt_grad_enabled() { return at::GradMode::is_enabled(); }
EXPORT void lt_set_grad_enabled(int32_t on) { at::GradMode::set_enabled(on != 0); }

EXPORT int32_t lt_inference_enabled() { return c10::InferenceMode::is_enabled(); }
EXPORT c10::InferenceMode* lt_inference_enter(int32_t on) {
  c10::InferenceMode* guard = nullptr;
  status([&] { guard = new c10::InferenceMode(on != 0); });
  return guard;
}
EXPORT void lt_inference_leave(c10::InferenceMode* guard) { delete guard; }

EXPORT int32_t lt_anomaly_enabled() { return torch::autograd::AnomalyMode::is_enabled(); }
EXPORT int32_t lt_anomaly_checks_nan() { return torch::autograd::AnomalyMode::should_check_nan(); }
EXPORT void lt_set_anomaly(int32_t on, int32_t check_nan) {
  torch::autograd::AnomalyMode::set_enabled(on != 0, check_nan != 0);
}

// retain_graph -1: as libtorch decides (kept only with create_graph).
EXPORT int lt_backward(Tensor* const* roots, int32_t n, Tensor* const* grads, int32_t m, int32_t retain_graph,
                       int32_t create_graph, Tensor* const* inputs, int32_t k) {
  return status([&] {
    auto retain = retain_graph < 0 ? optional<bool>() : optional<bool>(retain_graph != 0);
    torch::autograd::backward(list(roots, n), list(grads, m), retain, create_graph != 0, list(inputs, k));
  });
}
EXPORT int64_t lt_grad(Tensor* const* roots, int32_t n, Tensor* const* inputs, int32_t k, Tensor* const* grads, int32_t m,
                       int32_t retain_graph, int32_t create_graph, int32_t allow_unused) {
  return tensor_list([&] {
    return torch::autograd::grad(list(roots, n), list(inputs, k), list(grads, m), retain_graph != 0, create_graph != 0,
                                 allow_unused != 0);
  });
}

// Null without an error: there is no gradient.
EXPORT Tensor* lt_get_grad(const Tensor* x) {
  Tensor* made = nullptr;
  status([&] {
    const Tensor& g = x->grad();
    if (g.defined()) made = new Tensor(g);
  });
  return made;
}
EXPORT int lt_set_grad(Tensor* x, const Tensor* grad) {
  return status([&] { x->mutable_grad() = maybe(grad); });
}
EXPORT int lt_retain_grad(Tensor* x) { return status([&] { x->retain_grad(); }); }
