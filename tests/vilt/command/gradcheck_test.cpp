#include "vilt/command/gradcheck.h"

#include <doctest/doctest.h>

#include <sstream>

#include "tensor/error.h"

namespace tessera::gradcheck_test {

TEST_CASE("gradcheck command: a table of the matching ops, exit status 0") {
  std::ostringstream out;
  CHECK(run_gradcheck_table(out, "tanh", 1) == 0);
  CHECK(out.str().find("tanh") != std::string::npos);
  CHECK(out.str().find("sigmoid") == std::string::npos);
  CHECK(out.str().find("2 checks, 42 derivatives compared, 0 failed") != std::string::npos);
}

TEST_CASE("gradcheck command: planted errors fail, exit status 1") {
  std::ostringstream out;
  CHECK(run_gradcheck_table(out, "softmax", 1, true) == 1);
  CHECK(out.str().find("FAILED") != std::string::npos);
  CHECK(out.str().find("   ok\n") == std::string::npos);
}

TEST_CASE("gradcheck command: an op that does not exist") {
  std::ostringstream out;
  CHECK_THROWS_WITH_AS(run_gradcheck_table(out, "convolution", 1),
                       doctest::Contains("gradcheck: no op's name contains \"convolution\"; there are add, attention"),
                       Error);
}

}  // namespace tessera::gradcheck_test
