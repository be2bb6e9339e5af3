// data/randaugment: every operation, and chains of two, byte for byte as Pillow; the values that a magnitude gives.
#include <algorithm>
#include <cmath>

#include "data/images/image.h"
#include "data/images/rand_augment.h"
#include "tests/golden/harness.h"
#include "tests/golden/json.h"
#include "tests/golden/pictures.h"

namespace tessera::golden {
namespace {

namespace fs = std::filesystem;
using nlohmann::json;

const AugmentRange& range_of(const std::string& name) {
  const auto found = std::find_if(kAugmentRanges.begin(), kAugmentRanges.end(),
                                  [&](const AugmentRange& range) { return range.name == name; });
  check(found != kAugmentRanges.end(), "there is no operation ", name);
  return *found;
}

void compare_ranges(const json& operations) {
  check(operations.size() == kAugmentRanges.size(), operations.size(), " operations, ours are ", kAugmentRanges.size());
  for (const json& row : operations) {
    const AugmentRange& range = range_of(row.at(0));
    check(row.at(1) == range.low && row.at(2) == range.high && (row.at(3) == "signed") == range.has_sign,
          "operations: ", row.dump(), " is not ours");
  }
}

void compare_case(const fs::path& directory, const json& row) {
  const AugmentRange& range = range_of(row.at("op"));
  const std::string output = row.at("output");
  const double value = row.at("value"), magnitude = row.at("magnitude");
  check((range.has_sign ? std::abs(value) : value) == augment_value(range.op, magnitude), output, ": magnitude ",
        magnitude, " gives ", augment_value(range.op, magnitude), ", expected ", value);
  const Image got = augment(read_image(directory / row.at("input").get<std::string>()), range.op, value);
  check_equal(got, read_image(directory / output), output);
  check_digest(got, row, "sha256", output);
}

void compare_chain(const fs::path& directory, const json& row) {
  const std::string output = row.at("output");
  Image image = read_image(directory / row.at("input").get<std::string>());
  for (const json& step : row.at("steps")) image = augment(std::move(image), range_of(step.at(0)).op, step.at(1));
  check_equal(image, read_image(directory / output), output);
  check_digest(image, row, "sha256", output);
}

}  // namespace

Outcome run_randaugment(const fs::path& directory) {
  const json cases = read_json(directory / "cases.json"), chains = read_json(directory / "chains.json");
  int equal = 0, different = 0;
  std::string examples;
  const auto attempt = [&](const auto& compare) {
    try {
      compare();
      ++equal;
    } catch (const Error& error) {
      if (++different <= 5) examples += text("; ", error.what());
    }
  };
  if (cases.contains("operations")) attempt([&] { compare_ranges(cases.at("operations")); });
  for (const json& row : cases.at("rows")) attempt([&] { compare_case(directory, row); });
  for (const json& row : chains.at("rows")) attempt([&] { compare_chain(directory, row); });
  if (different > 0) return {false, text(different, " of ", equal + different, " differ", examples)};
  return {!cases.at("rows").empty(), text(cases.at("rows").size(), " pictures and ", chains.at("rows").size(),
                                          " chains of operations: all equal byte for byte")};
}

}  // namespace tessera::golden
