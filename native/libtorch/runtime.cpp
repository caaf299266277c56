// Errors, lists handed over, random generators, threads, devices.
#include "common.h"
#include <ATen/Context.h>
#include <ATen/CPUGeneratorImpl.h>
#include <ATen/Parallel.h>
#include <ATen/detail/CUDAHooksInterface.h>
#include <c10/core/Stream.h>
#include <c10/core/impl/VirtualGuardImpl.h>
#include <dlfcn.h>

namespace {
thread_local std::string last_error, last_error_full;
thread_local bool has_error = false;
thread_local std::vector<Tensor> kept;
}  // namespace

void remember_error(const char* message, const char* full) noexcept {
  try {
    last_error = message;
    last_error_full = full;
  } catch (...) {
    last_error.clear();
    last_error_full.clear();
  }
  has_error = true;
}

void remember_current_exception() noexcept {
  try {
    throw;
  } catch (const c10::Error& e) {
    remember_error(e.what_without_backtrace(), e.what());
  } catch (const std::exception& e) {
    remember_error(e.what(), e.what());
  } catch (...) {
    remember_error("libtorch threw something that is no std::exception", "");
  }
}

// The last error's message, or null; asking clears it. The text lives until the thread's next error.
EXPORT const char* THSTorch_get_and_reset_last_err() {
  if (!has_error) return nullptr;
  has_error = false;
  return last_error.c_str();
}
// The same error with libtorch's own backtrace.
EXPORT const char* lt_last_error_full() { return last_error_full.c_str(); }

int64_t keep_list(std::vector<Tensor>&& list) noexcept {
  kept = std::move(list);
  return static_cast<int64_t>(kept.size());
}
EXPORT int lt_take_list(Tensor** out) {
  return status([&] {
    for (size_t k = 0; k < kept.size(); k++) out[k] = kept[k].defined() ? new Tensor(std::move(kept[k])) : nullptr;
    kept.clear();
  });
}

EXPORT const char* lt_version() { return TORCH_VERSION; }

// libtorch tells OpenMP and MKL, but not an OpenBLAS with threads of its own: its products would go on with all cores.
EXPORT int lt_set_num_threads(int32_t n) {
  return status([&] {
    at::set_num_threads(n);
    if (void* blas = dlopen("libopenblas.so.0", RTLD_LAZY | RTLD_NOLOAD)) {
      if (void* set = dlsym(blas, "openblas_set_num_threads")) reinterpret_cast<void (*)(int)>(set)(n);
      dlclose(blas);
    }
  });
}
EXPORT int32_t lt_get_num_threads() { return at::get_num_threads(); }
EXPORT int lt_set_num_interop_threads(int32_t n) { return status([&] { at::set_num_interop_threads(n); }); }
EXPORT int32_t lt_get_num_interop_threads() { return static_cast<int32_t>(at::get_num_interop_threads()); }

EXPORT int32_t lt_cuda_is_available() { return at::hasCUDA() ? 1 : 0; }
EXPORT int32_t lt_cuda_device_count() { return static_cast<int32_t>(at::getNumGPUs()); }
EXPORT int lt_cuda_synchronize(int32_t index) {
  return status([&] {
    c10::impl::VirtualGuardImpl guard(at::DeviceType::CUDA);
    auto where = index < 0 ? guard.getDevice() : device(1, index);
    guard.getStream(where).synchronize();
  });
}
EXPORT int32_t lt_cudnn_is_available() { return at::detail::getCUDAHooks().hasCuDNN() ? 1 : 0; }

// Which: 0 cuBLAS TF32, 1 cuDNN TF32, 2 cuBLAS fp16 reduced precision reduction. value -1 only asks.
EXPORT int32_t lt_precision(int32_t which, int32_t value) {
  int32_t answer = 0;
  return status([&] {
    auto& context = at::globalContext();
    if (value >= 0) {
      if (which == 0) context.setAllowTF32CuBLAS(value != 0);
      else if (which == 1) context.setAllowTF32CuDNN(value != 0);
      else context.setAllowFP16ReductionCuBLAS(value != 0);
    }
    answer = which == 0 ? context.allowTF32CuBLAS()
           : which == 1 ? context.allowTF32CuDNN()
                        : static_cast<int32_t>(static_cast<int>(context.allowFP16ReductionCuBLAS()) != 0);
  }) < 0 ? -1 : answer;
}

EXPORT void lt_dispose_generator(const at::Generator* g) { delete g; }
EXPORT at::Generator* lt_default_generator(int32_t device_type, int32_t index) {
  at::Generator* g = nullptr;
  status([&] { g = new at::Generator(at::globalContext().defaultGenerator(device(device_type, index))); });
  return g;
}
EXPORT at::Generator* lt_new_generator(uint64_t seed, int32_t device_type, int32_t index) {
  at::Generator* g = nullptr;
  status([&] {
    auto made = std::make_unique<at::Generator>(
        device_type == 0 ? at::make_generator<at::CPUGeneratorImpl>()
                         : at::globalContext().defaultGenerator(device(device_type, index)).clone());
    made->set_current_seed(seed);
    g = made.release();
  });
  return g;
}
// libtorch's own rule: the CPU generator and, where there is one, every CUDA generator.
EXPORT int lt_manual_seed(int64_t seed) { return status([&] { at::manual_seed(static_cast<uint64_t>(seed)); }); }
EXPORT int lt_generator_set_seed(at::Generator* g, int64_t seed) {
  return status([&] {
    std::lock_guard<std::mutex> lock(g->mutex());
    g->set_current_seed(static_cast<uint64_t>(seed));
  });
}
EXPORT int lt_generator_seed(at::Generator* g, int64_t* out) {
  return status([&] {
    std::lock_guard<std::mutex> lock(g->mutex());
    *out = static_cast<int64_t>(g->seed());
  });
}
EXPORT int64_t lt_generator_initial_seed(const at::Generator* g) { return static_cast<int64_t>(g->current_seed()); }
EXPORT Tensor* lt_generator_get_state(const at::Generator* g) { return tensor([&] { return g->get_state(); }); }
EXPORT int lt_generator_set_state(at::Generator* g, const Tensor* state) {
  return status([&] { g->set_state(*state); });
}
