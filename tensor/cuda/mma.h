// Tensor cores, as far as kernels need them: a warp's product of 16 x 16 by 16 x 8 matrices of bf16 with sums in f32,
// fragments of such matrices from shared memory, and copies that run beside the arithmetic. For sm_80 and later.
// Include from .cu files.
//
// nvcc gets inline PTX. In emulation the same functions move the same elements between the same lanes, as the PTX ISA
// documents them, so that whatever a kernel builds from them is tested where there is no GPU: "Matrix Fragments for
// mma.m16n8k16 with floating point type" and "Warp-level matrix load instruction: ldmatrix" (9.7.14.5.8 and 9.7.14.5.15
// of version 9.2), "cp.async" among the data movement instructions. With g = lane / 4 and t = lane % 4 a lane holds,
// low half of a register first:
//
//   a[0], a[1], a[2], a[3]   A [16, 16]: (g, 2t .. 2t+1), (g+8, 2t ..), (g, 2t+8 ..), (g+8, 2t+8 ..)
//   b0, b1                   B [16, 8]:  (2t .. 2t+1, g), (2t+8 .. 2t+9, g)
//   c[0], c[1], c[2], c[3]   C [16, 8]:  (g, 2t), (g, 2t+1), (g+8, 2t), (g+8, 2t+1)
//
// All of them are for whole warps: each lane has to arrive.
#pragma once

#include "tensor/cuda/warp.h"

#ifdef __CUDACC__
#define TESSERA_UNROLL _Pragma("unroll")
#else
#define TESSERA_UNROLL
#include <cstdlib>
#endif

namespace tessera::cuda {

#ifdef __CUDACC__

namespace mma_detail {
__device__ __forceinline__ unsigned shared_address(const void* p) {
  return static_cast<unsigned>(__cvta_generic_to_shared(p));
}
}  // namespace mma_detail

// Four 8 x 8 matrices: lane 8 i + r gives the address of row r of matrix i, 16 bytes, aligned to 16. r[i] becomes
// elements (g, 2t) and (g, 2t+1) of matrix i.
__device__ __forceinline__ void load_matrices(unsigned (&r)[4], const bf16* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(mma_detail::shared_address(row))
               : "memory");
}

// The same of the transposed matrices: r[i] becomes elements (2t, g) and (2t+1, g) of matrix i.
__device__ __forceinline__ void load_transposed_matrices(unsigned (&r)[4], const bf16* row) {
  asm volatile("ldmatrix.sync.aligned.m8n8.x4.trans.shared.b16 {%0, %1, %2, %3}, [%4];"
               : "=r"(r[0]), "=r"(r[1]), "=r"(r[2]), "=r"(r[3])
               : "r"(mma_detail::shared_address(row))
               : "memory");
}

// C += A B.
__device__ __forceinline__ void multiply_add(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1) {
  asm volatile(
      "mma.sync.aligned.m16n8k16.row.col.f32.bf16.bf16.f32 {%0, %1, %2, %3}, {%4, %5, %6, %7}, {%8, %9}, "
      "{%0, %1, %2, %3};"
      : "+f"(c[0]), "+f"(c[1]), "+f"(c[2]), "+f"(c[3])
      : "r"(a[0]), "r"(a[1]), "r"(a[2]), "r"(a[3]), "r"(b0), "r"(b1));
}

// Two numbers as bf16 in a register, the first in its low half.
__device__ __forceinline__ unsigned pack_pair(float low, float high) {
  return static_cast<unsigned>(simt::from_float<bf16>(low).bits) |
         static_cast<unsigned>(simt::from_float<bf16>(high).bits) << 16;
}

// Stores such a pair at `to`, which is aligned to 4 bytes.
__device__ __forceinline__ void store_pair(bf16* to, unsigned pair) { *reinterpret_cast<unsigned*>(to) = pair; }

// 2^x to two ulp; subnormal numbers count as 0, and 2^-inf is 0.
__device__ __forceinline__ float fast_exp2(float x) {
  float y;
  asm("ex2.approx.ftz.f32 %0, %1;" : "=f"(y) : "f"(x));
  return y;
}

// A thread's copies from global to shared memory, which run while it goes on.
class AsyncCopies {
 public:
  // 16 bytes, both ends aligned to 16; zeros, and nothing is read, unless `present` (`from` is a valid address all the
  // same). Between here and wait() the destination holds anything.
  __device__ __forceinline__ void copy(bf16* to, const bf16* from, bool present) {
    asm volatile("cp.async.cg.shared.global [%0], [%1], 16, %2;"
                 :
                 : "r"(mma_detail::shared_address(to)), "l"(__cvta_generic_to_global(from)), "r"(present ? 16 : 0)
                 : "memory");
  }
  // All of this thread's copies have arrived. The other threads' have after a __syncthreads() that follows their own
  // wait().
  __device__ __forceinline__ void wait() { asm volatile("cp.async.wait_all;" ::: "memory"); }
};

#else

namespace mma_detail {

using Row = unsigned __attribute__((vector_size(16), may_alias));
using Word = unsigned __attribute__((may_alias));

inline uint64_t two_words(unsigned low, unsigned high) { return low | uint64_t{high} << 32; }
inline float low_half(unsigned pair) { return __uint_as_float(pair << 16); }
inline float high_half(unsigned pair) { return __uint_as_float(pair & 0xffff0000u); }

// Every lane's row of 16 bytes, as two halves to be shuffled.
struct LaneRow {
  simt::Site site;
  uint64_t halves[2];

  // Word `word` (two elements) of the row that lane `source` holds; `word` may differ from lane to lane.
  unsigned word_of(int source, int word) const {
    const uint64_t first = simt::shuffle(site, kAllLanes, halves[0], source);
    const uint64_t second = simt::shuffle(site, kAllLanes, halves[1], source);
    return static_cast<unsigned>((word < 2 ? first : second) >> word % 2 * 32);
  }
};

TESSERA_ALWAYS_INLINE LaneRow read_row(simt::Site site, const bf16* row) {
  const Row words = *reinterpret_cast<const Row*>(row);
  return {site, {two_words(words[0], words[1]), two_words(words[2], words[3])}};
}

// Elements 2t, 2t+1, 2t+8 and 2t+9 of `values`, from a lane's two registers.
inline void spread(uint64_t registers, int t, float (&values)[16]) {
  const auto first = static_cast<unsigned>(registers), second = static_cast<unsigned>(registers >> 32);
  values[2 * t] = low_half(first);
  values[2 * t + 1] = high_half(first);
  values[2 * t + 8] = low_half(second);
  values[2 * t + 9] = high_half(second);
}

inline float dot16(const float (&a)[16], const float (&b)[16]) {
  float sum = 0;
  for (int i = 0; i < 16; ++i) sum += a[i] * b[i];
  return sum;
}

}  // namespace mma_detail

TESSERA_ALWAYS_INLINE void load_matrices(unsigned (&r)[4], const bf16* row, TESSERA_SIMT_SITE) {
  const mma_detail::LaneRow mine = mma_detail::read_row({"ldmatrix", file, line}, row);
  const int lane = lane_index();
  for (int i = 0; i < 4; ++i) r[i] = mine.word_of(8 * i + lane / 4, lane % 4);
}

TESSERA_ALWAYS_INLINE void load_transposed_matrices(unsigned (&r)[4], const bf16* row, TESSERA_SIMT_SITE) {
  const mma_detail::LaneRow mine = mma_detail::read_row({"ldmatrix.trans", file, line}, row);
  const int column = lane_index() / 4, first_row = lane_index() % 4 * 2;
  for (int i = 0; i < 4; ++i) {
    const unsigned low = mine.word_of(8 * i + first_row, column / 2) >> column % 2 * 16;
    const unsigned high = mine.word_of(8 * i + first_row + 1, column / 2) >> column % 2 * 16;
    r[i] = (low & 0xffffu) | high << 16;
  }
}

// Lane 4 row + t holds elements of A's rows `row` and row + 8, lane 4 column + t of B's column.
inline void multiply_add(float (&c)[4], const unsigned (&a)[4], unsigned b0, unsigned b1, TESSERA_SIMT_SITE) {
  const simt::Site site{"mma", file, line};
  const auto from = [&](unsigned first, unsigned second, int source) {
    return simt::shuffle(site, kAllLanes, mma_detail::two_words(first, second), source);
  };
  const int g = lane_index() / 4, column = lane_index() % 4 * 2;
  float rows[2][16], columns[2][16];
  for (int t = 0; t < 4; ++t) {
    mma_detail::spread(from(a[0], a[2], 4 * g + t), t, rows[0]);
    mma_detail::spread(from(a[1], a[3], 4 * g + t), t, rows[1]);
    mma_detail::spread(from(b0, b1, 4 * column + t), t, columns[0]);
    mma_detail::spread(from(b0, b1, 4 * (column + 1) + t), t, columns[1]);
  }
  for (int i = 0; i < 4; ++i) c[i] += mma_detail::dot16(rows[i / 2], columns[i % 2]);
}

inline unsigned pack_pair(float low, float high) {
  return simt::from_float<bf16>(low).bits | static_cast<unsigned>(simt::from_float<bf16>(high).bits) << 16;
}

TESSERA_ALWAYS_INLINE void store_pair(bf16* to, unsigned pair) { *reinterpret_cast<mma_detail::Word*>(to) = pair; }

inline float fast_exp2(float x) { return std::exp2(x); }

// The destination is NaN between copy(), the earliest that the GPU may write it, and wait(), the latest: the checker
// sees a write at both ends.
class AsyncCopies {
 public:
  TESSERA_ALWAYS_INLINE void copy(bf16* to, const bf16* from, bool present) {
    if (count_ == kMost) std::abort();
    mma_detail::Row data{};
    if (present) data = *reinterpret_cast<const mma_detail::Row*>(from);
    pending_[count_++] = {to, data};
    *reinterpret_cast<mma_detail::Row*>(to) = mma_detail::Row{} - 1;
  }
  TESSERA_ALWAYS_INLINE void wait() {
    for (int i = 0; i < count_; ++i) *reinterpret_cast<mma_detail::Row*>(pending_[i].to) = pending_[i].data;
    count_ = 0;
  }

 private:
  static constexpr int kMost = 64;
  struct Pending {
    bf16* to;
    mma_detail::Row data;
  };
  Pending pending_[kMost];
  int count_ = 0;
};

#endif

}  // namespace tessera::cuda
