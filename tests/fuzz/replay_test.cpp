// Runs every fuzz target over its corpus, so that neither can rot where there is no libFuzzer.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>
#include <vector>

#include "io/files.h"
#include "tests/fuzz/targets.h"

using namespace tessera;

namespace {

namespace fs = std::filesystem;

// Each file as it is, cut short anywhere, and with each of its first bytes changed.
void replay(const fuzz::Target& target, const std::vector<uint8_t>& bytes) {
  target.run(bytes);
  const size_t step = bytes.size() / 64 + 1;
  for (size_t size = 0; size < bytes.size(); size += step) target.run(fuzz::Bytes(bytes).first(size));
  std::vector<uint8_t> changed = bytes;
  for (size_t i = 0; i < bytes.size(); i += step) {
    changed[i] = static_cast<uint8_t>(~changed[i]);
    target.run(changed);
    changed[i] = bytes[i];
  }
}

}  // namespace

TEST_CASE("Fuzz targets: every file of the corpus is read or refused") {
  const fs::path corpus = fs::path(TESSERA_SOURCE_DIR) / "tests/fuzz/corpus";
  for (const fuzz::Target& target : fuzz::kTargets) {
    int files = 0;
    for (const auto& entry : fs::directory_iterator(corpus / target.name)) {
      CAPTURE(entry.path().string());
      CHECK_NOTHROW(replay(target, read_file(entry.path())));
      ++files;
    }
    CHECK_MESSAGE(files > 0, target.name);
  }
  for (const auto& folder : fs::directory_iterator(corpus)) {
    const bool known = std::any_of(std::begin(fuzz::kTargets), std::end(fuzz::kTargets),
                                   [&](const fuzz::Target& target) { return folder.path().filename() == target.name; });
    CHECK_MESSAGE(known, folder.path().string());
  }
}

TEST_CASE("Fuzz targets: a violation is none of the errors that a reader may throw") {
  CHECK_THROWS_AS(fuzz::ensure(false, "planted"), fuzz::Violation);
  CHECK_THROWS_AS(fuzz::accepted([] { fuzz::ensure(false, "planted"); }), fuzz::Violation);
  CHECK_FALSE(fuzz::accepted([] { fail("refused"); }));
  CHECK(fuzz::accepted([] {}));
}
