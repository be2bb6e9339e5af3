// Shards of a few small pictures for tests.
#pragma once

#include <string>
#include <vector>

#include "data/images/image.h"
#include "io/tar_writer.h"

namespace tessera::tests {

inline std::string small_png(int width, int height) {
  const std::vector<uint8_t> png = encode_png(make_image(height, width));
  return {png.begin(), png.end()};
}

// A sample whose picture tells which it is: `width` pixels wide. Further members after it.
inline std::string shard_sample(const std::string& key, int width, const std::string& caption,
                                const std::string& json = "") {
  std::string out = tar_member(key + ".png", small_png(width, 8));
  if (!json.empty()) out += tar_member(key + ".json", json);
  return out + tar_member(key + ".txt", caption);
}

// Samples first ... end - 1, with the keys "s<number>", the captions "caption <number>" and pictures so many pixels
// wide.
inline std::string small_shard(int first, int end) {
  std::string out;
  for (int i = first; i < end; ++i) out += shard_sample("s" + std::to_string(i), i, "caption " + std::to_string(i));
  return out + tar_end();
}

}  // namespace tessera::tests
