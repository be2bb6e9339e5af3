#include "io/words.h"

#include <doctest/doctest.h>

namespace tessera::words_test {

TEST_CASE("Words: numbers and times") {
  CHECK(fixed_text(0.12345, 3) == "0.123");
  CHECK(fixed_text(-2.5, 0) == "-2");
  CHECK(with_thousands(0) == "0");
  CHECK(with_thousands(999) == "999");
  CHECK(with_thousands(-268657) == "-268,657");
  CHECK(with_thousands(-123) == "-123");
  CHECK(with_thousands(1000000) == "1,000,000");
  CHECK(clock_text(0) == "0:00");
  CHECK(clock_text(83.2) == "1:23");
  CHECK(clock_text(3723) == "1:02:03");
}

}  // namespace tessera::words_test
