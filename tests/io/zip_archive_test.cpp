#include "io/zip_archive.h"

#include <doctest/doctest.h>
#include <sys/stat.h>
#include <zip.h>

#include <algorithm>
#include <cstring>
#include <fstream>

#include "tensor/error.h"
#include "tests/io/pickle_code.h"
#include "tests/io/zip_writer.h"
#include "tests/temporary_directory.h"

namespace tessera::zip_archive_test {

using namespace tessera::tests;

namespace {

std::vector<uint8_t> archive_of(const std::string& name, const std::string& contents) {
  ZipWriter zip;
  zip.add(name, as_bytes(contents));
  zip.add("other", as_bytes("123"));
  return zip.finish();
}

std::string contents_of(const ZipArchive& archive, const std::string& name) {
  const ZipMember* member = archive.find(name);
  REQUIRE(member != nullptr);
  const std::vector<uint8_t> bytes = archive.read(*member);
  return {bytes.begin(), bytes.end()};
}

// Of opening the archive and reading all of it.
std::string message_of(const std::vector<uint8_t>& bytes) {
  try {
    const ZipArchive archive(bytes, "file");
    for (const ZipMember& member : archive.members()) archive.read(member);
  } catch (const Error& error) {
    return error.what();
  }
  return "";
}

// Overwrites a field of the first member's entry in the directory, which begins with "PK\1\2".
std::vector<uint8_t> with_field(std::vector<uint8_t> bytes, size_t offset, uint64_t value, int width) {
  const uint8_t signature[] = {'P', 'K', 1, 2};
  const auto entry = std::search(bytes.begin(), bytes.end(), std::begin(signature), std::end(signature));
  REQUIRE(entry != bytes.end());
  const std::string field = little_endian(value, width);
  std::copy(field.begin(), field.end(), entry + static_cast<std::ptrdiff_t>(offset));
  return bytes;
}

constexpr size_t kFlags = 8, kMethod = 10, kChecksum = 16, kPackedSize = 20, kSize = 24;

// With libzip's own compression.
std::string deflated(const std::string& path, const std::string& contents) {
  zip_t* zip = zip_open(path.c_str(), ZIP_CREATE | ZIP_TRUNCATE, nullptr);
  REQUIRE(zip != nullptr);
  const zip_int64_t index =
      zip_file_add(zip, "packed", zip_source_buffer(zip, contents.data(), contents.size(), 0), ZIP_FL_ENC_GUESS);
  REQUIRE(index >= 0);
  REQUIRE(zip_set_file_compression(zip, static_cast<zip_uint64_t>(index), ZIP_CM_DEFLATE, 9) == 0);
  REQUIRE(zip_close(zip) == 0);
  return path;
}

}  // namespace

TEST_CASE("zip: stored members") {
  const std::vector<uint8_t> bytes = archive_of("folder/name", "contents");
  const ZipArchive archive(bytes, "file");
  CHECK(archive.path() == "file");
  CHECK(archive.bytes() == bytes.size());
  REQUIRE(archive.members().size() == 2);
  CHECK(archive.members()[0].name == "folder/name");
  CHECK(archive.members()[0].size == 8);
  CHECK(archive.members()[0].stored);
  CHECK(contents_of(archive, "folder/name") == "contents");
  CHECK(contents_of(archive, "other") == "123");
  CHECK(archive.find("name") == nullptr);
}

TEST_CASE("zip: a member in pieces") {
  const std::vector<uint8_t> bytes = archive_of("name", "contents");
  const ZipArchive archive(bytes, "file");
  ZipArchive::Stream stream = archive.open(*archive.find("name"));
  char piece[4];
  stream.read(piece, 4);
  CHECK(std::string(piece, 4) == "cont");
  CHECK_THROWS_WITH_AS(stream.finish(), "file: member 'name' is longer than the archive's directory says", Error);
  CHECK_THROWS_WITH_AS(stream.read(piece, 4), "file: member 'name' ends 1 bytes too early", Error);
}

TEST_CASE("zip: archives on disk") {
  const TemporaryDirectory scratch;
  const std::string path = (scratch.path() / "stored.zip").string();
  const std::vector<uint8_t> bytes = archive_of("name", "contents");
  std::ofstream(path, std::ios::binary).write(reinterpret_cast<const char*>(bytes.data()), bytes.size());
  CHECK(contents_of(ZipArchive(path), "name") == "contents");

  const std::string absent = (scratch.path() / "absent").string(), folder = scratch.path().string();
  CHECK_THROWS_WITH_AS(ZipArchive{absent}, ("cannot open " + absent + ": No such file or directory").c_str(), Error);
  CHECK_THROWS_WITH_AS(ZipArchive{folder}, ("cannot read " + folder + ": it is not a regular file").c_str(), Error);
  const std::string pipe = (scratch.path() / "pipe").string();
  REQUIRE(::mkfifo(pipe.c_str(), 0600) == 0);
  CHECK_THROWS_WITH_AS(ZipArchive{pipe}, ("cannot read " + pipe + ": it is not a regular file").c_str(), Error);
}

TEST_CASE("zip: compressed members, unless they would be larger than the archive") {
  const TemporaryDirectory scratch;
  std::string text;
  for (int i = 0; i < 100; ++i) text += static_cast<char>('a' + i * i % 26);
  const ZipArchive small(deflated((scratch.path() / "small.zip").string(), text));
  CHECK(!small.find("packed")->stored);
  CHECK(contents_of(small, "packed") == text);

  const std::string bomb = deflated((scratch.path() / "bomb.zip").string(), std::string(10'000'000, '\0'));
  try {
    ZipArchive{bomb};
    FAIL("the bomb was opened");
  } catch (const Error& error) {
    CHECK(std::string(error.what())
              .find(": member 'packed' would be 10000000 bytes unpacked, more than the archive's ") !=
          std::string::npos);
  }
}

TEST_CASE("zip: what is refused") {
  const std::vector<uint8_t> good = archive_of("name", "contents");
  REQUIRE(message_of(good) == "");
  CHECK(message_of({}) == "file: is empty");
  CHECK(message_of({'a', 'b', 'c'}) == "file: not a zip archive, or cut short");
  CHECK(message_of(with_field(good, kFlags, 1, 2)) == "file: member 'name' is encrypted");
  CHECK(message_of(with_field(good, kMethod, 12, 2)) ==
        "file: member 'name' has compression method 12, expected 0 (stored) or 8 (deflated)");
  CHECK(message_of(with_field(good, kChecksum, 1, 4)) == "file: member 'name' cannot be read: CRC error");
  CHECK(message_of(with_field(good, kPackedSize, 1000, 4))
            .find("member 'name' takes 1000 bytes, more than the archive's ") != std::string::npos);
  CHECK(message_of(with_field(good, kSize, 9, 4)) == "file: member 'name' is stored in 8 bytes, but its size is 9");
  CHECK(message_of(with_field(with_field(good, kMethod, 8, 2), kSize, 1u << 31, 4))
            .find("member 'name' would be 2147483648 bytes unpacked, more than the archive's ") != std::string::npos);
  CHECK(message_of(with_field(good, 0, 0, 4)) == "file: not a zip archive, or cut short");
  std::vector<uint8_t> inconsistent = good;
  inconsistent[good.size() - 22 + 12] = 0;  // the size of the directory, which the last 22 bytes give
  CHECK(message_of(inconsistent) == "file: damaged zip archive: Zip archive inconsistent");
  ZipWriter twice;
  twice.add("name", as_bytes("a"));
  twice.add("name", as_bytes("b"));
  CHECK(message_of(twice.finish()) == "file: two members are named 'name'");
}

TEST_CASE("zip: every cut and every changed byte is an error or an archive") {
  const std::vector<uint8_t> whole = archive_of("name", "contents");
  for (size_t length = 0; length < whole.size(); ++length)
    CHECK(message_of({whole.begin(), whole.begin() + static_cast<std::ptrdiff_t>(length)}) != "");
  for (size_t at = 0; at < whole.size(); ++at) {
    std::vector<uint8_t> changed = whole;
    for (const int value : {0, 1, 2, 8, 127, 128, 254, 255}) {
      changed[at] = static_cast<uint8_t>(value);
      message_of(changed);  // anything but an Error would end the test
    }
  }
}

}  // namespace tessera::zip_archive_test
