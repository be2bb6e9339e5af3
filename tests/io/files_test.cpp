#include "io/files.h"

#include <doctest/doctest.h>
#include <unistd.h>

#include <string>

#include "tensor/error.h"

namespace tessera::files_test {
namespace fs = std::filesystem;

namespace {

// A folder that is removed with everything in it.
struct Scratch {
  fs::path path = fs::temp_directory_path() / ("tessera_files_test_" + std::to_string(::getpid()));
  Scratch() { fs::create_directories(path); }
  ~Scratch() { fs::remove_all(path); }
};

std::string contents(const fs::path& path) {
  const std::vector<uint8_t> bytes = read_file(path);
  return {bytes.begin(), bytes.end()};
}

size_t entries(const fs::path& folder) {
  return static_cast<size_t>(std::distance(fs::directory_iterator(folder), fs::directory_iterator()));
}

}  // namespace

TEST_CASE("a written file is read back, replaced as a whole, and nothing else is left") {
  const Scratch scratch;
  const fs::path path = scratch.path / "a.txt";
  write_file_atomically(path, std::string("one\0two", 7));
  CHECK(contents(path) == std::string("one\0two", 7));
  write_file_atomically(path, std::string_view("three"), Durability::power);
  CHECK(contents(path) == "three");
  write_file_atomically(path, std::string_view());
  CHECK(contents(path).empty());
  CHECK(entries(scratch.path) == 1);
}

TEST_CASE("errors of reading name the path and the reason") {
  const Scratch scratch;
  CHECK_THROWS_WITH_AS(read_file(scratch.path / "absent"),
                       ("cannot open " + (scratch.path / "absent").string() + ": No such file or directory").c_str(),
                       Error);
  CHECK_THROWS_WITH_AS(read_file(scratch.path),
                       ("cannot read " + scratch.path.string() + ": it is not a regular file").c_str(), Error);
  const fs::path path = scratch.path / "long";
  write_file_atomically(path, std::string(11, 'x'));
  CHECK(read_file(path, 11).size() == 11);
  CHECK_THROWS_WITH_AS(read_file(path, 10),
                       ("cannot read " + path.string() + ": it has 11 bytes, the limit is 10").c_str(), Error);
}

TEST_CASE("errors of writing leave no partial file") {
  const Scratch scratch;
  CHECK_THROWS_WITH_AS(write_file_atomically(scratch.path / "absent" / "a", std::string_view("x")),
                       doctest::Contains("cannot create"), Error);
  fs::create_directories(scratch.path / "folder" / "inside");
  CHECK_THROWS_WITH_AS(write_file_atomically(scratch.path / "folder", std::string_view("x")),
                       doctest::Contains("cannot write"), Error);
  CHECK(entries(scratch.path) == 1);
}

}  // namespace tessera::files_test
