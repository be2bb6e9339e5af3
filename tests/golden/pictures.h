// Comparison of pictures with golden ones.
#pragma once

#include <algorithm>
#include <cstdlib>
#include <string>

#include "data/images/image.h"
#include "tensor/error.h"
#include "tests/golden/json.h"
#include "tests/golden/sha256.h"

namespace tessera::golden {

// Where the picture differs from `expected`, for a message.
inline void check_equal(const Image& got, const Image& expected, const std::string& what) {
  check(got.height == expected.height && got.width == expected.width, what, ": ", got.width, " x ", got.height,
        " pixels, expected ", expected.width, " x ", expected.height);
  size_t different = 0, first = 0;
  int largest = 0;
  for (size_t i = got.pixels.size(); i-- > 0;) {
    if (got.pixels[i] == expected.pixels[i]) continue;
    ++different;
    first = i;
    largest = std::max(largest, std::abs(got.pixels[i] - expected.pixels[i]));
  }
  check(different == 0, what, ": ", different, " of ", got.pixels.size(), " bytes differ, by up to ", largest,
        ", the first at row ", first / 3 / got.width, " column ", first / 3 % got.width, " channel ", first % 3);
}

inline void check_digest(const Image& got, const nlohmann::json& row, const char* key, const std::string& what) {
  if (row.contains(key)) check(sha256(got.pixels) == row.at(key).get<std::string>(), what, ": another digest");
}

}  // namespace tessera::golden
