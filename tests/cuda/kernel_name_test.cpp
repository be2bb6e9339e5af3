#include "tensor/cuda/kernel_name.h"

#include <doctest/doctest.h>

namespace tessera::cuda::kernel_name_test {

TEST_CASE("kernel names: as g++, clang and nvcc spell them") {
  CHECK(kernel_name("void tessera::simt::launch(dim3) [with auto kernel = tessera::cuda::{anonymous}::softmax_kernel<"
                    "tessera::bf16, 4>; Arguments = {float*}]") == "softmax_kernel<bf16, 4>");
  CHECK(kernel_name("void tessera::simt::launch(dim3) [kernel = &tessera::cuda::(anonymous namespace)::add_kernel, "
                    "Arguments = <float *>]") == "add_kernel");
  CHECK(kernel_name("void tessera::simt::launch(dim3) [with auto kernel = tessera::cuda::_GLOBAL__N__8411f79b_10_"
                    "softmax_cu_50b3925b_22499::softmax_kernel<float>; Arguments = {int}]") == "softmax_kernel<float>");
  CHECK(kernel_name("gemm_kernel") == "gemm_kernel");
  CHECK(kernel_name("_GLOBAL__N_") == "");
}

}  // namespace tessera::cuda::kernel_name_test
