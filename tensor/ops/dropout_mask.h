// Which elements dropout keeps: element i (row-major) uses word i of a ticket's stream and is kept iff
// word >= p · 2^32.
#pragma once

#include <bit>
#include <cmath>
#include <cstdint>
#include <type_traits>

#include "tensor/error.h"
#include "tensor/philox.h"

namespace tessera::ops {

// out[0 .. 4 · blocks) = the words of ticket.block(first_block + 0 .. blocks - 1), bit for bit. Writes whole groups of
// kPhiloxLanes blocks: `out` has room for `blocks` rounded up to a multiple of it.
inline constexpr int64_t kPhiloxLanes = 32;
void philox_words(const Ticket& ticket, uint64_t first_block, int64_t blocks, uint32_t* out);

class DropoutMask {
 public:
  // The most elements for which `words` is asked at once.
  static constexpr int64_t kSegment = 1024;

  // 0 <= p < 1.
  DropoutMask(const char* op, double p, const Ticket& ticket) : ticket_(ticket), p_(p), scale_(1 / (1 - p)) {
    check(p >= 0 && p < 1, op, ": p is ", p, ", expected 0 <= p < 1");
    if (p > 0) last_dropped_ = static_cast<uint32_t>(std::ceil(p * 0x1p32) - 1);
    drops_ = p > 0;
  }

  const Ticket& ticket() const { return ticket_; }
  double p() const { return p_; }
  bool drops() const { return drops_; }    // p > 0
  double scale() const { return scale_; }  // 1 / (1 - p)
  // With p > 0, an element is kept iff its word is larger than this: word >= p · 2^32 in integers.
  uint32_t last_dropped() const { return last_dropped_; }

  struct Buffer {
    alignas(64) uint32_t words[kSegment + 4 * kPhiloxLanes + 4];
  };
  // A pointer to the words of elements first .. first + count - 1, in `buffer`. count <= kSegment.
  const uint32_t* words(int64_t first, int64_t count, Buffer& buffer) const {
    const int64_t block = first / 4, skipped = first % 4;
    philox_words(ticket_, static_cast<uint64_t>(block), (skipped + count + 3) / 4, buffer.words);
    return buffer.words + skipped;
  }

 private:
  Ticket ticket_;
  double p_, scale_;
  uint32_t last_dropped_ = 0;
  bool drops_ = false;
};

// value or 0, chosen by bits: a product that is selected as a number and then added may be contracted to a fused
// multiply-add, which rounds otherwise than `dropout` followed by `add`.
template <class T>
inline T kept_or_zero(T value, bool keep) {
  using Bits = std::conditional_t<sizeof(T) == 4, uint32_t, uint64_t>;
  return std::bit_cast<T>(std::bit_cast<Bits>(value) & (keep ? ~Bits{0} : Bits{0}));
}

// Reads a mask row by row. Words of several short rows are made at once: the rounds of one block depend on each other,
// those of many overlap.
class MaskRows {
 public:
  explicit MaskRows(const DropoutMask& mask) : mask_(mask) {}

  // The words of elements first .. first + count - 1, valid until the next call. count <= kSegment.
  const uint32_t* words(int64_t first, int64_t count) {
    if (first < begin_ || first + count > end_) {
      const int64_t made = count > 0 ? DropoutMask::kSegment / count * count : 0;
      words_ = mask_.words(first, made, buffer_);
      begin_ = first;
      end_ = first + made;
    }
    return words_ + (first - begin_);
  }

 private:
  const DropoutMask& mask_;
  DropoutMask::Buffer buffer_;
  const uint32_t* words_ = nullptr;
  int64_t begin_ = 0, end_ = 0;
};

}  // namespace tessera::ops
