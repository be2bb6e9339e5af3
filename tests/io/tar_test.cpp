// Tar archives: what the golden archives (tests/golden/data/webdataset) do not have, and how they are written.
#include "io/tar.h"

#include <doctest/doctest.h>

#include <vector>

#include "io/tar_writer.h"
#include "tensor/error.h"
#include "tests/error_text.h"

namespace tessera::tar_test {

using tests::error_of;
using tests::lacking;

// In pieces of that many bytes, so that each header, name and byte of data is cut somewhere.
TextPieces in_pieces(const std::string& archive, size_t bytes) {
  return [rest = std::string_view(archive), bytes]() mutable {
    const std::string_view piece = rest.substr(0, bytes);
    rest.remove_prefix(piece.size());
    return piece;
  };
}

struct Read {
  TarMember member;
  std::string data;
};

std::vector<Read> read_all(const std::string& archive, size_t bytes = 4096) {
  TarReader reader(in_pieces(archive, bytes), "a.tar");
  std::vector<Read> out;
  for (TarMember member; reader.next(member);) {
    out.push_back({member, ""});
    reader.read(out.back().data);
  }
  return out;
}

// The checksum anew, after a change.
void seal(std::string& archive, size_t header = 0) {
  uint64_t sum = 0;
  for (size_t i = 0; i < 512; ++i) sum += i >= 148 && i < 156 ? ' ' : static_cast<unsigned char>(archive[header + i]);
  std::snprintf(archive.data() + header + 148, 7, "%06o", static_cast<unsigned>(sum));
}

std::string typed(char type, const std::string& name, const std::string& data) {
  std::string out = tar_member(name, data);
  out[156] = type;
  seal(out);
  return out;
}

std::string record(const std::string& text) {
  for (size_t length = text.size() + 3;; ++length) {
    std::string out = std::to_string(length) + " " + text + "\n";
    if (out.size() == length) return out;
  }
}

std::string pax(const std::string& records, char type = 'x') { return typed(type, "pax", records); }

TEST_CASE("Tar: what is written is read, however it comes in") {
  const std::string large(100'000, 'x');
  const std::string archive =
      tar_member("a.txt", "hello") + tar_member("empty", "") + tar_member(std::string(100, 'n'), large) + tar_end();
  CHECK(archive.size() == 512 + 512 + 512 + 512 + 100'352 + 1024);
  for (const size_t bytes : {size_t{1}, size_t{511}, size_t{512}, size_t{700}, archive.size()}) {
    const std::vector<Read> got = read_all(archive, bytes);
    REQUIRE(got.size() == 3);
    CHECK(got[0].member.name == "a.txt");
    CHECK(got[0].data == "hello");
    CHECK(got[1].member.begin == 1024);
    CHECK(got[1].data.empty());
    CHECK(got[2].member.name == std::string(100, 'n'));
    CHECK(got[2].data == large);
  }
  CHECK_THROWS_WITH_AS(tar_member("", "x"), doctest::Contains("expected 1 to 100"), Error);
  CHECK_THROWS_WITH_AS(tar_member(std::string(101, 'n'), "x"), doctest::Contains("has 101 bytes"), Error);
}

TEST_CASE("Tar: members are passed over without being read") {
  const std::string archive = tar_member("a", std::string(5000, 'a')) + tar_member("b", "bb") + tar_end();
  TarReader reader(in_pieces(archive, 100), "a.tar");
  TarMember member;
  REQUIRE(reader.next(member));
  REQUIRE(reader.next(member));
  CHECK(member.name == "b");
  CHECK(member.begin == 512 + 5120);
  std::string data = "before";
  reader.read(data);
  CHECK(data == "bb");
  CHECK(reader.position() == 512 + 5120 + 1024);
  CHECK_FALSE(reader.next(member));
}

TEST_CASE("Tar: pax records for one member, for all, and taken back") {
  const std::string archive = pax(record("path=all") + record("size=3"), 'g') + tar_member("first", "abc") +
                              pax(record("path=") + record("size=2")) + tar_member("second", "de") +
                              pax(record("comment=a\nb=c") + record("path=x/third") + std::string(20, '\0')) +
                              tar_member("third", "fgh");
  const std::vector<Read> got = read_all(archive);
  REQUIRE(got.size() == 3);
  CHECK(got[0].member.name == "all");
  CHECK(got[0].member.begin == 0);
  CHECK(got[1].member.name == "second");
  CHECK(got[1].data == "de");
  CHECK(got[2].member.name == "x/third");
  CHECK(got[2].data == "fgh");
}

TEST_CASE("Tar: damaged extended headers are errors that say what is wrong") {
  const auto error = [](const std::string& records) {
    return error_of([&] { read_all(pax(records) + tar_member("a", "b")); });
  };
  CHECK(lacking(error("9 path=a"), {"a.tar: at byte 0: bad pax header", "does not fit", "9 path=a"}) == "");
  CHECK(lacking(error("8 path=a"), {"bad pax header", "line break"}) == "");
  CHECK(lacking(error("x path=a\n"), {"bad pax header", "begin with its length"}) == "");
  CHECK(lacking(error("2 path=a\n"), {"bad pax header", "does not fit"}) == "");
  CHECK(lacking(error("99999999999999999999 path=a\n"), {"bad pax header", "begin with its length"}) == "");
  CHECK(lacking(error("5 =a\n"), {"bad pax header", "without KEY="}) == "");
  CHECK(lacking(error(record("size=9223372036854775808")), {"bad pax header", "size"}) == "");
  CHECK(lacking(error(record("size=")), {"bad pax header", "size"}) == "");
  CHECK(lacking(error_of([] { read_all(typed('L', "l", std::string((1 << 20) + 1, 'n')) + tar_member("a", "b")); }),
                {"bad long name", "1048577 bytes"}) == "");
  CHECK(lacking(error_of([] { read_all(typed('L', "l", "name") + tar_end()); }), {"without the member"}) == "");
}

TEST_CASE("Tar: numbers that are none") {
  const auto with_size = [](const std::string& field) {
    std::string archive = tar_member("a", "b") + tar_end();
    archive.replace(124, 12, (field + std::string(12, '\0')).substr(0, 12));
    seal(archive);
    return error_of([&] { read_all(archive); });
  };
  CHECK(with_size("1") == "no error");
  CHECK(with_size("  1 ") == "no error");
  CHECK(with_size(std::string("\x80\0\0\0\0\0\0\0\0\0\0\1", 12)) == "no error");
  CHECK(lacking(with_size("8"), {"bad size", "'8\\x00"}) == "");
  CHECK(lacking(with_size("1 1"), {"bad size"}) == "");
  CHECK(lacking(with_size("-1"), {"bad size"}) == "");
  CHECK(lacking(with_size("0x1"), {"bad size"}) == "");
  for (const char* first : {"\xff", "\x81", "\xc0"})
    CHECK(lacking(with_size(first + std::string("\0\0\0\0\0\0\0\0\0\0\1", 11)), {"bad size"}) == "");
  CHECK(lacking(with_size(std::string("\x80\0\0\0\x80\0\0\0\0\0\0\0", 12)), {"bad size"}) == "");
  CHECK(lacking(with_size(std::string("\x80\0\0\0\x7f\0\0\0\0\0\0\0", 12)), {"truncated data"}) == "");
}

TEST_CASE("Tar: data that are promised and do not come take no memory") {
  std::string archive = tar_member("a", "b");
  archive.replace(124, 11, "77777777777");
  seal(archive);
  CHECK(lacking(error_of([&] { read_all(archive); }), {"truncated data: 8589934079 bytes", "at byte 0"}) == "");
}

TEST_CASE("Tar: types") {
  const auto type = [](char letter, const std::string& name = "a.b") {
    const std::vector<Read> got = read_all(typed(letter, name, "") + tar_member("next", "data"));
    REQUIRE(got.size() == 2);
    CHECK(got[1].data == "data");
    return got[0].member.reason;
  };
  CHECK(type('0') == "");
  CHECK(type('\0') == "");
  CHECK(type('7') == "");
  CHECK(type('\0', "a/") == "folder");
  CHECK(type('5') == "folder");
  CHECK(type('M') == "unknown type 'M'");
  CHECK(type('\x1b') == "unknown type '\\x1b'");
  // The size of a link is that of what it points at: no data follow.
  std::string link = typed('1', "a", "");
  link.replace(124, 11, "00000001000");
  seal(link);
  const std::vector<Read> got = read_all(link + tar_member("next", "data"));
  REQUIRE(got.size() == 2);
  CHECK(got[0].member.use == TarMember::Use::refused);
  CHECK(got[1].data == "data");
}

TEST_CASE("Tar: what is no archive is named") {
  CHECK(error_of([] { read_all(""); }) == "a.tar: is empty, expected a tar archive");
  CHECK(lacking(error_of([] { read_all("<!doctype html><html></html>"); }),
                {"truncated header", "an HTML page", "expected a tar archive"}) == "");
  CHECK(lacking(error_of([] { read_all("\xff\xd8\xff" + std::string(600, 'x')); }), {"bad checksum", "JPEG"}) == "");
  CHECK(lacking(error_of([] { read_all(tar_member("a", "b") + "\x1b[2J" + std::string(600, 'x')); }),
                {"bad checksum", "at byte 1024", "\\x1b"}) == "");
}

}  // namespace tessera::tar_test
