#include "data/sets/id_index.h"

#include <doctest/doctest.h>

#include <map>

#include "data/text/text_arena.h"
#include "tensor/philox.h"

namespace tessera::id_index_test {

TEST_CASE("Ids are found as in a map: dense, scattered, equal in their low or high bits") {
  Random random(3);
  for (const int shift : {0, 20, 44})
    for (const bool scattered : {false, true}) {
      IdIndex index;
      std::map<int64_t, int64_t> expected;
      CHECK(index.find(0) == nullptr);
      for (int64_t i = 0; i < 5000; ++i) {
        const int64_t id = (scattered ? static_cast<int64_t>(random.below(10'000)) : i) << shift;
        CHECK(index.insert(id, i) == expected.emplace(id, i).second);
      }
      CHECK_FALSE(index.insert(expected.begin()->first, 1));
      for (const auto& [id, place] : expected) REQUIRE(*index.find(id) == place);
      CHECK(index.find((int64_t{10'001} << shift) + 1) == nullptr);
      CHECK(index.find(-1) == nullptr);
    }
  IdIndex largest;
  CHECK(largest.insert(INT64_MAX, -1));
  CHECK(*largest.find(INT64_MAX) == -1);
  *largest.find(INT64_MAX) = 4;
  CHECK(*largest.find(INT64_MAX) == 4);
}

TEST_CASE("Texts that are kept stay what and where they are") {
  TextArena arena;
  std::vector<std::string> expected;
  std::vector<std::string_view> kept;
  for (const size_t length :
       {size_t{0}, size_t{1}, size_t{100'000}, size_t{300'000}, size_t{5}, size_t{200'000}, size_t{0}}) {
    expected.emplace_back(length, static_cast<char>('a' + expected.size()));
    kept.push_back(arena.keep(expected.back()));
  }
  for (size_t i = 0; i < kept.size(); ++i) CHECK(kept[i] == expected[i]);
}

}  // namespace tessera::id_index_test
