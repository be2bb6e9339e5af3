// Counter-based random numbers: Philox4x32-10 (Salmon, Moraes, Dror, Shaw: "Parallel random numbers: as easy as
// 1, 2, 3", SC 2011). A draw is a function of (seed, stream, step, index) and of nothing else: not of the number of
// threads, the order of calls or the device.
//
// Known answer (Random123): zero key and zero counter give 6627e8d5 e169c58d bc57ac4c 9b00dbd8.
#pragma once

#include <array>
#include <cmath>
#include <cstdint>
#include <utility>

namespace tessera {

using Philox4 = std::array<uint32_t, 4>;

inline Philox4 philox4x32(Philox4 counter, std::array<uint32_t, 2> key) {
  for (int round = 0; round < 10; ++round) {
    const uint64_t product0 = uint64_t{0xD2511F53u} * counter[0];
    const uint64_t product1 = uint64_t{0xCD9E8D57u} * counter[2];
    counter = {static_cast<uint32_t>(product1 >> 32) ^ counter[1] ^ key[0], static_cast<uint32_t>(product1),
               static_cast<uint32_t>(product0 >> 32) ^ counter[3] ^ key[1], static_cast<uint32_t>(product0)};
    key[0] += 0x9E3779B9u;
    key[1] += 0xBB67AE85u;
  }
  return counter;
}

// What an op needs to draw its numbers, and to draw them again in backward. Ops save the ticket, never the mask.
struct Ticket {
  uint64_t seed = 0;
  uint32_t stream = 0;  // which op of a step
  uint32_t step = 0;

  // Words 4·block .. 4·block + 3 of this ticket's stream.
  Philox4 block(uint64_t block) const {
    return philox4x32({static_cast<uint32_t>(block), static_cast<uint32_t>(block >> 32), stream, step},
                      {static_cast<uint32_t>(seed), static_cast<uint32_t>(seed >> 32)});
  }
  uint32_t word(uint64_t index) const { return block(index / 4)[index % 4]; }
};

// A sequential generator on top of a ticket, for host code that draws a data-dependent number of values (data
// augmentation, masking, generation). Mixes any number of integers into its key, e.g. Random(seed, epoch, index).
class Random {
 public:
  template <class... Words>
  explicit Random(uint64_t seed, Words... words) : ticket_{seed, 0, 0} {
    (mix(static_cast<uint64_t>(words)), ...);
  }

  uint32_t next() {
    if (used_ == 4) {
      block_ = ticket_.block(position_++);
      used_ = 0;
    }
    return block_[static_cast<size_t>(used_++)];
  }
  uint64_t next64() {
    const uint64_t high = next();
    return high << 32 | next();
  }
  // Uniform in [0, 1), 53 bits.
  double uniform() { return static_cast<double>(next64() >> 11) * 0x1p-53; }
  double uniform(double low, double high) { return low + (high - low) * uniform(); }
  // Uniform integer in [0, bound), without bias (Lemire's multiply and reject). bound > 0.
  uint64_t below(uint64_t bound) {
    const uint64_t reject = (0 - bound) % bound;
    for (;;) {
      const auto product = static_cast<unsigned __int128>(next64()) * bound;
      if (static_cast<uint64_t>(product) >= reject) return static_cast<uint64_t>(product >> 64);
    }
  }
  // Standard normal (Box and Muller; the second value of each pair is kept for the next call).
  double normal() {
    if (has_spare_) {
      has_spare_ = false;
      return spare_;
    }
    const double radius = std::sqrt(-2.0 * std::log(1.0 - uniform()));
    const double angle = 6.283185307179586476925 * uniform();
    spare_ = radius * std::sin(angle);
    has_spare_ = true;
    return radius * std::cos(angle);
  }
  // Fisher and Yates.
  template <class Container>
  void shuffle(Container& items) {
    for (size_t i = items.size(); i > 1; --i) std::swap(items[i - 1], items[below(i)]);
  }

 private:
  void mix(uint64_t word) {
    const Philox4 out = philox4x32({static_cast<uint32_t>(word), static_cast<uint32_t>(word >> 32), 0x6d697865u, 0u},
                                   {static_cast<uint32_t>(ticket_.seed), static_cast<uint32_t>(ticket_.seed >> 32)});
    ticket_.seed = uint64_t{out[0]} << 32 | out[1];
  }

  Ticket ticket_;
  Philox4 block_{};
  int used_ = 4;
  uint64_t position_ = 0;
  double spare_ = 0;
  bool has_spare_ = false;
};

}  // namespace tessera
