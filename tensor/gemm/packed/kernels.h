// What a variant of the products supplies: a kernel that multiplies packed strips, and the loops of packing that are
// worth writing with its instructions. The files kernels_*.cpp are compiled with flags that other code must not be
// compiled with, so that they may include nothing that defines functions which the linker could share: of this project,
// only this.
//
// ## How operands are packed
//
// An operand of C [m, n] = A [m, k] · B [k, n] is a set of vectors of length k: the rows of A, the columns of B.
// Sixteen vectors make a strip. k is padded with zeros to a multiple of 32; a strip holds its vectors *in pairs along
// k*, as vdpbf16ps and AMX read the right operand (VNNI order):
//
//   strip s, vector v in it, position l of k:   word [s][l / 2][v], half l % 2
//
// so a 64-byte line holds one pair of all sixteen vectors, and element (vector j, position l) of a packed matrix of
// padded depth K lies at ((j / 16 · K / 2 + l / 2) · 16 + j % 16) · 2 + l % 2, counted in bf16. Any part of k that
// begins at a multiple of 32 is contiguous in every strip.
//
// The right operand has this form for every instruction set, so that packed weights do not depend on the choice; the
// left one is packed block by block in the form that the kernel wants (LeftLayout).
#pragma once

#include <cstdint>

namespace tessera::products {

inline constexpr int64_t kStrip = 16;      // vectors in a strip
inline constexpr int64_t kDepthUnit = 32;  // k is padded to a multiple of this

enum class LeftLayout : uint8_t {
  pairs,  // as above: [k / 2][16][2] bf16; a pair of one row is broadcast to all columns
  rows,   // [k / 32][16][32] bf16: each block is an AMX tile, its rows contiguous
  wide,   // [k][16] f32: for kernels that multiply in f32 and would otherwise widen a pair in every use
};

// sums [16 · left_strips, 16 · right_strips] (rows `ld` apart) = or += left · right over `depth`.
struct KernelCall {
  const void* left;
  int64_t left_stride;  // bytes from one left strip to the next
  const uint16_t* right;
  int64_t right_stride;               // bf16 from one right strip to the next
  int64_t left_strips, right_strips;  // at least 1, at most those of the kernel
  int64_t depth;                      // a multiple of the kernel's unit, above 0
  float* sums;
  int64_t ld;
  bool add;
};

// The same for a left operand that is not packed: pair l of row i lies at left + i · left_row + l · left_pair, in bf16.
// Sums [rows, 16 · right_strips]. `in_order`: the bits are those of `multiply`, whatever the number of rows; without, a
// few rows may be summed faster.
struct PairsCall {
  const uint16_t* left;
  int64_t left_row, left_pair;
  const uint16_t* right;
  int64_t right_stride;
  int64_t rows, right_strips;
  int64_t depth;  // even, above 0
  float* sums;
  int64_t ld;
  bool add;
  bool in_order = false;
};

struct Kernels {
  LeftLayout left_layout;
  int64_t left_strips, right_strips;  // the most that one call multiplies
  int64_t depth_unit;                 // 2, a pair, or 32, a tile
  void (*begin)();                    // on a thread, before a series of calls; may be null
  void (*end)();                      // after it
  void (*multiply)(const KernelCall& call);
  void (*multiply_pairs)(const PairsCall& call) = nullptr;  // null where the left operand has to be packed
  // Nothing but the kernel's multiplying instruction, on registers, `rounds` times a few; returns the floating-point
  // operations done. For measuring the peak that products are compared with.
  double (*peak)(int64_t rounds);
  // to [16][16] = the transpose of 16 rows of sixteen 32-bit words (each two bf16), `stride` bf16 apart.
  void (*transpose_words)(const uint16_t* from, int64_t stride, uint16_t* to);
  // to [16][16][2] = 32 rows of 16 bf16, `stride` apart, in pairs of rows.
  void (*interleave)(const uint16_t* from, int64_t stride, uint16_t* to);
  // to = from, 16 · count of them, rounded to bf16 (nearest even; NaN stays NaN).
  void (*round)(const float* from, int64_t count, uint16_t* to);
  // high + low = from up to 2⁻¹⁶ of its magnitude: high is from rounded to bf16, low the rest, rounded (0 if high is
  // not finite).
  void (*split)(const float* from, int64_t count, uint16_t* high, uint16_t* low);
};

extern const Kernels kPortableKernels;
#if defined(__x86_64__) && defined(__linux__)
extern const Kernels kAvx2Kernels, kAvx512Kernels, kAvx512Bf16Kernels, kAmxKernels;
#endif

}  // namespace tessera::products
