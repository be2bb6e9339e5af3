#include "io/files.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <unistd.h>

#include <algorithm>
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

TEST_CASE("a file comes in pieces, whole and in order, and no piece is large") {
  const Scratch scratch;
  const fs::path path = scratch.path / "pieces";
  for (const size_t size : {size_t{0}, size_t{1}, size_t{256} << 10, (size_t{256} << 10) + 1, size_t{1'000'003}}) {
    std::string expected;
    for (size_t i = 0; i < size; ++i) expected += static_cast<char>(i * 7 + i / 251);
    write_file_atomically(path, expected);
    const TextPieces pieces = file_pieces(path);
    std::string joined;
    for (std::string_view piece = pieces(); !piece.empty(); piece = pieces()) {
      CHECK(piece.size() <= size_t{1} << 20);
      joined += piece;
    }
    CHECK(joined == expected);
    CHECK(pieces().empty());
  }
  CHECK_THROWS_WITH_AS(file_pieces(scratch.path / "absent"), doctest::Contains("cannot open"), Error);
  CHECK_THROWS_WITH_AS(file_pieces(scratch.path), doctest::Contains("it is not a regular file"), Error);
  const fs::path pipe = scratch.path / "pipe";
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK_THROWS_WITH_AS(file_pieces(pipe), doctest::Contains("it is not a regular file"), Error);
  write_file_atomically(path, std::string(1'000'000, 'a'));
  const TextPieces shortened = file_pieces(path);
  shortened();
  fs::resize_file(path, 300'000);
  const auto rest = [&] {
    while (!shortened().empty()) {
    }
  };
  CHECK_THROWS_WITH_AS(rest(), doctest::Contains("it became shorter while being read"), Error);
}

TEST_CASE("lines are the same however the text is cut") {
  const auto lines = [](const std::string& whole, size_t piece) {
    size_t at = 0;
    std::vector<std::string> out;
    for_each_line(
        [&] {
          const std::string_view next = std::string_view(whole).substr(std::min(at, whole.size()), piece);
          at += piece;
          return next;
        },
        [&](std::string_view line) { out.emplace_back(line); });
    return out;
  };
  for (const size_t piece : {size_t{1}, size_t{2}, size_t{3}, size_t{100}}) {
    CHECK(lines("", piece).empty());
    CHECK(lines("\n", piece) == std::vector<std::string>{""});
    CHECK(lines("ab\n\ncde", piece) == std::vector<std::string>{"ab", "", "cde"});
    CHECK(lines("ab\r\nc\n", piece) == std::vector<std::string>{"ab\r", "c"});
  }
}

}  // namespace tessera::files_test
