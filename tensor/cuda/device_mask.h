// Which elements dropout keeps, bit for bit as tensor/ops/dropout_mask.h has it: element i uses word i of the ticket's
// stream. Include from .cu files.
#pragma once

#include "tensor/cuda/warp.h"
#include "tensor/ops/dropout_mask.h"

namespace tessera::cuda {

// Four words at once; the same function as philox4x32 of tensor/philox.h.
__device__ inline uint4 philox_block(const Ticket& ticket, uint64_t block) {
  uint4 c = make_uint4(static_cast<unsigned>(block), static_cast<unsigned>(block >> 32), ticket.stream, ticket.step);
  auto key0 = static_cast<unsigned>(ticket.seed), key1 = static_cast<unsigned>(ticket.seed >> 32);
  for (int round = 0; round < 10; ++round) {
    const unsigned high0 = __umulhi(0xD2511F53u, c.x), low0 = 0xD2511F53u * c.x;
    const unsigned high1 = __umulhi(0xCD9E8D57u, c.z), low1 = 0xCD9E8D57u * c.z;
    c = make_uint4(high1 ^ c.y ^ key0, low1, high0 ^ c.w ^ key1, low0);
    key0 += 0x9E3779B9u;
    key1 += 0xBB67AE85u;
  }
  return c;
}

// What a kernel needs of ops::DropoutMask.
struct Mask {
  Ticket ticket;
  unsigned last_dropped = 0;
  float scale = 1;
  bool drops = false;

  Mask(const char* op, double p, const Ticket& of) : ticket(of) {
    const ops::DropoutMask mask(op, p, of);
    last_dropped = mask.last_dropped();
    scale = static_cast<float>(mask.scale());
    drops = mask.drops();
  }

  // kept[j]: all bits set if element first + j of the tensor is kept, else none; `first` is a multiple of 4 for n > 1.
  template <int n>
  __device__ __forceinline__ void draw(int64_t first, unsigned (&kept)[n]) const {
    if (!drops) {
      for (int j = 0; j < n; ++j) kept[j] = ~0u;
    } else if constexpr (n == 1) {
      const uint4 words = philox_block(ticket, static_cast<uint64_t>(first) / 4);
      const int at = static_cast<int>(first % 4);
      kept[0] = bits(at < 2 ? (at == 0 ? words.x : words.y) : (at == 2 ? words.z : words.w));
    } else {
      for (int j = 0; j < n; j += 4) {
        const uint4 words = philox_block(ticket, static_cast<uint64_t>(first + j) / 4);
        kept[j] = bits(words.x);
        kept[j + 1] = bits(words.y);
        kept[j + 2] = bits(words.z);
        kept[j + 3] = bits(words.w);
      }
    }
  }

  // v = dropout(v) with what was drawn. Chosen by bits, so that the product is not contracted with a sum that follows
  // (see ops::kept_or_zero).
  template <int n>
  __device__ __forceinline__ void apply(const unsigned (&kept)[n], float (&v)[n]) const {
    if (!drops) return;
    for (int j = 0; j < n; ++j) v[j] = __uint_as_float(__float_as_uint(v[j] * scale) & kept[j]);
  }

  // v = dropout(v), of which v[0] is element `first` of the tensor.
  template <int n>
  __device__ __forceinline__ void apply(int64_t first, float (&v)[n]) const {
    if (!drops) return;
    unsigned kept[n];
    draw(first, kept);
    apply(kept, v);
  }

 private:
  __device__ __forceinline__ unsigned bits(unsigned word) const { return word > last_dropped ? ~0u : 0u; }
};

}  // namespace tessera::cuda
