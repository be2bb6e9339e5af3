// data/resize: decoding, resizing and normalising byte for byte as Pillow and the released ViLT code.
#include <algorithm>
#include <array>
#include <bit>
#include <cmath>
#include <numeric>

#include "data/images/image.h"
#include "data/images/patches.h"
#include "data/images/resize.h"
#include "tests/golden/harness.h"
#include "tests/golden/json.h"
#include "tests/golden/pictures.h"

namespace tessera::golden {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

// The normalised picture goes through patches, so that their order is compared, too.
void check_tensor(const Image& image, const json& row, int divisor, const std::string& name) {
  const int patch = std::gcd(divisor, std::gcd(image.height, image.width));
  const PatchExtractor extractor(patch);
  const std::vector<float> rows = extractor.extract(image);
  const int columns = image.width / patch;
  const auto value = [&](int channel, int y, int x) {
    const size_t index = static_cast<size_t>(y / patch) * columns + x / patch;
    return rows[((index * 3 + channel) * patch + y % patch) * patch + x % patch];
  };
  for (int c = 0; c < 3; ++c) {
    const json& head = row.at("tensor_head").at(c);
    for (int x = 0; x < static_cast<int>(head.size()); ++x)
      check(value(c, 0, x) == static_cast<float>(head[x].get<double>()), name, ": normalised value ", x, " of channel ",
            c, " is ", value(c, 0, x), ", expected ", head[x].dump());
    double sum = 0;
    for (int y = 0; y < image.height; ++y)
      for (int x = 0; x < image.width; ++x) sum += value(c, y, x);
    // Values are at most 1; the order of the additions changes a sum of n of them by less than n^2 2^-53, and n < 2^20.
    const double n = static_cast<double>(image.height) * image.width;
    const double expected = row.at("tensor_sum").at(c);
    check(std::abs(sum - expected) <= n * n * 0x1p-53, name, ": sum of channel ", c, " is ", sum, ", expected ",
          expected);
  }
}

void compare_case(const fs::path& directory, const json& row, int divisor) {
  const std::string name = row.at("name");
  const Image image = read_image(directory / row.at("input").get<std::string>());
  const auto size = row.at("size").get<std::array<int, 2>>();
  check(image.width == size[0] && image.height == size[1], name, ": ", image.width, " x ", image.height, " pixels");
  check_digest(image, row, "rgb_sha256", name + " decoded");
  if (row.contains("rgb"))
    check_equal(image, read_image(directory / row.at("rgb").get<std::string>()), name + " decoded");

  const auto official = row.at("official_size").get<std::array<int, 2>>();
  const ImageSize rule = vilt_size(image.height, image.width, row.at("shorter"), divisor);
  check(rule == ImageSize{std::max(official[1], divisor), std::max(official[0], divisor)}, name, ": the rule gives ",
        rule.width, " x ", rule.height);

  const auto target = row.at("target").get<std::array<int, 2>>();
  const Image resized = resize_bicubic(image, {target[1], target[0]});
  check_equal(resized, read_image(directory / row.at("expected").get<std::string>()), name + " resized");
  check_digest(resized, row, "expected_sha256", name + " resized");
  check_tensor(resized, row, divisor, name);
}

void compare_sizes(const json& sizes, int divisor) {
  const auto columns = sizes.at("columns").get<std::vector<std::string>>();
  const auto column = [&](const char* name) {
    const auto found = std::find(columns.begin(), columns.end(), name);
    check(found != columns.end(), "sizes.json: no column ", name);
    return static_cast<size_t>(found - columns.begin());
  };
  const size_t w = column("w"), h = column("h"), s = column("shorter"), gw = column("guarded_w"),
               gh = column("guarded_h");
  for (const json& row : sizes.at("rows")) {
    const ImageSize got = vilt_size(row.at(h), row.at(w), row.at(s), divisor);
    check(got == ImageSize{row.at(gh), row.at(gw)}, "sizes.json: ", row.dump(), ": got ", got.width, " x ", got.height);
  }
}

void compare_levels(const json& levels) {
  const PatchExtractor extractor(1);
  for (const char* key : {"official", "hf"}) {
    const auto bits = levels.at(key).get<std::vector<std::string>>();
    check(bits.size() == 256, "normalise.json: ", key, " has ", bits.size(), " levels");
    for (int x = 0; x < 256; ++x)
      for (int c = 0; c < 3; ++c)
        check(std::bit_cast<uint32_t>(extractor.value(c, static_cast<uint8_t>(x))) == std::stoul(bits[x], nullptr, 16),
              "normalise.json: level ", x, " is ", extractor.value(c, static_cast<uint8_t>(x)), ", expected ", bits[x]);
  }
}

}  // namespace

Outcome run_resize(const fs::path& directory) {
  const json sizes = read_json(directory / "sizes.json");
  const int divisor = sizes.at("divisor");
  compare_sizes(sizes, divisor);
  compare_levels(read_json(directory / "normalise.json"));

  // All pictures are tried, so that one message names all that differ.
  const json cases = read_json(directory / "cases.json");
  std::string failures;
  for (const json& row : cases.at("rows")) {
    try {
      compare_case(directory, row, divisor);
    } catch (const Error& error) {
      failures += text(failures.empty() ? "" : "; ", error.what());
    }
  }
  if (!failures.empty()) return {false, failures};
  return {true, text(cases.at("rows").size(), " pictures decoded, resized and normalised, ", sizes.at("rows").size(),
                     " sizes, 256 levels: all equal bit for bit")};
}

}  // namespace tessera::golden
