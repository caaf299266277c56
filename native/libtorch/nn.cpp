// What neural-network functions need beyond arithmetic.
#include "common.h"

EXPORT Tensor* lt_linear(const Tensor* x, const Tensor* weight, const Tensor* bias) {
  return tensor([&] { return at::linear(*x, *weight, maybe_tensor(bias)); });
}
EXPORT Tensor* lt_embedding(const Tensor* weight, const Tensor* indices, int64_t padding_index, int32_t scale_by_frequency, int32_t sparse) {
  return tensor([&] { return at::embedding(*weight, *indices, padding_index, scale_by_frequency != 0, sparse != 0); });
}
EXPORT Tensor* lt_layer_norm(const Tensor* x, const int64_t* shape, int32_t n, const Tensor* weight, const Tensor* bias, double eps) {
  return tensor([&] { return at::layer_norm(*x, ints(shape, n), maybe_tensor(weight), maybe_tensor(bias), eps); });
}
EXPORT Tensor* lt_group_norm(const Tensor* x, int64_t groups, const Tensor* weight, const Tensor* bias, double eps) {
  return tensor([&] { return at::group_norm(*x, groups, maybe_tensor(weight), maybe_tensor(bias), eps); });
}
EXPORT Tensor* lt_dropout(const Tensor* x, double p, int32_t train) {
  return tensor([&] { return at::dropout(*x, p, train != 0); });
}
EXPORT int lt_dropout_(Tensor* x, double p, int32_t train) {
  return status([&] { at::dropout_(*x, p, train != 0); });
}
// Reduction: 0 none, 1 mean, 2 sum, everywhere.
EXPORT Tensor* lt_cross_entropy(const Tensor* x, const Tensor* target, const Tensor* weight, int64_t reduction, int64_t ignore_index, double label_smoothing) {
  return tensor([&] {
    return at::cross_entropy_loss(*x, *target, maybe_tensor(weight), reduction, ignore_index, label_smoothing);
  });
}
EXPORT Tensor* lt_nll_loss(const Tensor* x, const Tensor* target, const Tensor* weight, int64_t reduction, int64_t ignore_index) {
  return tensor([&] { return at::nll_loss_nd(*x, *target, maybe_tensor(weight), reduction, ignore_index); });
}
EXPORT Tensor* lt_mse_loss(const Tensor* x, const Tensor* target, int64_t reduction) {
  return tensor([&] { return at::mse_loss(*x, *target, reduction); });
}
EXPORT Tensor* lt_l1_loss(const Tensor* x, const Tensor* target, int64_t reduction) {
  return tensor([&] { return at::l1_loss(*x, *target, reduction); });
}
EXPORT Tensor* lt_binary_cross_entropy_with_logits(const Tensor* x, const Tensor* target, const Tensor* weight, const Tensor* positive_weight, int64_t reduction) {
  return tensor([&] {
    return at::binary_cross_entropy_with_logits(*x, *target, maybe_tensor(weight), maybe_tensor(positive_weight), reduction);
  });
}
EXPORT Tensor* lt_one_hot(const Tensor* x, int64_t classes) { return tensor([&] { return at::one_hot(*x, classes); }); }
EXPORT Tensor* lt_conv1d(const Tensor* x, const Tensor* weight, const Tensor* bias, int64_t stride, int64_t padding, int64_t dilation, int64_t groups) {
  return tensor([&] {
    return at::conv1d(*x, *weight, maybe_tensor(bias), at::IntArrayRef({stride}), at::IntArrayRef({padding}),
                      at::IntArrayRef({dilation}), groups);
  });
}
// Modes as in PaddingModes: 0 zeros, 1 reflect, 2 replicate, 3 circular, 4 constant.
EXPORT Tensor* lt_pad(const Tensor* x, const int64_t* widths, int32_t n, int32_t mode, double value) {
  static const char* const names[] = {"constant", "reflect", "replicate", "circular", "constant"};
  return tensor([&] {
    return at::pad(*x, ints(widths, n), names[mode], mode == 0 || mode == 4 ? optional<double>(mode == 0 ? 0.0 : value) : optional<double>());
  });
}
EXPORT Tensor* lt_glu(const Tensor* x, int64_t dim) { return tensor([&] { return at::glu(*x, dim); }); }
EXPORT Tensor* lt_cosine_similarity(const Tensor* x, const Tensor* y, int64_t dim, double eps) {
  return tensor([&] { return at::cosine_similarity(*x, *y, dim, eps); });
}
