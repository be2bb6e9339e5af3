// Whatever reads a file that the user names opens it in the same way: a named pipe, a folder and a file that is not
// there are told at once and alike.
#include <sys/stat.h>

#include <doctest/doctest.h>

#include <functional>

#include "data/images/image_codecs.h"
#include "data/sets/dataset.h"
#include "data/text/wordpiece.h"
#include "io/files.h"
#include "io/safetensors.h"
#include "io/torch_file.h"
#include "tests/error_text.h"
#include "tests/temporary_directory.h"
#include "train/checkpoint.h"
#include "vilt/files/load_model.h"
#include "vilt/files/preprocessing.h"
#include "vilt/tasks/settings.h"
#include "vilt/tasks/summary.h"

namespace tessera::untrusted_files_test {
namespace fs = std::filesystem;

TEST_CASE("Files: every reader refuses pipes, folders and absent files in the same words, and waits for none") {
  const tests::TemporaryDirectory scratch;
  const fs::path pipe = scratch.path() / "pipe", absent = scratch.path() / "absent";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  const fs::path folder = scratch.path() / "folder";
  fs::create_directories(folder);
  const std::vector<std::pair<const char*, std::function<void(const fs::path&)>>> readers{
      {"file", [](const fs::path& path) { read_file(path); }},
      {"model configuration", [](const fs::path& path) { ModelConfig::from_file(path); }},
      {"settings", [](const fs::path& path) { Settings::from_toml(path); }},
      {"vocabulary", [](const fs::path& path) { Wordpiece::from_file(path); }},
      {"labels", [](const fs::path& path) { read_labels(path); }},
      {"image", [](const fs::path& path) { read_image(path); }},
      {"captions", [&](const fs::path& path) { Dataset::open(path, folder); }},
      {"safetensors", [](const fs::path& path) { load_safetensors(path.string()); }},
      {"torch file", [](const fs::path& path) { load_torch_file(path.string()); }},
      {"summary", [](const fs::path& path) { read_summary(path); }},
  };
  for (const auto& [name, read] : readers) {
    CAPTURE(name);
    CHECK(tests::error_of([&] { read(pipe); }) == "cannot read " + pipe.string() + ": it is not a regular file");
    // Captions may be a folder (img2dataset's).
    if (name != std::string("captions"))
      CHECK(tests::error_of([&] { read(folder); }) == "cannot read " + folder.string() + ": it is not a regular file");
    CHECK(tests::error_of([&] { read(absent); }) == "cannot open " + absent.string() + ": No such file or directory");
  }
}

TEST_CASE("Files: a configuration that is absurdly large is refused before it is read") {
  const tests::TemporaryDirectory scratch;
  const fs::path path = scratch.write("config.json", "{}");
  fs::resize_file(path, uint64_t{1} << 40);  // a hole
  CHECK(tests::lacking(tests::error_of([&] { ModelConfig::from_file(path); }),
                       {"has 1099511627776 bytes, the limit is "}) == "");
}

}  // namespace tessera::untrusted_files_test
