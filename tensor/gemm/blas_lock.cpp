#include "tensor/gemm/blas_lock.h"

#include <dlfcn.h>

#include <cblas.h>

#include <atomic>
#include <cstring>
#include <mutex>
#include <vector>

// The two functions by which OpenBLAS takes and gives back a buffer. It calls them through the dynamic linker, which
// finds these here first; they pass the call on under a lock. Whether that is so, `blas_safety` finds out.
namespace {

std::mutex buffers;
std::atomic<bool> lock_is_used{false};

}  // namespace

extern "C" __attribute__((visibility("default"))) void* blas_memory_alloc(int position) {
  using Function = void* (*)(int);
  static const auto next = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "blas_memory_alloc"));
  lock_is_used.store(true, std::memory_order_relaxed);
  const std::lock_guard lock(buffers);
  return next(position);
}

extern "C" __attribute__((visibility("default"))) void blas_memory_free(void* buffer) {
  using Function = void (*)(void*);
  static const auto next = reinterpret_cast<Function>(dlsym(RTLD_NEXT, "blas_memory_free"));
  const std::lock_guard lock(buffers);
  next(buffer);
}

namespace tessera::detail {
namespace {

BlasSafety find_out() {
  openblas_set_num_threads(1);
  if (std::strstr(openblas_get_config(), "SINGLE_THREADED") == nullptr) return BlasSafety::library;
  // Beyond the sizes for which some processors' kernels need no buffer.
  constexpr int kSize = 160;
  const std::vector<float> ones(kSize * kSize, 1);
  std::vector<float> product(kSize * kSize);
  cblas_sgemm(CblasRowMajor, CblasNoTrans, CblasNoTrans, kSize, kSize, kSize, 1, ones.data(), kSize, ones.data(), kSize,
              0, product.data(), kSize);
  return lock_is_used.load() ? BlasSafety::buffers : BlasSafety::product;
}

}  // namespace

BlasSafety blas_safety() {
  static const BlasSafety safety = find_out();
  return safety;
}

}  // namespace tessera::detail
