// Small float tensors on the CPU, past libtorch's dispatcher and malloc: a model that decodes makes a hundred of them a token.
#pragma once
#include "common.h"

// Whether x is as lt_empty makes it: float on the CPU, contiguous, no view, nothing lazy about it.
bool is_small(const Tensor& x);

// One that was kept, uninitialized; null where there is none of such sizes, or in a mode that at::empty is for.
Tensor* take_small(at::IntArrayRef sizes);

// Keeps a tensor that is given back for take_small, where nobody else has it; false leaves it to the caller.
bool keep_small(const Tensor* x);

// A tensor of the shape of x.
inline Tensor* small_like(const Tensor& x) {
  Tensor* kept = take_small(x.sizes());
  return kept ? kept : tensor([&] { return at::empty(x.sizes(), at::kFloat); });
}
