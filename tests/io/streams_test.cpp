// Streams: packed ones, those of commands, files that are written piece by piece, checksums.
#include <doctest/doctest.h>

#include <algorithm>
#include <filesystem>

#include "io/command_output.h"
#include "io/output_file.h"
#include "io/sha256.h"
#include "io/unpacking.h"
#include "tensor/error.h"
#include "tests/error_text.h"
#include "tests/packed.h"
#include "tests/temporary_directory.h"

namespace tessera::streams_test {

using tests::error_of;
using tests::lacking;
using tests::TemporaryDirectory;

using tests::gzip;
using tests::zstd;

std::string unpack(const std::string& packed, size_t piece = 1000) {
  const TextPieces pieces = unpacked(
      [rest = std::string_view(packed), piece]() mutable {
        const std::string_view next = rest.substr(0, piece);
        rest.remove_prefix(next.size());
        return next;
      },
      "a.tar");
  std::string out;
  for (std::string_view part = pieces(); !part.empty(); part = pieces()) {
    CHECK(part.size() <= 256 << 10);
    out += part;
  }
  return out;
}

std::string contents() {
  std::string out;
  for (int64_t i = 0; i < 100'000; ++i) out += std::to_string(i * i);
  return out;
}

TEST_CASE("Unpacking: gzip, Zstandard, several of them, and neither") {
  const std::string data = contents();
  for (const size_t piece : {size_t{1}, size_t{3}, size_t{100'000}}) {
    CHECK(unpack(gzip(data), piece) == data);
    CHECK(unpack(zstd(data), piece) == data);
    CHECK(unpack(data, piece) == data);
  }
  CHECK(unpack(gzip("one") + gzip("") + gzip("two")) == "onetwo");
  CHECK(unpack(zstd("one") + zstd("") + zstd("two")) == "onetwo");
  CHECK(unpack(gzip("one") + std::string(600, '\0')) == "one");
  CHECK(unpack("") == "");
  CHECK(unpack("\x1f") == "\x1f");
  CHECK(unpack(std::string("\x50\x2a\x4d\x18\4\0\0\0abcd", 12) + zstd("one")) == "one");
  // Much from little comes in pieces.
  CHECK(unpack(gzip(std::string(20'000'000, 'x'))).size() == 20'000'000);
  CHECK(unpack(zstd(std::string(20'000'000, 'x'))).size() == 20'000'000);
}

TEST_CASE("Unpacking: what is cut or damaged is an error after what was whole") {
  const std::string data = contents();
  for (const bool is_gzip : {true, false}) {
    std::string packed = is_gzip ? gzip(data) : zstd(data);
    const char* truncated = is_gzip ? "a.tar: truncated gzip stream" : "a.tar: truncated Zstandard stream";
    for (const size_t cut : {size_t{1}, size_t{7}, packed.size() / 2})
      CHECK(error_of([&] { unpack(packed.substr(0, packed.size() - cut)); }) == truncated);
    packed[packed.size() / 2] ^= 1;
    CHECK(lacking(error_of([&] { unpack(packed); }), {"a.tar: damaged"}) == "");
  }
  std::string wrong_sum = gzip("data");
  wrong_sum[wrong_sum.size() - 5] ^= 1;
  CHECK(lacking(error_of([&] { unpack(wrong_sum); }), {"damaged gzip stream", "data check"}) == "");
  CHECK(lacking(error_of([&] { unpack(zstd("one") + "other"); }), {"damaged Zstandard stream"}) == "");
}

TEST_CASE("Commands: their output, their status, and one that is not read to its end") {
  const auto output = [](const std::string& command) {
    const TextPieces pieces = command_output(command);
    std::string out;
    for (std::string_view part = pieces(); !part.empty(); part = pieces()) out += part;
    CHECK(pieces().empty());
    return out;
  };
  CHECK(output("printf 'a\\0b'; printf c") == std::string("a\0bc", 4));
  CHECK(output("head -c 1000000 /dev/zero").size() == 1'000'000);
  CHECK(output("true") == "");
  CHECK(lacking(error_of([&] { output("printf x; exit 3"); }), {"exit 3: ended with status 3"}) == "");
  CHECK(lacking(error_of([&] { output("kill -9 $$"); }), {"killed by signal 9"}) == "");
  const TextPieces endless = command_output("yes");
  CHECK(endless().substr(0, 4) == "y\ny\n");
}

TEST_CASE("Output files appear when they are whole") {
  const TemporaryDirectory folder;
  const std::filesystem::path path = folder.path() / "a";
  const auto files = [&] {
    return std::distance(std::filesystem::directory_iterator(folder.path()), std::filesystem::directory_iterator());
  };
  {
    OutputFile file(path);
    file.write("half");
    CHECK_FALSE(std::filesystem::exists(path));
    CHECK(files() == 1);
  }
  CHECK(files() == 0);
  OutputFile file(path);
  file.write("ab");
  file.write("");
  file.write("c");
  CHECK(file.size() == 3);
  file.put_in_place(Durability::power);
  CHECK(files() == 1);
  CHECK(std::filesystem::file_size(path) == 3);
  CHECK(lacking(error_of([&] { OutputFile(folder.path() / "no" / "a"); }), {"cannot create", "No such file"}) == "");
}

// FIPS 180-4's examples.
TEST_CASE("SHA-256") {
  Sha256 hash;
  CHECK(hash.hexadecimal() == "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855");
  hash.add("a");
  hash.add("bc");
  CHECK(hash.hexadecimal() == "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad");
  for (int i = 0; i < 1000; ++i) hash.add(std::string(1000, 'a'));
  CHECK(hash.hexadecimal() == "cdc76e5c9914fb9281a1c7e284d73e67f1809a48a497200e046d39ccc7112cd0");
}

}  // namespace tessera::streams_test
