#include "tensor/ops/dropout_mask.h"

#include <algorithm>
#include <cstring>

#if defined(__AVX2__)
#include <immintrin.h>
#endif

namespace tessera::ops {
namespace {

// A vector of 64-bit lanes as wide as the machine's registers. A 32-bit counter word lies in the low half of its lane;
// what the upper half holds is never used.
#if defined(__AVX512F__)
using Lanes [[gnu::vector_size(64)]] = uint64_t;
constexpr Lanes kLane = {0, 1, 2, 3, 4, 5, 6, 7};
constexpr Lanes kLowerHalves = {0, 8, 1, 9, 2, 10, 3, 11}, kUpperHalves = {4, 12, 5, 13, 6, 14, 7, 15};
#else
using Lanes [[gnu::vector_size(32)]] = uint64_t;
constexpr Lanes kLane = {0, 1, 2, 3};
constexpr Lanes kLowerHalves = {0, 4, 1, 5}, kUpperHalves = {2, 6, 3, 7};
#endif
constexpr int kWidth = sizeof(Lanes) / 8;

// The full products of the low halves. Vector machines have an instruction for it, which compilers do not find.
inline Lanes multiply_low_halves(Lanes a, uint32_t factor) {
#if defined(__AVX512F__)
  return reinterpret_cast<Lanes>(_mm512_maskz_mul_epu32(0xff, reinterpret_cast<__m512i>(a), _mm512_set1_epi64(factor)));
#elif defined(__AVX2__)
  return reinterpret_cast<Lanes>(_mm256_mul_epu32(reinterpret_cast<__m256i>(a), _mm256_set1_epi64x(factor)));
#else
  return (a & uint64_t{0xffffffff}) * factor;
#endif
}

// One group: the words of `lanes` blocks whose counters differ only in their low word, low + lane, which does not wrap.
// Its readable twin is `philox4x32`.
template <int lanes>
void philox_group(uint32_t low, uint32_t high, const Ticket& ticket, uint32_t* __restrict out) {
  constexpr int kVectors = lanes / kWidth;
  Lanes c0[kVectors], c1[kVectors], c2[kVectors], c3[kVectors];
  for (int v = 0; v < kVectors; ++v) {
    c0[v] = kLane + (low + static_cast<uint64_t>(kWidth * v));
    c1[v] = Lanes{} + high;
    c2[v] = Lanes{} + ticket.stream;
    c3[v] = Lanes{} + ticket.step;
  }
  uint64_t key0 = ticket.seed & 0xffffffff, key1 = ticket.seed >> 32;
#pragma GCC unroll 10
  for (int round = 0; round < 10; ++round) {
#pragma GCC unroll 4
    for (int v = 0; v < kVectors; ++v) {
      const Lanes product0 = multiply_low_halves(c0[v], 0xD2511F53u);
      const Lanes product1 = multiply_low_halves(c2[v], 0xCD9E8D57u);
      c0[v] = (product1 >> 32) ^ c1[v] ^ key0;
      c2[v] = (product0 >> 32) ^ c3[v] ^ key1;
      c1[v] = product1;
      c3[v] = product0;
    }
    key0 = (key0 + 0x9E3779B9u) & 0xffffffff;
    key1 = (key1 + 0xBB67AE85u) & 0xffffffff;
  }
  // Words 0 and 1 of a block share a 64-bit lane, and words 2 and 3; both are then interleaved.
  for (int v = 0; v < kVectors; ++v, out += 4 * kWidth) {
    const Lanes first = (c0[v] & 0xffffffff) | (c1[v] << 32), second = (c2[v] & 0xffffffff) | (c3[v] << 32);
    const Lanes lower = __builtin_shuffle(first, second, kLowerHalves);
    const Lanes upper = __builtin_shuffle(first, second, kUpperHalves);
    std::memcpy(out, &lower, sizeof lower);
    std::memcpy(out + 2 * kWidth, &upper, sizeof upper);
  }
}

}  // namespace

void philox_words(const Ticket& ticket, uint64_t first_block, int64_t blocks, uint32_t* out) {
  constexpr int kHalf = kPhiloxLanes / 2;
  for (int64_t i = 0; i < blocks; i += kPhiloxLanes, out += 4 * kPhiloxLanes) {
    const uint64_t first = first_block + static_cast<uint64_t>(i);
    const auto low = static_cast<uint32_t>(first), high = static_cast<uint32_t>(first >> 32);
    if (low <= 0xffffffffu - kPhiloxLanes) {
      if (blocks - i > kHalf)
        philox_group<kPhiloxLanes>(low, high, ticket, out);
      else
        philox_group<kHalf>(low, high, ticket, out);
    } else {
      for (int64_t lane = 0; lane < kPhiloxLanes; ++lane) {
        const Philox4 words = ticket.block(first + static_cast<uint64_t>(lane));
        std::copy(words.begin(), words.end(), out + 4 * lane);
      }
    }
  }
}

}  // namespace tessera::ops
