// Matrix products on the GPU: cuBLASLt (tensor/cuda/cublaslt.cu), and behind the same call a kernel of our own
// (tensor/ops/matmul.cu), which the emulation runs, which the other is compared with, and which takes what cuBLASLt has
// no algorithm for.
//
// Of cuBLASLt's epilogues the bias alone is used. Its GELU is the tanh form, not the exact one; its bias gradient can
// only overwrite, and nothing is said of how its sums are formed (tensor/ops/linear_kernels.h has both).
#pragma once

#include <cstdint>

#include "tensor/dtype.h"

namespace tessera::cuda {

// A matrix in the device's memory: element (i, j) is data[i · row + j · column], that of item b of a batch data[b ·
// batch + ...]. cuBLASLt reads any matrix one of whose strides is 1 and the other large enough; a batch stride of 0
// repeats the matrix.
struct GemmOperand {
  const void* data = nullptr;
  int64_t row = 0, column = 1, batch = 0;
};

// C [m, n] = A [m, k] · B [k, n] + bias [n], added to what is there if `accumulate`. Sums are f32; a bf16 C is rounded
// once. Sizes of 0 are allowed; k = 0 is a product of zeros. C overlaps no operand. The three products of a linear
// layer y = x Wᵀ (x [tokens, in], W [out, in], both contiguous):
//
//   y  = x · Wᵀ    a {x, in, 1}     b {W, 1, in}
//   dx = dy · W    a {dy, out, 1}   b {W, in, 1}
//   dW = dyᵀ · x   a {dy, 1, out}   b {x, in, 1}
//
// f32 operands: as matmul_precision() says (tensor/gemm/precision.h). `highest`: f32 arithmetic. `high`: each is
// split in two bf16, and one product of three times the depth, [h h l] · [h l h]ᵀ, gives h·h + h·l + l·h. `tf32`:
// operands reduced to 11 bits by the tensor cores (by cuBLASLt alone; our kernel keeps all bits). bf16 operands have
// exact products at any setting.
struct Gemm {
  int64_t m = 0, n = 0, k = 0;
  DType dtype = DType::f32;  // of A and B: f32 or bf16
  GemmOperand a{}, b{};
  DType c_dtype = DType::f32;  // of C and the bias: f32, or bf16 where the operands are
  void* c = nullptr;
  int64_t ldc = 0;             // from row to row, at least n; 0: n
  int64_t batch_c = 0;         // from item to item
  const void* bias = nullptr;  // of every item; null: none
  bool accumulate = false;
  int64_t batch = 1;
};

// Products that cuBLASLt has not taken since the process began. On a GPU more than a few of a large model are worth a
// look: our own kernel is many times slower.
int64_t plain_products();
void note_plain_product();  // for gemm

// The bits of a result depend on sizes, strides and alignment, never on the order of threads. Thread-safe.
void gemm(const Gemm& product);

// The same by our own kernel, always in f32 arithmetic.
void plain_gemm(const Gemm& product);

// By cuBLASLt; false if it is not there for such a product (in emulation: never), or has no algorithm for it. Not for
// sizes of 0. Throws if the library cannot be loaded. bf16 C wants a bf16 bias because cuBLASLt does.
bool library_gemm(const Gemm& product);

}  // namespace tessera::cuda
