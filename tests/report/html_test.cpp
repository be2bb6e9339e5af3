#include "report/html.h"

#include <doctest/doctest.h>

#include <limits>

namespace tessera::html_test {

TEST_CASE("html: text is escaped for elements and attributes") {
  CHECK(escape_html("a < b & \"c\" > 'd'") == "a &lt; b &amp; &quot;c&quot; &gt; &#39;d&#39;");
  CHECK(escape_html("größer") == "größer");
}

TEST_CASE("html: base64 (RFC 4648, section 10)") {
  const auto encoded = [](std::string_view s) {
    return base64({reinterpret_cast<const uint8_t*>(s.data()), s.size()});
  };
  CHECK(encoded("") == "");
  CHECK(encoded("f") == "Zg==");
  CHECK(encoded("fo") == "Zm8=");
  CHECK(encoded("foo") == "Zm9v");
  CHECK(encoded("foob") == "Zm9vYg==");
  CHECK(encoded("fooba") == "Zm9vYmE=");
  CHECK(encoded("foobar") == "Zm9vYmFy");
  CHECK(encoded("\xff\xfe\xfd") == "//79");
}

TEST_CASE("html: numbers as people read them") {
  CHECK(with_thousands(0) == "0");
  CHECK(with_thousands(999) == "999");
  CHECK(with_thousands(268657) == "268,657");
  CHECK(with_thousands(-1234567) == "-1,234,567");
  CHECK(with_thousands(-100) == "-100");
  CHECK(fixed(0.126, 2) == "0.13");
  CHECK(fixed(-0.001, 2) == "0.00");
  CHECK(fixed(std::nullopt, 2) == "–");
  CHECK(fixed(std::numeric_limits<double>::quiet_NaN(), 2) == "–");
  CHECK(percent(0.98349) == "98.3\u00a0%");
  CHECK(percent(std::nullopt) == "–");
  CHECK(short_number(0.002) == "0.002");
  CHECK(short_number(0.0000213) == "2.13e-5");
  CHECK(short_number(-0.0) == "0");
  CHECK(duration(5.25) == "5.2 s");
  CHECK(duration(75) == "1 min 15 s");
  CHECK(duration(3599.6) == "1 h 0 min");
  CHECK(duration(7260) == "2 h 1 min");
  CHECK(duration(-1) == "–");
}

}  // namespace tessera::html_test
