// The choice between the ways of tensor/gemm/gemm_kernels.h, and f32 operands split in two bf16.
#include "tensor/gemm/gemm_kernels.h"

#include <utility>

#include "tensor/cuda/memory.h"
#include "tensor/cuda/warp.h"
#include "tensor/gemm/precision.h"

namespace tessera::cuda {
namespace {

constexpr int kSplitThreads = 128;

// Where the pieces of a split operand lie: high ones at 0 and at second_high, low ones at `low` elements, rows ld
// apart.
struct SplitPlaces {
  int64_t ld, second_high, low, batch;
};

// A row, or kSplitThreads columns of one, for each block. x [batch, rows, columns] with any strides.
__global__ void __launch_bounds__(kSplitThreads)
    split_kernel(GemmOperand x, int64_t rows, int64_t columns, int64_t blocks_per_row, bf16* out, SplitPlaces places) {
  const int64_t block = blockIdx.x, row = block / blocks_per_row % rows, item = block / blocks_per_row / rows;
  const int64_t column = block % blocks_per_row * kSplitThreads + threadIdx.x;
  if (column >= columns) return;
  const float value = static_cast<const float*>(x.data)[item * x.batch + row * x.row + column * x.column];
  const bf16 high = simt::from_float<bf16>(value);
  bf16* to = out + item * places.batch + row * places.ld + column;
  to[0] = high;
  to[places.second_high] = high;
  to[places.low] = simt::from_float<bf16>(value - simt::to_float(high));
}

class Workspace {
 public:
  explicit Workspace(int64_t elements)
      : data_(static_cast<bf16*>(allocate(elements * int64_t{sizeof(bf16)}, sizeof(bf16), "split operand"))) {}
  ~Workspace() { release(data_); }
  Workspace(const Workspace&) = delete;
  Workspace& operator=(const Workspace&) = delete;
  bf16* data() { return data_; }

 private:
  bf16* data_;
};

// An operand [outer, k] or [k, outer] with three times the depth: pieces side by side where k is the fast dimension of
// memory, below each other where it is the slow one. Rows begin at multiples of 16 bytes, as tensor cores like them.
class SplitOperand {
 public:
  // `first` and `second`: the strides of x in `outer` and k. `left`: h h l; else h l h.
  SplitOperand(const GemmOperand& x, int64_t outer, int64_t k, int64_t outer_stride, int64_t k_stride, bool left,
               int64_t batch)
      : deep_rows_(k_stride == 1 || outer_stride != 1),
        ld_(((deep_rows_ ? 3 * k : outer) + 7) / 8 * 8),
        size_((deep_rows_ ? outer : 3 * k) * ld_),
        items_(x.batch == 0 ? 1 : batch),
        memory_(items_ * size_) {
    const int64_t rows = deep_rows_ ? outer : k, columns = deep_rows_ ? k : outer;
    const int64_t piece = deep_rows_ ? k : k * ld_, blocks_per_row = (columns + kSplitThreads - 1) / kSplitThreads;
    GemmOperand from{x.data, outer_stride, k_stride, x.batch};
    if (!deep_rows_) std::swap(from.row, from.column);
    const int64_t blocks = items_ * rows * blocks_per_row;
    check(blocks < int64_t{1} << 31, "cuda: split operand of ", items_, " x [", rows, ", ", columns, "] is too large");
    simt::launch<split_kernel>(dim3(static_cast<unsigned>(blocks)), kSplitThreads, 0, from, rows, columns,
                               blocks_per_row, memory_.data(),
                               SplitPlaces{ld_, left ? piece : 2 * piece, left ? 2 * piece : piece, size_});
  }
  const void* data() { return memory_.data(); }
  int64_t outer_stride() const { return deep_rows_ ? ld_ : 1; }
  int64_t k_stride() const { return deep_rows_ ? 1 : ld_; }
  int64_t batch_stride() const { return items_ == 1 ? 0 : size_; }

 private:
  bool deep_rows_;
  int64_t ld_, size_, items_;
  Workspace memory_;
};

void multiply(const Gemm& g) {
  if (g.k > 0 && library_gemm(g)) return;
  note_plain_product();
  plain_gemm(g);
}

void multiply_split(const Gemm& product) {
  Gemm g = product;
  SplitOperand a(g.a, g.m, g.k, g.a.row, g.a.column, true, g.batch);
  SplitOperand b(g.b, g.n, g.k, g.b.column, g.b.row, false, g.batch);
  g.dtype = DType::bf16;
  g.k *= 3;
  g.a = {a.data(), a.outer_stride(), a.k_stride(), a.batch_stride()};
  g.b = {b.data(), b.k_stride(), b.outer_stride(), b.batch_stride()};
  multiply(g);
}

}  // namespace

void gemm(const Gemm& product) {
  Gemm g = product;
  check(g.m >= 0 && g.n >= 0 && g.k >= 0 && g.batch >= 0, "cuda: product of ", g.batch, " x [", g.m, ", ", g.k,
        "] and [", g.k, ", ", g.n, "], expected no negative sizes");
  check((g.dtype == DType::f32 && g.c_dtype == DType::f32) ||
            (g.dtype == DType::bf16 && (g.c_dtype == DType::f32 || g.c_dtype == DType::bf16)),
        "cuda: product of ", g.dtype, " operands into ", g.c_dtype, ", expected f32 into f32 or bf16 into f32 or bf16");
  if (g.ldc == 0) g.ldc = g.n;
  if (g.m == 0 || g.n == 0 || g.batch == 0) return;
  if (g.dtype == DType::f32 && g.k > 0 && matmul_precision() == MatmulPrecision::high)
    multiply_split(g);
  else
    multiply(g);
}

}  // namespace tessera::cuda
