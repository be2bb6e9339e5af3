#include "tests/cuda/mma_probe.h"

#include "tensor/cuda/mma.h"

namespace tessera::test {
namespace {

using namespace cuda;

__global__ void multiply_add_kernel(const unsigned* a, const unsigned* b, float* c) {
  const int lane = lane_index();
  unsigned left[4];
  float sums[4];
  for (int i = 0; i < 4; ++i) left[i] = a[lane * 4 + i];
  for (int i = 0; i < 4; ++i) sums[i] = c[lane * 4 + i];
  multiply_add(sums, left, b[lane * 2], b[lane * 2 + 1]);
  for (int i = 0; i < 4; ++i) c[lane * 4 + i] = sums[i];
}

__global__ void load_matrices_kernel(const bf16* rows, int stride, bool transposed, unsigned* r) {
  bf16* shared = simt::dynamic_shared<bf16>();
  const int lane = lane_index();
  for (int i = 0; i < 8; ++i) shared[lane * stride + i].bits = rows[lane * 8 + i].bits;
  __syncwarp();
  unsigned registers[4];
  if (transposed)
    load_transposed_matrices(registers, shared + lane * stride);
  else
    load_matrices(registers, shared + lane * stride);
  for (int i = 0; i < 4; ++i) r[lane * 4 + i] = registers[i];
}

struct ProductMemory {
  alignas(16) bf16 a[16 * 16];
  alignas(16) bf16 b[16 * 16];  // [16, 8] and 8 columns of zeros, or [8, 16] and 8 rows of zeros
};

__global__ void product_kernel(const bf16* a, const bf16* b, bool b_transposed, float* c) {
  ProductMemory& shared = simt::block_shared<ProductMemory>();
  const int lane = lane_index();
  for (int i = lane; i < 256; i += 32) {
    const int row = i / 16, column = i % 16, k = b_transposed ? column : row, n = b_transposed ? row : column;
    shared.a[i].bits = a[i].bits;
    shared.b[i].bits = n < 8 ? b[b_transposed ? n * 16 + k : k * 8 + n].bits : uint16_t{0};
  }
  __syncwarp();
  unsigned left[4], right[4];
  load_matrices(left, shared.a + lane % 16 * 16 + lane / 16 * 8);
  if (b_transposed)
    load_matrices(right, shared.b + (lane / 16 * 8 + lane % 8) * 16 + lane / 8 % 2 * 8);
  else
    load_transposed_matrices(right, shared.b + lane % 16 * 16 + lane / 16 * 8);
  float sums[4] = {};
  multiply_add(sums, left, right[0], right[1]);
  for (int i = 0; i < 4; ++i) c[(lane / 4 + i / 2 * 8) * 8 + lane % 4 * 2 + i % 2] = sums[i];
}

// A thread copies piece `thread` and hands on its neighbour's.
__global__ void copy_kernel(const bf16* x, bf16* y, int present, CopyMistake mistake) {
  bf16* shared = simt::dynamic_shared<bf16>();
  const int thread = static_cast<int>(threadIdx.x), neighbour = (thread + 1) % static_cast<int>(blockDim.x);
  AsyncCopies copies;
  for (int turn = 0; turn < 2; ++turn) {
    copies.copy(shared + thread * 8, thread < present ? x + thread * 8 : x, thread < present);
    if (mistake != CopyMistake::no_wait) copies.wait();
    if (mistake != CopyMistake::no_barrier) __syncthreads();
    for (int i = 0; i < 8; ++i) y[neighbour * 8 + i].bits = shared[neighbour * 8 + i].bits;
    copies.wait();
    if (mistake != CopyMistake::overwrites) __syncthreads();
  }
}

}  // namespace

void probe_multiply_add(const unsigned* a, const unsigned* b, float* c) {
  simt::launch<multiply_add_kernel>(1, 32, 0, a, b, c);
}

void probe_load_matrices(const bf16* rows, int stride, bool transposed, unsigned* r) {
  const size_t bytes = static_cast<size_t>(32 * stride) * sizeof(bf16);
  simt::launch<load_matrices_kernel>(1, 32, bytes, rows, stride, transposed, r);
}

void probe_product(const bf16* a, const bf16* b, bool b_transposed, float* c) {
  simt::launch<product_kernel>(1, 32, 0, a, b, b_transposed, c);
}

void probe_copy(const bf16* x, bf16* y, int count, int present, CopyMistake mistake) {
  simt::launch<copy_kernel>(1, static_cast<unsigned>(count), static_cast<size_t>(count) * 16, x, y, present, mistake);
}

}  // namespace tessera::test
