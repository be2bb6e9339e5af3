// The count of products that cuBLASLt has not taken (tensor/gemm/gemm_kernels.h).
#include <atomic>

#include "tensor/gemm/gemm_kernels.h"

namespace tessera::cuda {
namespace {

std::atomic<int64_t> count = 0;

}  // namespace

int64_t plain_products() { return count; }
void note_plain_product() { ++count; }

}  // namespace tessera::cuda
