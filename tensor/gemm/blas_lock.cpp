#include "tensor/gemm/blas_lock.h"

#include <dlfcn.h>
#include <sys/mman.h>

#include <cblas.h>

#include <atomic>
#include <cstring>
#include <mutex>
#include <vector>

#include "tensor/error.h"

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

// OpenBLAS keeps the buffers that it has taken: as many as there were products at the same time.
std::mutex counts;
int products = 0, most_products = 0;

// Whether the system would give one.
bool one_more_buffer() {
  constexpr size_t kBytes = size_t{130} << 20;  // 128 MiB in OpenBLAS 0.3 for amd64, and what malloc adds
  void* place = mmap(nullptr, kBytes, PROT_READ | PROT_WRITE, MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
  return place != MAP_FAILED && munmap(place, kBytes) == 0;
}

BlasSafety find_out() {
  const BlasBuffer buffer;
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

BlasBuffer::BlasBuffer() {
  const std::lock_guard lock(counts);
  if (products == most_products) {
    check(one_more_buffer(), "out of memory: a matrix product needs a buffer of 128 MiB, as ", products,
          " others have at this time, and the system gives none");
    ++most_products;
  }
  ++products;
}

BlasBuffer::~BlasBuffer() {
  const std::lock_guard lock(counts);
  --products;
}

BlasSafety blas_safety() {
  static const BlasSafety safety = find_out();
  return safety;
}

}  // namespace tessera::detail
