// Torch files that were made to do harm, or are damaged.
#include <doctest/doctest.h>
#include <sys/resource.h>

#include <algorithm>
#include <cstring>
#include <filesystem>

#include "tests/io/torch_code.h"

namespace tessera::torch_hostile_test {

using namespace tessera::tests;

namespace fs = std::filesystem;

TEST_CASE("torch: no more memory than the file's size suggests") {
  // Many views of one storage that each need a copy.
  std::string entries;
  for (int i = 0; i < 100; ++i)
    entries +=
        entry(std::to_string(i), tensor(i ? "h\1" : storage("FloatStorage", 60'000) + "q\1", 0, {2, 30'000}, {1, 2}));
  CHECK(message_of(program(dict(entries)), {{"data/0", std::string(240'000, '\0')}})
            .find("is one of too many strided views of the same storages") != std::string::npos);

  // Members that lie over each other: every directory entry leads to the first one's bytes.
  entries.clear();
  Members members;
  for (int i = 0; i < 10; ++i) {
    const std::string key = std::to_string(i);
    entries += entry(key, tensor(storage("ByteStorage", 5000, key), 0, {5000}, {1}));
    members["data/" + key] = std::string(i ? 0 : 5000, '\0');
  }
  std::vector<uint8_t> bytes = archive_of(program(dict(entries)), members);
  const auto find = [&](const std::string& text, size_t from) {
    return static_cast<size_t>(
        std::search(bytes.begin() + static_cast<std::ptrdiff_t>(from), bytes.end(), text.begin(), text.end()) -
        bytes.begin());
  };
  // In the directory a name follows 46 bytes: checksum at 16, sizes at 20 and 24, the place of the member at 42.
  const size_t directory = find("PK\1\2", 0), first = find("a/data/0", directory) - 46;
  for (int i = 1; i < 10; ++i) {
    const size_t other = find("a/data/" + std::to_string(i), directory) - 46;
    std::memcpy(&bytes[other + 16], &bytes[first + 16], 12);
    std::memcpy(&bytes[other + 42], &bytes[first + 42], 4);
  }
  CHECK(message_of(bytes).find("brings the storages to more bytes than the file has") != std::string::npos);
}

TEST_CASE("torch: the hostile files are refused, by name, with little memory") {
  const fs::path directory = fs::path(TESSERA_GOLDEN_DIR) / "torch_files" / "bad";
  const std::map<std::string, std::string> expected = {
      {"bare_pickle.bin", "is a bare pickle"},
      {"deep.bin", "holds tuple of 1, expected a dict"},
      {"global_os_system.bin", "names 'posix.system'"},
      {"huge_long.bin", "needs 2147483647 bytes more"},
      {"huge_shape.bin", "entry 'whole' has shape [545460846592, 6], more elements than its storage's 24"},
      {"memo_bomb.bin", "ends with 61 values on the stack"},
      {"missing_storage.bin", "entry 'whole' needs storage '0', which is not in the archive"},
      {"no_pickle.bin", "without a data.pkl"},
      {"short_storage.bin", "needs storage '0' of 24 elements of 4 bytes, but it has 8 bytes"},
      {"truncated.bin", "not a zip archive, or cut short"},
  };
  const auto peak_kilobytes = [] {
    struct rusage usage {};
    ::getrusage(RUSAGE_SELF, &usage);
    return usage.ru_maxrss;
  };
  const long before = peak_kilobytes();
  for (const auto& [name, part] : expected) {
    const std::string path = (directory / name).string();
    CAPTURE(path);
    try {
      load_torch_file(path);
      FAIL_CHECK("was loaded");
    } catch (const Error& error) {
      const std::string message = error.what();
      CHECK(message.substr(0, path.size() + 2) == path + ": ");
      CHECK(message.find(part) != std::string::npos);
    }
  }
  // The largest takes 100,000 values of some 50 bytes; half a terabyte was asked for.
  CHECK(peak_kilobytes() - before < 64 * 1024);
}

TEST_CASE("torch: the checksum of a storage is checked") {
  std::vector<uint8_t> bytes = archive_of(program(dict(entry("x", kTensor))), kSix);
  const std::string& values = kSix.at("data/0");
  const auto at = std::search(bytes.begin(), bytes.end(), values.begin(), values.end(),
                              [](uint8_t a, char b) { return a == static_cast<uint8_t>(b); });
  REQUIRE(at != bytes.end());
  *at ^= 1;
  CHECK(message_of(bytes) == "file: member 'a/data/0' cannot be read: CRC error");
}

TEST_CASE("torch: every cut and every changed byte is an error or a file") {
  const std::vector<uint8_t> whole = archive_of(
      program(dict(entry("state_dict", dict(entry("x", kTensor))) + entry("c", call("torch", "Size", "N")))), kSix);
  REQUIRE(message_of(whole) == "");
  for (size_t length = 0; length < whole.size(); ++length)
    CHECK(message_of({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)}) != "");
  for (size_t at = 0; at < whole.size(); ++at) {
    std::vector<uint8_t> changed = whole;
    for (int value = 0; value < 256; value += value < 8 ? 1 : 7) {
      changed[at] = static_cast<uint8_t>(value);
      message_of(changed);  // anything but an Error would end the test
    }
  }
  // The checksum shields the pickle above, so once more with it made right each time.
  const std::string pickle = program(dict(entry("x", kTensor)));
  for (size_t at = 0; at < pickle.size(); ++at) {
    std::string changed = pickle;
    for (int value = 0; value < 256; value += 5) {
      changed[at] = static_cast<char>(value);
      message_of(changed, kSix);
    }
  }
}

}  // namespace tessera::torch_hostile_test
