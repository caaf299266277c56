// An autograd node whose backward is a managed function.
// Not recorded through it: views, in-place outputs, forward-mode derivatives; a second derivative is an error.
#include "common.h"
#include <ATen/core/grad_mode.h>
#include <torch/csrc/autograd/function.h>
#include <torch/csrc/autograd/functions/utils.h>
#include <torch/csrc/autograd/saved_variable.h>
#include <memory>

namespace {
using torch::autograd::Node;
using torch::autograd::SavedVariable;
using torch::autograd::variable_list;

// grads: one per output, null where none arrived; lent for the call. saved: given away, the callee deletes them.
// out: one per input, null where it has no gradient; given to us. Non-zero: failed, message says why.
using Backward = int32_t (*)(int64_t context, Tensor* const* grads, int32_t n_grads, Tensor* const* saved, int32_t n_saved,
                             Tensor** out, int32_t n_out, char* message, int32_t capacity);
using Release = void (*)(int64_t context);

// Stands behind every gradient a ManagedNode makes under create_graph: reached, it refuses.
struct NoSecondDerivative : Node {
  std::string label;
  std::string name() const override { return label + "Backward"; }
  variable_list apply(variable_list&&) override {
    TORCH_CHECK(false, label, " has no second derivative: its backward is a managed function that autograd cannot "
                "differentiate. Write it with differentiable operations, which an operator of Memory.Gen is in the form "
                "Reference (OperatorForm.Reference, or MEMORY_GEN_FORM=reference), or do not differentiate its gradient.");
  }
};

struct ManagedNode : Node {
  std::string label;
  Backward backward = nullptr;
  Release release = nullptr;
  int64_t context = 0;
  bool materialize = true;
  bool freed = false;
  std::vector<SavedVariable> saved;

  ~ManagedNode() override {
    if (release) release(context);
  }
  std::string name() const override { return label; }
  void release_variables() override {
    saved.clear();
    freed = true;
  }

  variable_list apply(variable_list&& grads) override {
    TORCH_CHECK(!freed, "Trying to backward through ", label, " a second time: the first backward freed what it had "
                "saved. Pass retain_graph: true to the first one.");
    const bool create_graph = at::GradMode::is_enabled();
    at::AutoGradMode no_graph(false);
    variable_list result = call(grads);
    if (create_graph) refuse_second_derivative(result);
    return result;
  }

 private:
  variable_list call(variable_list& grads) {
    std::vector<Tensor*> in(grads.size()), kept(saved.size()), out(num_outputs(), nullptr);
    for (size_t k = 0; k < grads.size(); k++) {
      if (!grads[k].defined() && materialize) grads[k] = input_metadata(k).zeros_like();
      in[k] = grads[k].defined() ? &grads[k] : nullptr;
    }
    for (size_t k = 0; k < saved.size(); k++) {
      Tensor t = saved[k].unpack(shared_from_this());
      kept[k] = t.defined() ? new Tensor(std::move(t)) : nullptr;
    }
    char message[4096] = {0};
    int32_t failed = backward(context, in.data(), static_cast<int32_t>(in.size()), kept.data(),
                              static_cast<int32_t>(kept.size()), out.data(), static_cast<int32_t>(out.size()), message,
                              static_cast<int32_t>(sizeof message));
    variable_list result;
    for (Tensor* made : out) {
      result.push_back(made ? std::move(*made) : Tensor());
      delete made;
    }
    if (failed) throw std::runtime_error(message);
    return result;
  }

  void refuse_second_derivative(variable_list& result) {
    auto error = std::shared_ptr<NoSecondDerivative>(new NoSecondDerivative, torch::autograd::deleteNode);
    error->label = label;
    error->set_next_edges(torch::autograd::edge_list(next_edges()));
    for (Tensor& r : result) {
      if (!r.defined()) continue;
      r = r.detach();
      torch::autograd::set_history(r, error);
    }
  }
};

bool same(const Tensor& a, const Tensor& b) { return a.unsafeGetTensorImpl() == b.unsafeGetTensorImpl(); }
}  // namespace

// Puts a node between inputs (null: not a tensor) and the outputs of a forward that ran without recording.
// An output that is an input, a view, or already part of a graph is replaced by a detached one.
EXPORT int lt_attach_node(const char* name, Tensor* const* inputs, int32_t n_inputs, Tensor** outputs, int32_t n_outputs,
                          const uint8_t* differentiable, Tensor* const* save, int32_t n_save, int32_t materialize,
                          int64_t context, Backward backward, Release release) {
  return status([&] {
    auto node = std::shared_ptr<ManagedNode>(new ManagedNode, torch::autograd::deleteNode);
    node->label = name;
    node->materialize = materialize != 0;
    node->set_next_edges(torch::autograd::collect_next_edges(list(inputs, n_inputs)));
    for (int32_t k = 0; k < n_outputs; k++) {
      Tensor& y = *outputs[k];
      bool taken = y.is_view() || y.requires_grad();
      for (int32_t i = 0; i < n_inputs && !taken; i++) taken = inputs[i] && same(*inputs[i], y);
      if (taken) {
        // What forward saved may be this very output: keep the identity by changing the shared handle.
        Tensor fresh = y.detach();
        y = std::move(fresh);
      }
      if (differentiable[k]) torch::autograd::set_history(y, node);
      else node->add_input_metadata(y);
    }
    for (int32_t k = 0; k < n_save; k++) {
      const Tensor t = maybe(save[k]);
      node->saved.emplace_back(t, t.defined() && t.grad_fn().get() == node.get());
    }
    node->backward = backward;
    node->context = context;
    node->release = release;
  });
}
