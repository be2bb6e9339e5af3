#include "tensor/philox.h"

#include <doctest/doctest.h>

#include <algorithm>
#include <set>
#include <vector>

namespace tessera::philox_test {

// The known answers that Random123 publishes for Philox4x32-10.
TEST_CASE("philox: known answers") {
  CHECK(philox4x32({0, 0, 0, 0}, {0, 0}) == Philox4{0x6627e8d5u, 0xe169c58du, 0xbc57ac4cu, 0x9b00dbd8u});
  CHECK(philox4x32({~0u, ~0u, ~0u, ~0u}, {~0u, ~0u}) == Philox4{0x408f276du, 0x41c83b0eu, 0xa20bc7c6u, 0x6d5451fdu});
  CHECK(philox4x32({0x243f6a88u, 0x85a308d3u, 0x13198a2eu, 0x03707344u}, {0xa4093822u, 0x299f31d0u}) ==
        Philox4{0xd16cfe09u, 0x94fdccebu, 0x5001e420u, 0x24126ea1u});
}

TEST_CASE("philox: a ticket's words depend on seed, stream, step and index alone") {
  const Ticket ticket{7, 3, 2};
  CHECK(ticket.word(9) == ticket.block(2)[1]);
  CHECK(ticket.word(9) == Ticket{7, 3, 2}.word(9));
  const std::set<uint32_t> words = {ticket.word(0),
                                    ticket.word(1),
                                    ticket.word(4),
                                    Ticket{8, 3, 2}.word(0),
                                    Ticket{7, 4, 2}.word(0),
                                    Ticket{7, 3, 3}.word(0),
                                    ticket.word(uint64_t{1} << 34)};
  CHECK(words.size() == 7);
}

// 100,000 draws: the mean of a uniform has standard deviation 0.289 / √n = 0.0009, that of a normal 0.0032, and that of
// a normal's square 0.0045; bounds are five of them.
TEST_CASE("philox: draws stay in their bounds and have their moments") {
  Random random(1, 2, 3);
  constexpr int kDraws = 100000;
  double sum = 0, normal_sum = 0, normal_squares = 0, lowest = 1, highest = 0;
  std::vector<int> counts(6, 0);
  for (int i = 0; i < kDraws; ++i) {
    const double u = random.uniform(), z = random.normal();
    lowest = std::min(lowest, u);
    highest = std::max(highest, u);
    sum += u;
    normal_sum += z;
    normal_squares += z * z;
    const uint64_t face = random.below(6);
    REQUIRE(face < 6);
    ++counts[face];
    const double scaled = random.uniform(-3, 5);
    REQUIRE_UNARY(scaled >= -3 && scaled < 5);
  }
  CHECK(lowest >= 0);
  CHECK(highest < 1);
  CHECK(std::abs(sum / kDraws - 0.5) < 0.0046);
  CHECK(std::abs(normal_sum / kDraws) < 0.016);
  CHECK(std::abs(normal_squares / kDraws - 1) < 0.023);
  // A count has standard deviation √(n · 5/36) = 118.
  for (const int count : counts) CHECK(std::abs(count - kDraws / 6.0) < 590);
  CHECK(random.below(1) == 0);
  CHECK(random.below(~uint64_t{0}) < ~uint64_t{0});
}

TEST_CASE("philox: equal keys give equal sequences, others do not") {
  Random a(5, 1, 0), b(5, 1, 0), c(5, 0, 1), d(6, 1, 0);
  const uint64_t first = a.next64();
  CHECK(first == b.next64());
  CHECK(first != c.next64());
  CHECK(first != d.next64());
}

TEST_CASE("philox: shuffle permutes, every order about equally often") {
  std::vector<int> counts(6, 0);
  for (int i = 0; i < 6000; ++i) {
    std::vector<int> items = {0, 1, 2};
    Random(9, i).shuffle(items);
    std::vector<int> sorted = items;
    std::sort(sorted.begin(), sorted.end());
    REQUIRE(sorted == std::vector<int>{0, 1, 2});
    ++counts[static_cast<size_t>(items[0] * 2 + (items[1] > items[2]))];
  }
  for (const int count : counts) CHECK(std::abs(count - 1000) < 145);  // five standard deviations of 29
  std::vector<int> none;
  Random(1).shuffle(none);
  CHECK(none.empty());
}

}  // namespace tessera::philox_test
