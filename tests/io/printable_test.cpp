#include "io/printable.h"

#include <doctest/doctest.h>

namespace tessera::printable_test {

TEST_CASE("Control characters and bytes that are no UTF-8 are escaped, all else stays") {
  CHECK(escape_controls("plain ü € 𝄞 '\\'") == "plain ü € 𝄞 '\\'");
  CHECK(escape_controls("") == "");
  CHECK(escape_controls("a\x1b[31m\r\n\t\x7f") == "a\\x1b[31m\\x0d\\x0a\\x09\\x7f");
  CHECK(escape_controls("a\x1b\n\tb\r", "\n\t") == "a\\x1b\n\tb\\x0d");
  CHECK(escape_controls(std::string_view("a\0b", 3)) == "a\\x00b");
  CHECK(escape_controls("\u0080\u009b\u009f\u00a0") == "\\xc2\\x80\\xc2\\x9b\\xc2\\x9f\u00a0");
  CHECK(escape_controls("\x9b"
                        "1m") == "\\x9b1m");
  CHECK(escape_controls("ends \xe2\x82") == "ends \\xe2\\x82");
  CHECK(escape_controls("\xc0\x9b \xe0\x82\x9b \xed\xa0\x80 \xf4\x90\x80\x80 \xff") ==
        "\\xc0\\x9b \\xe0\\x82\\x9b \\xed\\xa0\\x80 \\xf4\\x90\\x80\\x80 \\xff");
  CHECK(shown("dir/\x1b]0;title\a\nx") == "dir/\\x1b]0;title\\x07\\x0ax");
}

}  // namespace tessera::printable_test
