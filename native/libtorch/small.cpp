// Tensors that are given back are kept by their thread, whole, and handed out again: one made anew is four blocks of memory.
#include "small.h"
#include <ATen/EmptyTensor.h>
#include <c10/core/InferenceMode.h>

namespace {

constexpr int64_t MostElements = 1 << 15, MostKept = 1 << 20;  // of a tensor, of a thread
constexpr int Stacks = 64, Each = 16;

// Tensors may go after a thread's own variables have.
thread_local bool thread_ends = false;

struct Kept {
  // Of one number of elements, whatever their shapes were.
  struct Stack {
    int64_t elements = 0;
    int count = 0;
    Tensor* tensors[Each];
  } stacks[Stacks];
  int64_t elements = 0;

  ~Kept() {
    thread_ends = true;
    for (Stack& stack : stacks)
      while (stack.count > 0) delete stack.tensors[--stack.count];
  }

  Stack& of(int64_t elements) { return stacks[static_cast<uint64_t>(elements) * 0x9E3779B97F4A7C15u >> 58]; }
};

thread_local Kept kept;

c10::DispatchKeySet plain_keys() {
  static const c10::DispatchKeySet keys = [] {
    c10::InferenceMode off(false);
    return Tensor(at::detail::empty_cpu({1}, at::kFloat)).key_set();
  }();
  return keys;
}

}  // namespace

bool is_small(const Tensor& x) {
  return x.defined() && x.numel() <= MostElements && x.scalar_type() == at::kFloat && x.key_set() == plain_keys() && x.is_contiguous() && x.storage_offset() == 0;
}

Tensor* take_small(at::IntArrayRef sizes) {
  int64_t elements = 1;
  for (int64_t size : sizes) {
    if (size <= 0 || size > MostElements) return nullptr;
    elements *= size;
    if (elements > MostElements) return nullptr;
  }
  if (sizes.empty() || thread_ends || c10::InferenceMode::is_enabled()) return nullptr;
  Kept::Stack& stack = kept.of(elements);
  if (stack.count == 0 || stack.elements != elements) return nullptr;
  Tensor* x = stack.tensors[--stack.count];
  kept.elements -= elements;
  if (x->sizes() != sizes) x->unsafeGetTensorImpl()->set_sizes_contiguous(sizes);
  return x;
}

bool keep_small(const Tensor* x) {
  if (thread_ends || !x->defined() || x->use_count() != 1 || x->weak_use_count() != 1 || x->dim() == 0 || !is_small(*x)) return false;
  const int64_t elements = x->numel();
  const c10::TensorImpl* impl = x->unsafeGetTensorImpl();
  if (elements == 0 || impl->autograd_meta() || impl->has_named_tensor_meta() || !x->has_storage()) return false;
  const c10::Storage& storage = x->storage();
  if (storage.use_count() != 1 || storage.nbytes() != static_cast<size_t>(elements) * sizeof(float) || storage.allocator() != c10::GetAllocator(c10::kCPU)) return false;
  Kept::Stack& stack = kept.of(elements);
  if (stack.count == 0) stack.elements = elements;
  if (stack.elements != elements || stack.count == Each || kept.elements + elements > MostKept) return false;
  kept.elements += elements;
  stack.tensors[stack.count++] = const_cast<Tensor*>(x);
  return true;
}
